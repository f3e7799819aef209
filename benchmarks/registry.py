"""Asking Azure's registry for an image: ours, the plain SDK, and an exchange of our own, against the sandbox's emulation on loopback.

Ours is the SDK with a memory for access tokens (`registry.acr`); it also reads the image's configuration, for platform and
labels, which the other two do not. A new process counts the start of Python and the import of the libraries; requests cost next to
nothing on loopback, so that they are counted beside the seconds: over a network each one is a round trip.
On loopback ours first asks who is there; a name that is Azure's saves that request.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.sidebyside import Way, measure, rounds_of
from bumper.app.clock import SystemClock
from bumper.image import ImageReference
from bumper.systems.registry import Registry
from bumper_sandbox.registry.server import RegistryServer

ROUNDS = rounds_of(5)
SITE = "web"
SCOPE = "https://containerregistry.azure.net/.default"
# What the SDK sends, so that all three get the same manifest.
ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
Question = Callable[[], str]


def main() -> None:
    with RegistryServer() as server:
        digest = server.push(SITE, "1")
        os.environ.update(server.environ())
        print("requests for one image      first question   second")
        for name, open_way in WAYS.items():
            with open_way(server.host) as ask:
                counts = [_counted(server, ask, digest) for _ in range(2)]
            print(f"  {name:<26}{counts[0]:>14}{counts[1]:>9}")
        print()
        measure("first question, in a new process", _cold(server.host), rounds=ROUNDS)
        print()
        _measure_warm(server.host)


def child(name: str, host: str) -> None:
    """One question in a process of its own."""
    with WAYS[name](host) as ask:
        ask()


@contextmanager
def ours(host: str) -> Iterator[Question]:
    registry = Registry(environ={}, clock=SystemClock())
    image = ImageReference(f"{host}/{SITE}", "1")
    try:
        yield lambda: registry.resolve(image).image.digest
    finally:
        registry.close()


@contextmanager
def plain_sdk(host: str) -> Iterator[Question]:
    from azure.containerregistry import ContainerRegistryClient
    from azure.identity import DefaultAzureCredential

    with (
        DefaultAzureCredential() as credential,
        ContainerRegistryClient(f"http://{host}", credential) as client,
    ):
        yield lambda: str(client.get_manifest(SITE, "1", enforce_https=False).digest)


@contextmanager
def own_exchange(host: str) -> Iterator[Question]:
    import httpx
    from azure.identity import DefaultAzureCredential

    kept: dict[str, str] = {}

    def ask() -> str:
        headers = {"Accept": ACCEPT, **kept}
        answer = client.get(f"/v2/{SITE}/manifests/1", headers=headers)
        if answer.status_code == 401:
            entra = credential.get_token(SCOPE).token
            form = {"grant_type": "access_token", "service": host, "access_token": entra}
            refresh = client.post("/oauth2/exchange", data=form).json()["refresh_token"]
            form = {
                "grant_type": "refresh_token",
                "service": host,
                "scope": f"repository:{SITE}:pull",
                "refresh_token": refresh,
            }
            kept["Authorization"] = "Bearer " + client.post("/oauth2/token", data=form).json()["access_token"]
            answer = client.get(f"/v2/{SITE}/manifests/1", headers={**headers, **kept})
        return answer.headers["Docker-Content-Digest"]

    with (
        DefaultAzureCredential() as credential,
        httpx.Client(base_url=f"http://{host}", trust_env=False) as client,
    ):
        yield ask


WAYS = {"bumper.systems.registry": ours, "the SDK alone": plain_sdk, "an exchange of our own": own_exchange}


def _counted(server: RegistryServer, ask: Question, digest: str) -> int:
    server.asked.clear()
    if ask() != digest:
        raise RuntimeError("another image was found")
    return len(server.asked)


def _cold(host: str) -> dict[str, Way]:
    def way(name: str) -> Way:
        code = f"from benchmarks.registry import child; child({name!r}, {host!r})"

        def run(_: int) -> None:
            subprocess.run([sys.executable, "-c", code], check=True)

        return run

    return {name: way(name) for name in WAYS}


def _warm(ask: Question) -> Way:
    def run(_: int) -> None:
        ask()

    return run


def _measure_warm(host: str) -> None:
    with ours(host) as first, plain_sdk(host) as second, own_exchange(host) as third:
        ways = {name: _warm(ask) for name, ask in zip(WAYS, (first, second, third), strict=True)}
        measure("every further question, with what each way has kept", ways, rounds=rounds_of(20))
