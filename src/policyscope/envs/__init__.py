"""Worlds: steppers, their entities, scene edits and snapshots."""
