"""Moments of a recording that an expression describes: grammar, numbers, search."""
