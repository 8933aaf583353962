"""What the served folder holds: recordings, their episodes and arrays, results."""
