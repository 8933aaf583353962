"""A recording's numbers, read from its shards: steps and targets, lazy arrays, windows, batches."""
