"""What is asked: decisions, a target as a function of an activation, baselines, groups."""
