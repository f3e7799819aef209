"""The slow-peer table: each system with each way of being slow, odd or endless, and what became of it.

Every cell asks through the product's own code under a deadline that is in force, and ends within a second of it: by an error for
people, or by what the system may take for an answer. `tests/systems/test_slow_peers.py` holds the table; `rows` runs any part of it.
"""

import itertools
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from git_remotes import git as run_git
from git_remotes import hermetic
from registries import reference
from systems.kube.kubeconfigs import write_config
from systems.peers import DEEP, HEAD, Peer, answer, bomb

from bumper.app.clock import SystemClock
from bumper.errors import BumpError
from bumper.fluxtree.sites.receivers import HMAC, Receiver
from bumper.objects import ObjectKey
from bumper.ports.deadline import until
from bumper.ports.site import Resolution
from bumper.systems.flux_receiver import Proof, Webhook
from bumper.systems.git.ancestry import Checkout
from bumper.systems.git.remote import Remote
from bumper.systems.github.api import Api as GitHubApi
from bumper.systems.github.graphql import GraphQL, Operation
from bumper.systems.kube import Cluster
from bumper.systems.registry import Registry
from bumper.systems.registry.acr import AcrRegistry
from bumper.systems.site import Site

CLOCK = SystemClock()
# A busy machine starts a process late; what is slow here takes minutes.
SLACK_S = 3.0
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_ENDLESS = _HEAD + b"Connection: close\r\n\r\n"
_CUT = _HEAD + b"Content-Length: 100000\r\n\r\n" + b'{"items": ['


class Row(NamedTuple):
    """One cell: how long it took, and how it ended (the error's type and message, or `answered`)."""

    system: str
    way: str
    seconds: float
    end: str
    is_expected: bool


@dataclass(frozen=True)
class Place:
    """Where a cell runs: a folder of its own, and the peer's host and port or the program's path."""

    folder: Path
    host: str = ""
    program: str = ""

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def environ(self) -> dict[str, str]:
        return {**hermetic(self.folder), "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}


def git(place: Place) -> None:
    with Remote(f"{place.url}/platform.git", token="t", environ=place.environ) as remote:
        remote.fetch("main")


def smart_http(place: Place) -> None:
    url = f"{place.url}/platform.git"
    with Remote(url, token="t", environ=place.environ, now=CLOCK.now, is_to_push=True) as remote:
        remote.fetch("main")


def registry(place: Place) -> None:
    with closing(Registry(environ=place.environ, clock=CLOCK)) as asked:
        asked.resolve(reference(f"{place.host}/web:1"))


def token_server(place: Place) -> None:
    challenge = f'Bearer realm="{place.url}/token",service="x"'
    with (
        Peer(lambda line: answer(b"{}", 401, www_authenticate=challenge), hangs_up_on_tls=True) as peer,
        closing(Registry(environ=place.environ, clock=CLOCK)) as asked,
    ):
        asked.resolve(reference(f"{peer.host}/web:1"))


def acr(place: Place) -> None:
    with closing(AcrRegistry(place.host, lambda: place.url, environ=place.environ, timeout_s=10.0)) as asked:
        asked.manifest(reference(f"{place.host}/web:1"))


def entra(place: Place) -> None:
    """Azure's registry sends its callers to the exchange, which needs a token of Entra, which is asked for at the peer."""
    environ = {"IDENTITY_ENDPOINT": f"{place.url}/msi", "IDENTITY_HEADER": "x"}

    def challenge(line: str) -> Iterable[bytes]:
        header = f'Bearer realm="{peer.url}/oauth2/token",service="x",scope="repository:web:pull"'
        return answer(b"{}", 401, www_authenticate=header)

    with _of_this_process(environ), Peer(challenge, hangs_up_on_tls=True) as peer:
        asked = AcrRegistry(peer.host, lambda: peer.url, environ={**place.environ, **environ}, timeout_s=10.0)
        with closing(asked):
            asked.manifest(reference(f"{peer.host}/web:1"))


def kubernetes(place: Place) -> None:
    config = write_config(place.folder / "config", place.url, {}, {})
    environ = {**place.environ, "KUBECONFIG": str(config)}
    with Cluster(None, environ, CLOCK) as cluster:
        cluster.server()


def kubernetes_list(place: Place) -> None:
    config = write_config(place.folder / "config", place.url, {}, {})
    with Cluster(None, {**place.environ, "KUBECONFIG": str(config)}, CLOCK) as cluster:
        cluster.flux(["flux-system"])


def github(place: Place) -> None:
    with closing(GitHubApi(place.url, token="t", now=time.monotonic, timeout_s=10.0)) as api:
        list(api.pages("/repos/o/r/issues/1/comments"))


def graphql(place: Place) -> None:
    with closing(GraphQL(f"{place.url}/graphql", token="t", now=time.monotonic)) as api:
        api.ask(Operation("query X { repository }", {"repository": str}))


def site(place: Place) -> None:
    port = int(place.host.rpartition(":")[2])
    access = Site([Resolution("web.example", port, ("127.0.0.1",))], now=time.monotonic, environ={})
    access.answers(f"http://web.example:{port}/", DEADLINE_S)


def webhook(place: Place) -> None:
    receiver = Receiver(ObjectKey("Receiver", "flux-system", "r"), HMAC, place.url, "r.yaml:1")
    Webhook([receiver], Proof(receiver_token="t"), now=time.monotonic).poke()


def exec_plugin(place: Place) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": place.program,
        "interactiveMode": "Never",
    }
    config = write_config(place.folder / "config", "https://127.0.0.1:9", {"exec": plugin})
    with Cluster(None, {**place.environ, "KUBECONFIG": str(config)}, CLOCK) as cluster:
        cluster.server()


