"""What is made of the values: maps, entities, comparisons, summaries."""
