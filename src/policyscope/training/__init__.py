"""Training: each algorithm a file to be read from top to bottom."""
