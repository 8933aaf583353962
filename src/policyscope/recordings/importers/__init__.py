"""Episodes that other programs kept: one file each, recognised by what is in them."""
