"""Agents: networks, acting, memory, loading and saving."""