def docker_helper(place: Place) -> None:
    (place.folder / "docker-credential-slow").symlink_to(place.program)
    (place.folder / "config.json").write_text('{"credsStore": "slow"}')
    environ = {**place.environ, "DOCKER_CONFIG": str(place.folder)}
    with closing(Registry(environ=environ, clock=CLOCK)) as asked:
        asked.resolve(reference("registry.invalid/web:1"))


def git_credential_helper(place: Place) -> None:
    settings = f"[credential]\n helper = {place.program}\n"
    (place.folder / ".gitconfig").write_text(settings)
    with (
        Peer(lambda line: answer(b"", 401, www_authenticate='Basic realm="x"')) as peer,
        Remote(f"{peer.url}/platform.git", environ=place.environ) as remote,
    ):
        remote.fetch("main")


def git_ssh(place: Place) -> None:
    environ = {**place.environ, "GIT_SSH_COMMAND": place.program}
    with Remote("ssh://git@git.invalid/o/r.git", environ=environ) as remote:
        remote.fetch("main")


def git_signing(place: Place) -> None:
    """A commit that gpg, or whatever stands for it, is to sign."""
    settings = "[user]\n name = n\n email = n@example.com\n signingKey = k\n[commit]\n gpgSign = true\n"
    (place.folder / ".gitconfig").write_text(f"{settings}[gpg]\n program = {place.program}\n")
    repository = place.folder / "platform.git"
    run_git(place.folder, "init", "--quiet", "--bare", "--initial-branch=main", repository.name)
    tree = run_git(repository, "mktree")
    tip = run_git(repository, "commit-tree", "-m", "First", tree)
    run_git(repository, "update-ref", "refs/heads/main", tip)
    with Remote(repository.as_uri(), environ=place.environ) as remote:
        remote.commit(remote.fetch("main"), {"README.md": b"new"}, "Sign this")


def git_itself(place: Place) -> None:
    """A git that hangs once it is asked for anything but its version."""
    script = f'#!/bin/sh\ncase "$*" in *version*) echo git version 2.40.0;; *) exec {place.program};; esac\n'
    (place.folder / "slow").mkdir()
    (place.folder / "slow" / "git").write_text(script)
    (place.folder / "slow" / "git").chmod(0o755)
    environ = {**place.environ, "PATH": f"{place.folder / 'slow'}{os.pathsep}{os.environ['PATH']}"}
    Checkout.at(place.folder, environ)


# The deadline that is in force in each cell.
DEADLINE_S = 1.0
PEERS: dict[str, Callable[[Place], None]] = {
    "git": git,
    "git by smart HTTP": smart_http,
    "registry": registry,
    "token server": token_server,
    "ACR": acr,
    "Entra": entra,
    "Kubernetes": kubernetes,
    "Kubernetes list": kubernetes_list,
    "GitHub": github,
    "GraphQL": graphql,
    "site": site,
    "webhook": webhook,
}
PROGRAMS: dict[str, Callable[[Place], None]] = {
    "exec plugin": exec_plugin,
    "docker helper": docker_helper,
    "git credential helper": git_credential_helper,
    "git over ssh": git_ssh,
    "gpg": git_signing,
    "git": git_itself,
}


def _drip(before: bytes, dripped: bytes) -> Callable[[Peer], Callable[[str], Iterable[bytes]]]:
    return lambda peer: lambda line: itertools.chain([before], peer.drip(dripped, pause_s=0.1))


def _sends(pieces: Callable[[], Iterable[bytes]]) -> Callable[[Peer], Callable[[str], Iterable[bytes]]]:
    return lambda peer: lambda line: pieces()


