"""The Kubernetes API with a Flux in it: reading the objects of sites, being woken by their changes, asking Flux to fetch.

`Cluster` is all that the rest of the program knows of it. The client libraries for Python were tried and left: see docs/decisions.md.
"""

from bumper.systems.kube.cluster import Cluster
from bumper.systems.kube.connection import Timeouts

__all__ = ["Cluster", "Timeouts"]
