"""Async chat with swappable backends."""
