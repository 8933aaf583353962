"""The methods, each a function of a score."""
