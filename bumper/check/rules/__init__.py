"""The rules, a module for each family. A new family is imported here; a new rule of a family only has to be written."""

from bumper.check.finding import RULES
from bumper.check.rules import (
    apis,
    files,
    flux,
    freeze,
    names,
    namespaces,
    pods,
    references,
    routes,
    services,
    workflows,
)

__all__ = [
    "RULES",
    "apis",
    "files",
    "flux",
    "freeze",
    "names",
    "namespaces",
    "pods",
    "references",
    "routes",
    "services",
    "workflows",
]
