"""The sandbox that the tests of the commands share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bumper_sandbox.stack import Stack

K8S = Path(__file__).parents[2] / "k8s"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Git server, registry and cluster, seeded from our own tree, with a Flux that follows it."""
    with Stack(K8S, dict(os.environ), speed=20.0) as running:
        running.bootstrap()
        yield running
