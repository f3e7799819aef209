"""Freezing sites and lifting that again: what is committed for it, and how that is told."""
