"""The verbs, and the parser of each. A verb's own file is imported only when it is asked for, so that `--help` stays fast."""

import argparse
import importlib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise, takewhile
from typing import Any, NoReturn, Protocol, cast

from bumper.app.context import Context
from bumper.app.settings import FollowVia
from bumper.errors import EXIT_MEANINGS, UsageError, did_you_mean, nearest

# Verb → summary: they stand here so that `bump --help` imports no command.
COMMANDS: Mapping[str, str] = {
    "track": "follow a commit that is already on the branch",
    "status": "what every site wants, runs and is worth",
    "history": "who deployed what, when, from which commit, with what outcome",
    "report": "all of it as one page of HTML: sites, graph, calendar, deploys, trends",
    "sweep": "finish the record of deploys whose run died, timed out or did not wait",
    "rollback": "back to the last version that was Ready, and keep the rejected one off",
    "promote": "to one environment what another one is known to run well",
    "hold": "keep automation off a site",
    "release": "let automation on a site again",
    "freeze": "stop the deploys of sites, or of all, for a time",
    "adopt": "write into git which image a site is, where its name does not tell",
    "new-site": "add a site, written as those that are there",
    "remove-site": "take a site away, and say what that deletes",
    "isolate": "give a site a source of its own: a commit reconciles only what it changes",
    "check": "what is wrong in the Flux tree: no cluster, no network",
    "setup": "what a platform needs before the first deploy: files, commands, and a look at it",
    "doctor": "access and settings, before the day you need them",
    "notifications": "let Flux tell GitHub how a deploy goes, for --follow github",
    "edit": "change the tag in files: no git, no network",
    "action": "a command as a step of a workflow: inputs and outputs of action.yml",
    "demo": "the main job on a simulated platform, all on this machine",
    "completion": "the script by which bash, zsh or fish completes all this",
    "man": "the manual page",
}
MAIN_COMMAND = "deploy"
_EXAMPLES = {
    "bump web --sha abc1234 --dry-run": "what would change; nothing is written",
    "bump web --sha abc1234": "deploy, and stay until the site is Ready",
    "bump --set web=SHA --set api=SHA": "several sites in one commit",
    "bump rollback web --reason TEXT": "back to the last version that was Ready",
}
_USAGE = "bump SITE --sha SHA [OPTION ...]\n       bump COMMAND [OPTION ...]"
# What kubectl, flux, gh, git and others call it.
_CALLED_OTHERWISE: Mapping[str, str] = {
    "status": "get list ls describe show sites",
    "history": "log logs",
    "track": "watch wait follow reconcile sync",
    "rollback": "undo revert",
    "hold": "suspend pause lock",
    "release": "resume unhold unlock",
    "new-site": "add create new",
    "remove-site": "delete remove rm",
    "check": "lint validate",
    "setup": "init bootstrap install configure",
}
# As many commands as an error names.
_MOST_NAMES = 5
_MOST_NEAR = 3
# More than the longest token in a URL (`bumper.address`), and less than a line of git's protocol (65,516 bytes) or a URL may hold:
# what is longer would be refused far from here, as if another try could help.
_MOST_CHARACTERS = 20_000
# argparse lays out each option when it is added, although nobody sees that: the window is measured only where help is shown.
_ANY_WIDTH = 80


class Command(Protocol):
    """What each module in `commands/` offers."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, arguments: argparse.Namespace, context: Context) -> int: ...


class TextWanted(Exception):
    """`--help` or `--version` was among the arguments; holds the text to show."""


class Version(argparse.Action):
    """Shows name and version instead of running."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        from bumper.app.version import name_and_version

        raise TextWanted(f"{name_and_version()}\n")


