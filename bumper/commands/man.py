"""The manual page, made from the parsers of all verbs: bump(1) in the language of man(7)."""

import argparse
import re
from collections.abc import Iterator

from bumper.app.context import Context
from bumper.commands.parser import COMMANDS, MAIN_COMMAND, command_of, parser_of
from bumper.errors import EXIT_MEANINGS

SUMMARY = "Prints the manual page: bump man > ~/.local/share/man/man1/bump.1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No option."""


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the page."""
    from bumper.app.version import name_and_version

    context.stdout.write("\n".join(_page(name_and_version())) + "\n")
    return 0


def _page(version: str) -> Iterator[str]:
    # No word is broken: most that are long are options, variables and paths, to be copied.
    yield from ['.TH BUMP 1 "" ' + f'"{_text(version)}"', ".nh", ".SH NAME"]
    yield r"bump \- change an image tag in a GitOps repository, and follow it until the site is Ready"
    for verb in (MAIN_COMMAND, *COMMANDS):
        yield from _verb(verb)
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_MEANINGS.items():
        yield from [".TP", f".B {code}", _text(meaning)]


def _verb(verb: str) -> Iterator[str]:
    parser = parser_of(verb)
    yield ".SH SYNOPSIS" if verb == MAIN_COMMAND else f".SH {_text(parser.prog.upper())}"
    ways = re.split(r"\n\s+(?=bump )", parser.format_usage().removeprefix("usage: ").strip())
    usage = [line for way in ways for line in (".br", _text(" ".join(way.split())))][1:]
    yield from [".ad l", *usage, ".ad b", ".PP", _text(command_of(verb).SUMMARY)]
    for group in parser._action_groups:
        if group._group_actions:
            yield f".SS {_text(group.title or '')}"
            yield from (line for action in group._group_actions for line in _action(action))


def _action(action: argparse.Action) -> Iterator[str]:
    takes_value = action.nargs != 0
    value = str(action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper())
    value = rf" \fI{_text(value)}\fR" if takes_value else ""
    names = ", ".join(rf"\fB{_text(name)}\fR{value}" for name in action.option_strings)
    explanation = str(action.help or "").replace("%(default)s", str(action.default))
    yield from [".TP", names or value.strip(), _text(explanation)]


def _text(text: str) -> str:
    r"""The text where roff reads it: a dash is one that can be copied, and no line begins a request."""
    written = text.replace("\\", r"\e").replace("-", r"\-")
    written = "".join(char if char.isascii() else rf"\[u{ord(char):04X}]" for char in written)
    return rf"\&{written}" if written.startswith((".", "'")) else written
