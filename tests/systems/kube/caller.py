"""Requests through one connection, made from a kubeconfig of the test's own."""

import asyncio
import base64
import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from bumper.errors import BumpError
from bumper.systems.kube import config
from bumper.systems.kube.connection import Connection, Timeouts
from systems.kube.certificates import authority
from systems.kube.clock import Clock

PATH = "/api/v1/namespaces/x/pods/web"


V1, V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


class Caller:
    """Asks through one connection, from one event loop."""

    def __init__(
        self,
        environ: dict[str, str],
        clock: Clock,
        account: Path = config.SERVICE_ACCOUNT,
        plugin_s: float = 5.0,
        answer_s: float = 5.0,
    ) -> None:
        self.environ = {"PATH": os.defpath, **environ}
        self.account = account
        self._runner = asyncio.Runner()
        self._is_closed = False
        access = config.load(None, environ, account)
        timeouts = Timeouts(connect_s=min(5.0, answer_s), answer_s=answer_s, plugin_s=plugin_s)
        self.connection = Connection(
            access, lambda: config.reload(access, environ, account), self.environ, clock, timeouts
        )

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    def ask(self) -> Any:
        return self.run(self.answer())

    def refusal(self) -> BumpError:
        with pytest.raises(BumpError) as caught:
            self.ask()
        return caught.value

    async def answer(self) -> Any:
        async with self.connection.exchange("GET", PATH, {}) as response:
            return json.loads(await response.aread())

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.run(self.connection.aclose())
            self._runner.close()


Ask = Callable[..., Caller]


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def trust() -> dict[str, Any]:
    return {"certificate-authority-data": encoded(authority().pem)}


def exec_user(command: Path | str, api_version: str = V1, **more: Any) -> dict[str, Any]:
    return {"exec": {"apiVersion": api_version, "command": str(command), "interactiveMode": "Never", **more}}
