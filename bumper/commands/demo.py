"""The main job on a simulated platform: everything on loopback, nothing to install, nothing of the user's own touched."""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bumper.app.context import Context
from bumper.commands import options
from bumper.dataclasses import dataclass
from bumper.errors import EXIT_BUG, UsageError
from bumper.style import prose
from bumper.systems.file import is_directory
from bumper.systems.terminal import Log, width_of
from bumper_sandbox.faults import FAULTS

if TYPE_CHECKING:
    from bumper_sandbox.tree import Beginnings

SUMMARY = "Runs the main job on a platform that is simulated on this machine: git, registry, Kubernetes and Flux on loopback."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `bump demo`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--fail", choices=sorted(FAULTS), help="show how a failure is told")
    what.add_argument(
        "--tour",
        action="store_true",
        help="show a deploy, a failure and the way back, with pauses on a terminal",
    )
    options.add_site(
        parser.add_argument_group("which site"), site="the site to deploy; default: the first one of the tree"
    )
    parser.add_argument(
        "--tree",
        type=Path,
        metavar="DIR",
        help="platform tree with a flux-system directory, or a repository with one; default: a small one that comes with this program",
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Starts the sandbox, runs the real command against it, and returns that command's exit code."""
    from bumper_sandbox.demo import TREE, Demo
    from bumper_sandbox.model import Model
    from bumper_sandbox.stack import Stack, require_playable
    from bumper_sandbox.tree import of

    tree = (context.cwd / arguments.tree).resolve() if arguments.tree else TREE
    if not is_directory(tree):
        raise UsageError(f"{tree}: no such directory", hint="check --tree")
    screen = _Screen(context, Log(context.stdout, context.clock.now, name_sites=False))
    platform, model = of(tree, lambda: beginnings(tree, context)), Model()
    require_playable(platform, options.site(arguments), model, waits_for_unplayed=False)
    screen.say("Starting a platform on this machine. Nothing of yours is touched.")
    with Stack(platform, context.environ, model=model, waits_for_unplayed=False) as stack:
        environ = stack.child_environ()
        demo = Demo(stack, screen.say, lambda command: screen.bump(command, environ))
        if arguments.tour:
            return demo.tour(options.site(arguments), screen.pause)
        return demo.play(options.site(arguments), arguments.fail or "")


def beginnings(directory: Path, context: Context) -> "Beginnings":
    """Where Flux begins in somebody's directory, as every command of ours reads a tree."""
    from bumper.fluxtree.layers import Reading
    from bumper.fluxtree.roots import roots
    from bumper.systems.git.worktree import WorkTree
    from bumper_sandbox.tree import Beginning

    tree = WorkTree(directory, context.environ)
    begun = []
    for root in roots(Reading(tree))[0]:
        spec = root.owner.value["spec"]
        source = spec.get("sourceRef", {}).get("name") or root.owner.key.name
        begun.append(Beginning(spec["path"], root.cluster, root.owner.key.name, source))
    return tree.root, begun


@dataclass(frozen=True)
class _Screen:
    """Where the demo's own lines and those of the commands that it runs appear in one order."""

    context: Context
    log: Log

    def say(self, text: str) -> None:
        self.log.write(prose(text, width_of(self.context.stdout, self.context.environ)))

    def pause(self) -> None:
        """Waits for Enter, where somebody sits at a terminal."""
        stdin = self.context.stdin
        if stdin and stdin.isatty() and self.context.stdout.isatty():
            self.say("Press Enter to go on.")
            stdin.readline()

    def bump(self, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Shows the command as a user types it, runs it and shows its exit code."""
        self.say(f"\n$ bump {shlex.join(command)}")
        child = subprocess.Popen(
            # -P: the directory that we stand in is somebody's, and no place for modules.
            [sys.executable, "-P", "-m", "bumper", *command],
            env=environ,
            cwd=self.context.cwd,
            stdout=self.context.stdout,
            stderr=self.context.stderr,
        )
        try:
            code = child.wait()
        except KeyboardInterrupt:
            # The terminal has interrupted the child too: it says where things stand and ends by itself.
            code = child.wait()
        self.say(f"$ echo $?\n{code}\n")
        return code if code >= 0 else EXIT_BUG
