"""Forks of a server: played in threads of their own, kept for some time."""
