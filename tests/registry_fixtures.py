"""The fixtures of the registry's tests: `pytest_plugins = ["registry_fixtures"]`."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from registries import Opener, Serve, StillClock

from bumper.systems.registry import Registry
from bumper_sandbox.registry.server import RegistryServer


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens registries as a run does, in an environment of their own, and closes them."""
    with ExitStack() as stack:

        def open_registry(transport: httpx.BaseTransport | None = None, **environ: str) -> Registry:
            registry = Registry(
                environ={"HOME": str(tmp_path), "PATH": os.environ["PATH"], **environ},
                clock=StillClock(),
                transport=transport,
            )
            stack.callback(registry.close)
            return registry

        yield open_registry


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts sandbox registries; the Azure libraries find the identity of the last one, in the one environment that they read."""
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)
    with ExitStack() as stack:

        def start(**options: object) -> RegistryServer:
            server = stack.enter_context(RegistryServer(**options))  # type: ignore[arg-type]
            for name, value in server.environ().items():
                monkeypatch.setenv(name, value)
            return server

        yield start
