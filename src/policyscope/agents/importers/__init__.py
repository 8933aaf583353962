"""Checkpoints of other lineages: one file each, recognised by what is in them."""
