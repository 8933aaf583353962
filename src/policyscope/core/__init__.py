"""Names, hooks, edits, results and statistics; imports nothing else of policyscope."""
