"""Procgen's games on their native engine: stepping, states, entities, edits, outcomes."""
