"""GitHub: what is told there, and how commits and pull requests are made there."""

from bumper.systems.github.hub import PUBLIC_API, GitHub

__all__ = ["PUBLIC_API", "GitHub"]
