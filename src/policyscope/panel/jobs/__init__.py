"""Work that goes on while nobody looks."""