def _json(content: bytes, status: int = 200, **headers: str) -> Callable[[], Iterable[bytes]]:
    return lambda: answer(content, status, content_type="application/json", **headers)


# How a peer answers, given the peer itself. What never accepts is `no accept`.
ANSWERS: dict[str, Callable[[Peer], Callable[[str], Iterable[bytes]]]] = {
    "silence": lambda peer: lambda line: peer.drip(HEAD, pause_s=60.0),
    "headers in drops": _drip(b"", HEAD),
    "headers without end": _sends(
        lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X: y\r\n" * 100))
    ),
    "body in drops": _drip(_CUT, b" " * 10_000),
    "body without end": _sends(lambda: itertools.chain([_ENDLESS, b"["], itertools.repeat(b"0," * 30_000))),
    "cut off": _sends(lambda: [_CUT]),
    "garbage": _sends(lambda: [bytes(range(256)) * 20]),
    "nothing": _sends(list),
    "an empty body": _sends(lambda: answer(b"")),
    "a gzip bomb": _sends(lambda: answer(bomb(1_000_000_000), content_encoding="gzip")),
    "broken gzip": _sends(_json(b"{}", content_encoding="gzip")),
    "deep JSON": _sends(_json(DEEP)),
    "no JSON": _sends(_json(b"\xff\xfe{")),
    "a page": _sends(lambda: answer(b"<html>sign in</html>", content_type="text/html")),
    "503 for an hour": _sends(_json(b"{}", 503, retry_after="3600")),
    "429 for an hour": _sends(_json(b"{}", 429, retry_after="3600")),
    "a redirect in a circle": lambda peer: lambda line: answer(b"", 302, location=peer.url + "/loop"),
    "500": _sends(lambda: answer(b"x" * 100_000, 500)),
}
# A program's way: a shell script's last lines.
SCRIPTS: dict[str, str] = {
    "hangs": "exec sleep 60",
    "hangs in a child": "trap '' TERM; sleep 60 & wait",
    "hangs and reads nothing": "exec 0<&-; exec sleep 60",
    "closes its streams and hangs": "exec >&- 2>&-; sleep 60",
    "leaves a daemon that holds its streams": "setsid sleep 60 & exit 1",
    "writes without end": "exec yes",
    "complains without end": "exec yes >&2",
    "writes garbage": "head -c 1000 /dev/urandom",
    "writes deep JSON": "head -c 100000 /dev/zero | tr '\\0' '['",
    "says nothing": "exit 0",
    "fails": "echo no >&2; exit 3",
    "is killed": "kill -9 $$",
}


def rows(peers: Iterable[tuple[str, str]] | None = None) -> Iterator[Row]:
    """The cells named (all of them by default), one after another."""
    for system, way in all_cells() if peers is None else peers:
        yield run(system, way)


def all_cells() -> list[tuple[str, str]]:
    """Each system with each way of its kind."""
    ways = ("no accept", *ANSWERS)
    return [
        *itertools.product(PEERS, ways),
        *itertools.product((f"program: {name}" for name in PROGRAMS), SCRIPTS),
    ]


def run(system: str, way: str) -> Row:
    """One cell."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bump-slow-")))
        if system.startswith("program: "):
            ask = PROGRAMS[system.removeprefix("program: ")]
            place = Place(folder, program=_program(folder, SCRIPTS[way]))
        else:
            ask = PEERS[system]
            place = Place(folder, host=stack.enter_context(_peer(way)))
        began_s = time.monotonic()
        try:
            with until(CLOCK, CLOCK.now() + DEADLINE_S):
                ask(place)
            end, is_expected = "answered", True
        except BumpError as error:
            end, is_expected = f"{type(error).__name__}: {error.message}", bool(error.message)
        except Exception as error:
            end, is_expected = f"a bug: {type(error).__name__}: {error}", False
        return Row(system, way, time.monotonic() - began_s, end, is_expected)


def _program(folder: Path, script: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@contextmanager
def _peer(way: str) -> Iterator[str]:
    if way == "no accept":
        with _full() as host:
            yield host
        return
    script: list[Callable[[str], Iterable[bytes]]] = []
    with Peer(lambda line: script[0](line), hangs_up_on_tls=True) as peer:
        script.append(ANSWERS[way](peer))
        yield peer.host


@contextmanager
def _full() -> Iterator[str]:
    """A listener whose queue is full: what connects now hears nothing."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        time.sleep(0.05)
        yield f"127.0.0.1:{address[1]}"


_PROCESS = threading.Lock()


@contextmanager
def _of_this_process(variables: dict[str, str]) -> Iterator[None]:
    """Azure's libraries read the process's own environment."""
    with _PROCESS:
        os.environ.update(variables)
        try:
            yield
        finally:
            for name in variables:
                del os.environ[name]
