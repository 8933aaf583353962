"""What is shown step by step: tracks, overlays, the map of steps."""
