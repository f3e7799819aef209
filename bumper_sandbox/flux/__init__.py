"""The controllers of a small Flux."""
