"""What a shell needs to complete this command line, made from the parsers of all verbs."""

import argparse
from collections.abc import Iterator

from bumper.app.context import Context
from bumper.commands.parser import Parser, whole_parser

SUMMARY = "Prints the script by which a shell completes commands, options and their values."
SHELLS = ("bash", "zsh", "fish")
_EPILOG = """\
bash  bump completion bash > ~/.local/share/bash-completion/completions/bump
zsh   bump completion zsh > a directory of $fpath, as _bump
fish  bump completion fish > ~/.config/fish/completions/bump.fish"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which shell."""
    parser.add_argument("shell", choices=SHELLS, metavar="|".join(SHELLS), help="whose script is printed")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the script."""
    context.stdout.write(script(arguments.shell))
    return 0


def script(shell: str) -> str:
    """The script for this shell."""
    import shtab

    parser, kinds = whole_parser(), {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in _actions(parser):
        # `URL|DIR` and `FILE` are what may lie on this machine.
        kind = str(action.metavar or "").rpartition("|")[2]
        if kind in kinds:
            vars(action)["complete"] = kinds[kind]
    return shtab.complete(parser, shell)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                assert isinstance(verb, Parser), "made by whole_parser"
                yield from _actions(verb)