class Once(argparse.Action):
    """Keeps the value of an option, as argparse does, and refuses a second one, where argparse forgets the first.

    The text is converted here, not by argparse: the refusal shows both values as they were written. `if_repeated` is its hint.
    """

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        *,
        type: Callable[[str], object] = str,
        if_repeated: str = "",
        **others: Any,
    ) -> None:
        super().__init__(option_strings, dest, **others)
        self.convert, self.if_repeated = type, if_repeated

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        if option_string:
            self._refuse_second(namespace, option_string, str(values))
        setattr(namespace, self.dest, self._converted(values))

    def _refuse_second(self, namespace: argparse.Namespace, option: str, text: str) -> None:
        # Whether an option was given can't be told by its value: it may be the default.
        written: dict[str, str] = vars(namespace).setdefault("written", {})
        if self.dest in written:
            raise UsageError(
                f"{option} is given twice, as {written[self.dest]!r} and as {text!r}",
                hint=self.if_repeated or "give it once",
            )
        written[self.dest] = text

    def _converted(self, value: object) -> object:
        if isinstance(value, list):
            return [self._converted(entry) for entry in value]
        if not isinstance(value, str):
            return value
        try:
            return self.convert(value)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, str(error)) from None


class Layout(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the window, with whatever stands in columns left in them."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        import textwrap

        # An option that is broken at its hyphen can't be copied.
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False, break_long_words=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = (_hanging(line, width) for line in text.splitlines())
        return "\n".join(indent + line for line in lines)


def _hanging(line: str, width: int) -> str:
    """The line broken between words; what follows stands below its last column."""
    import textwrap  # only for help, as in argparse

    columns = re.match(r"(?:.*\S)?\s{2,}", line)
    start = min(len(columns[0]) if columns else 0, width // 2)
    return textwrap.fill(
        line, width, subsequent_indent=" " * start, break_on_hyphens=False, drop_whitespace=True
    )


class Parser(argparse.ArgumentParser):
    """argparse that reports a wrong argument as every other error is reported, and takes an option that stores one value only once."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, formatter_class=partial(Layout, width=_ANY_WIDTH))
        for plain in (None, "store"):
            self.register("action", plain, Once)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # Of `--option=--` Python before 3.13 takes the value for the mark that ends the options, and gives an empty list.
        if action.option_strings and action.nargs is None and arg_strings == ["--"]:
            value = self._get_value(action, "--")
            self._check_value(action, value)
            return value
        return super()._get_values(action, arg_strings)

    def format_help(self) -> str:
        """The help, as wide as the window."""
        self.formatter_class = Layout
        return super().format_help()

    def print_help(self, file: object = None) -> None:
        raise TextWanted(self.format_help())

    def overview(self) -> str:
        """What help begins with."""
        self.formatter_class = Layout
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        formatter.add_text("bump --help shows every option, bump COMMAND --help those of a command.")
        return formatter.format_help()

    def parse(self, arguments: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
        """The arguments; for those of `--repo` and `--context` that are not given, `BUMP_REPO` and `BUMP_CONTEXT` stand."""
        _require_short(arguments)
        self._require_known(arguments)
        # Words may stand between options, too: `hold web --reason TEXT api`.
        parsed, left = self.parse_known_intermixed_args(arguments)
        if left:
            self._refuse(left)
        given = vars(parsed)
        if "repo" in given and not (parsed.repo or given.get("offline")):
            parsed.repo = environ.get("BUMP_REPO")
        if given.get("context") == [] and given.get("follow") != FollowVia.GITHUB:
            parsed.context = [
                name.strip() for name in environ.get("BUMP_CONTEXT", "").split(",") if name.strip()
            ]
        return parsed

    def _require_known(self, arguments: Sequence[str]) -> None:
        """UsageError for an option that there is not: argparse would first complain of the value behind it."""
        known = self._option_string_actions
        for argument in takewhile(lambda argument: argument != "--", arguments):
            option = argument.partition("=")[0]
            if option.startswith("--") and option not in known:
                self.error(f"no such option {option}{self._elsewhere(option) or did_you_mean(option, known)}")

    def _refuse(self, left: Sequence[str]) -> NoReturn:
        """UsageError for arguments that nothing takes: options of one letter, which there are not but for -h, and words too many."""
        option = next((argument for argument in left if argument.startswith("-") and argument != "--"), "")
        if option:
            long = [name for name in self._option_string_actions if name.startswith(f"-{option[:2]}")]
            near = f"; did you mean {' or '.join(map(repr, long))}?" if 0 < len(long) <= _MOST_NEAR else ""
            self.error(f"no such option {option}{near}")
        positional = [action for action in self._get_positional_actions() if isinstance(action, Once)]
        hint = positional[-1].if_repeated if positional else ""
        raise UsageError(f"{left[0]!r}: no more words are expected", hint=hint or f"see {self.prog} --help")

    def _elsewhere(self, option: str) -> str:
        """Which commands have an option that this one has not, for the end of a message; empty where none has it."""
        verbs = [
            verb for verb in (MAIN_COMMAND, *COMMANDS) if option in parser_of(verb)._option_string_actions
        ]
        names = ["a deploy" if verb == MAIN_COMMAND else f"bump {verb}" for verb in verbs]
        if len(names) > _MOST_NAMES:
            names[_MOST_NAMES - 1 :] = [f"{len(names) - _MOST_NAMES + 1} more"]
        return f" here: it is one of {', '.join(names)}" if names else ""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see {self.prog} --help")


def _require_short(arguments: Sequence[str]) -> None:
    """UsageError for an argument that nothing takes, so long it is; it does not quote it."""
    for before, argument in pairwise(("", *arguments)):
        if len(argument) > _MOST_CHARACTERS:
            named = argument.partition("=")[0] if "=" in argument else before
            option = named if named.startswith("--") else "an argument"
            raise UsageError(
                f"{option}: found {len(argument):,} characters, expected at most {_MOST_CHARACTERS:,}",
                hint="was a file's name meant, and its content passed?",
            )


def verb_of(arguments: Sequence[str]) -> str:
    """The command that the first argument names, else the main job; UsageError for a word that is neither a command nor a site."""
    first, *others = arguments or [""]
    if first in COMMANDS:
        return first
    is_site = any(map(_says_what, others)) and not any(map(_is_bare, others[:1]))
    if first == MAIN_COMMAND or (_is_bare(first) and not is_site):
        raise no_command(first, others)
    return MAIN_COMMAND


def no_command(word: str, others: Sequence[str] = ()) -> UsageError:
    """Why the word that stands where a command may stand is none; `others` are the arguments behind it."""
    if word in COMMANDS:
        return UsageError(
            f"{word!r} is a command, and a command comes first",
            hint=f"bump {word} …; for a site of this name: --site {word}",
        )
    if nearest(word, [*COMMANDS, MAIN_COMMAND]) == MAIN_COMMAND:
        line = shlex.join(others) or "SITE --sha SHA"
        return UsageError(
            f"no such command {word!r}: a deploy is what bump does without one", hint=f"bump {line}"
        )
    if word in ("help", "version"):
        return UsageError(f"no such command {word!r}", hint=f"bump --{word}")
    site, equals, sha = word.partition("=")
    if site and equals:
        line = shlex.join(["bump", "--set", word, *others])
        return UsageError(f"no such command {word!r}: a site with its commit stands behind --set", hint=line)
    elsewhere = (verb for verb, names in _CALLED_OTHERWISE.items() if word in names.split())
    if near := next(elsewhere, "") or nearest(word, COMMANDS):
        line = shlex.join(["bump", near, *others])
        return UsageError(f"no such command {word!r}; did you mean {near!r}?", hint=line)
    sha = next((argument for argument in others if re.fullmatch("[0-9a-f]{7,40}", argument)), "SHA")
    return UsageError(
        f"no such command {word!r}",
        hint=f"see bump --help; {_in_one_commit(word, others, sha)}",
    )


def _in_one_commit(word: str, others: Sequence[str], sha: str) -> str:
    """How a deploy of the site is written, or of this and those behind it."""
    sites = [site for site in (word, *takewhile(_is_bare, others)) if site != sha]
    if len(sites) == 1:
        return f"a deploy needs no command: bump {word} --sha {sha}"
    return f"several sites go in one commit: bump {' '.join(f'--set {site}={sha}' for site in sites)}"


def _is_bare(argument: str) -> bool:
    return bool(argument) and not argument.startswith("-")


def _says_what(argument: str) -> bool:
    return argument.partition("=")[0] in ("--sha", "--tag", "--set")


def command_of(verb: str) -> Command:
    """The module of one verb, imported now."""
    return cast(Command, importlib.import_module(f"bumper.commands.{verb.replace('-', '_')}"))


def parser_of(verb: str) -> Parser:
    """The parser of one command; `deploy` is the main job, which is called without a verb."""
    is_main = verb == MAIN_COMMAND
    parser = Parser(
        prog="bump" if is_main else f"bump {verb}",
        description="\n\n".join([command_of(verb).SUMMARY, *([_beginning()] if is_main else [])]),
        epilog=_epilog() if is_main else None,
        allow_abbrev=False,
    )
    _add_arguments(parser, verb)
    parser.usage = _USAGE if is_main else _usage(parser)
    # What a command is about comes before what many have in common.
    parser._action_groups.sort(key=lambda group: group.title == "options")
    return parser


def _usage(parser: Parser) -> str:
    """What has to stand in the line and what a command is about; every option has a line of its own below."""
    formatter = parser._get_formatter()
    required = [
        f"{action.option_strings[0]} {action.metavar or action.dest.upper()}"
        for action in parser._actions
        if action.option_strings and action.required
    ]
    positional = [
        formatter._format_args(action, str(action.metavar)) for action in parser._get_positional_actions()
    ]
    either = [
        f"[{' | '.join(action.option_strings[-1] for action in group._group_actions)}]"
        for group in parser._mutually_exclusive_groups
    ]
    rows = [parser.prog]
    for piece in (*positional, *required, *either, "[OPTION ...]"):
        if len(f"usage: {rows[-1]} {piece}") > _ANY_WIDTH:
            rows.append(" " * len(f"usage: {parser.prog}"))
        rows[-1] += f" {piece}"
    return "\n".join(rows)


def _add_arguments(parser: Parser, verb: str) -> None:
    if verb == MAIN_COMMAND:
        parser.add_argument("--version", action=Version, nargs=0, help="show name and version and exit")
    command_of(verb).add_arguments(parser)


def whole_parser() -> Parser:
    """The main job with every verb as a parser below it, for what completes the command line: a verb comes first, or a site."""
    whole = Parser(prog="bump", allow_abbrev=False)
    verbs = whole.add_subparsers(title="commands", dest="verb", metavar="COMMAND")
    for verb, summary in COMMANDS.items():
        verbs.add_parser(verb, parents=[parser_of(verb)], add_help=False, help=summary)
    _add_arguments(whole, MAIN_COMMAND)
    return whole


def _beginning() -> str:
    """What somebody looks for who is new: what is typed, and what there is."""
    width = max(map(len, _EXAMPLES)) + 2
    examples = [f"  {command:<{width}}{meaning}" for command, meaning in _EXAMPLES.items()]
    width = max(map(len, COMMANDS)) + 2
    verbs = [f"  bump {verb:<{width}}{summary}" for verb, summary in COMMANDS.items()]
    return "\n".join(["examples:", *examples, "", "commands:", *verbs])


def _epilog() -> str:
    codes = [f"  {code:<13}{meaning}" for code, meaning in EXIT_MEANINGS.items()]
    return "\n".join(["exit codes:", *codes])
