"""Proving an agent: against its original, its contract, and what its sites do not show."""
