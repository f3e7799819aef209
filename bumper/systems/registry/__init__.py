"""Registries: whether an image is there, and what it is."""

from bumper.systems.registry.lookup import Registry

__all__ = ["Registry"]
