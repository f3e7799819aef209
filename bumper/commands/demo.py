"""The main job on a simulated platform: everything on loopback, nothing to install, nothing of the user's own touched."""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bumper.app.context import Context
from bumper.errors import EXIT_BUG, UsageError
from bumper.objects import condition
from bumper.systems.terminal import Log

if TYPE_CHECKING:
    from bumper.platform import Target
    from bumper.systems.git import Remote
    from bumper_sandbox.stack import Stack

SUMMARY = "Runs the main job on a platform that is simulated on this machine: git, registry, Kubernetes and Flux on loopback."
# Any short SHA does: no site's source is part of the platform.
SHA = "abc1234"
START_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `bump demo`."""
    parser.add_argument("--fail", choices=sorted(FAILURES), help="show how a failure is told")
    parser.add_argument("--site", help="the site to deploy; default: the first one of the tree")
    parser.add_argument(
        "--tree",
        type=Path,
        metavar="DIR",
        help="platform tree with a flux-system directory; default: the one beside this program",
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Starts the sandbox, runs the real command against it, and returns that command's exit code."""
    from bumper_sandbox.stack import Stack

    log = Log(context.stdout, time.monotonic, name_sites=False)
    tree = _tree(arguments.tree, context)
    _say(log, "Starting a platform on this machine. Nothing of yours is touched.")
    with Stack(tree, context.environ) as stack:
        target = _target(stack, arguments.site)
        site = target.site.name
        _say(log, f"  git         {stack.url}   from {tree}, behind a token")
        _say(log, f"  registry    {stack.registry.host}   with ACR's token exchange")
        _say(
            log,
            f"  Kubernetes  {stack.cluster.api.url}   simulated: a small Flux and a small kubelet, no containers run",
        )
        stack.bootstrap()
        _until(lambda: _is_ready(stack, target), f"{site} did not become Ready in the sandbox")
        _say(log, f"Flux has brought {site} up from git at {target.image.tag}. {_left_out(stack)}")
        stack.registry.push(target.image.path, SHA, created=datetime.now(UTC).isoformat())
        if arguments.fail:
            _say(log, FAILURES[arguments.fail](stack, target))
        else:
            _say(log, f"Its build workflow has pushed {SHA}. What would change:")
            if code := _bump(stack, site, ["--dry-run"], context, log):
                return code
            _say(log, "And now for real:")
        return _bump(stack, site, [], context, log)


def _fail_image(stack: "Stack", target: "Target") -> str:
    stack.not_replicated.add(SHA)
    return f"The registry has {SHA}, but the replica that the node pulls from has not got it yet:"


def _fail_crash(stack: "Stack", target: "Target") -> str:
    stack.behaviours[SHA] = "crash"
    return f"The image {SHA} is there, but what it runs will crash:"


def _fail_build(stack: "Stack", target: "Target") -> str:
    path = f"{target.site.path}/broken.yaml"
    _push(stack, path, b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels: {of: nobody}\n")
    return (
        f"Somebody else has just pushed {path}, which has no name, so that Flux cannot build the directory:"
    )


def _fail_suspended(stack: "Stack", target: "Target") -> str:
    stack.cluster.patch(target.site.kustomization, {"spec": {"suspend": True}})
    return f"Somebody has run: flux suspend kustomization {target.site.kustomization.name}"


FAILURES: dict[str, Callable[["Stack", "Target"], str]] = {
    "image": _fail_image,
    "crash": _fail_crash,
    "build": _fail_build,
    "suspended": _fail_suspended,
}


def _tree(asked: Path | None, context: Context) -> Path:
    tree = (context.cwd / asked if asked else Path(__file__).parents[2] / "k8s").resolve()
    if not (tree / "flux-system").is_dir():
        raise UsageError(
            f"{tree}: no platform tree, expected a directory flux-system in it",
            hint="name one with --tree DIR",
        )
    return tree


def _target(stack: "Stack", asked: str | None) -> "Target":
    """The site asked for, or the first one whose image the sandbox's registry holds."""
    from bumper import platform
    from bumper.errors import Refused

    with _remote(stack) as remote:
        tree = remote.tree(remote.fetch("main"))
        if asked:
            return platform.find(tree, asked)
        for site in platform.sites(tree):
            try:
                target = platform.find(tree, site.name)
            except Refused:
                continue
            if target.image.registry == stack.registry.host:
                return target
    raise UsageError(
        f"{stack.tree}: no site whose image comes from a private registry", hint="name one with --site"
    )


def _remote(stack: "Stack") -> "Remote":
    from bumper.systems.git import Remote

    return Remote(stack.url, token=stack.token, environ=stack.child_environ())


def _push(stack: "Stack", path: str, content: bytes) -> None:
    with _remote(stack) as remote:
        remote.push(remote.commit(remote.fetch("main"), {path: content}, f"Add {path}\n"), "main")


def _is_ready(stack: "Stack", target: "Target") -> bool:
    ready = condition(stack.cluster.find(target.site.kustomization), "Ready")
    available = condition(stack.cluster.find(target.workload), "Available")
    return all(found is not None and found.status == "True" for found in (ready, available))


def _until(is_true: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + START_S
    while not is_true():
        if time.monotonic() > deadline:
            raise RuntimeError(complaint)
        time.sleep(0.05)


def _left_out(stack: "Stack") -> str:
    kinds = sorted({key.kind for key in stack.cluster.not_simulated()})
    return f"Stored but not simulated: {', '.join(kinds)}." if kinds else ""


def _bump(stack: "Stack", site: str, options: Sequence[str], context: Context, log: Log) -> int:
    words = ["--site", site, "--sha", SHA, "--repo", stack.url, *options]
    _say(log, f"\n$ bump {' '.join(words)}")
    command = [sys.executable, "-m", "bumper", *words]
    child = subprocess.Popen(
        command, env=stack.child_environ(), cwd=context.cwd, stdout=context.stdout, stderr=context.stderr
    )
    try:
        code = child.wait()
    except KeyboardInterrupt:
        # The terminal has interrupted the child too: it says where things stand and ends by itself.
        code = child.wait()
    _say(log, f"$ echo $?\n{code}\n")
    return code if code >= 0 else EXIT_BUG


def _say(log: Log, text: str) -> None:
    from bumper.style import Span

    log.write([(Span(line),) for line in text.split("\n")])
