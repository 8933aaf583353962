"""What the panel's server and its page say to each other."""
