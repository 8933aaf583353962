"""The telling moments of a recording, and short clips of them."""
