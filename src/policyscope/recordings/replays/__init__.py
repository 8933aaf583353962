"""Recorded steps restored in a world, proved to be the recorded ones, changed and played on."""
