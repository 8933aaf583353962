"""Recorded episodes as moving pictures."""
