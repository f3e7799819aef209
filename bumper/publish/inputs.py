"""What a deploy's options are called where it runs as a step of a workflow: inputs of action.yml.

Law: an option is an input of the same name; what is otherwise stands in `EXCEPTIONS`. Commands that a text names for a terminal
(`bump release --site web`) stay as they are.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

# Option → the inputs that stand for it. The JSON is the output `verdict`; a recording would be gone with the runner.
EXCEPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "no-wait": ("wait",),
        "publish": ("comment", "summary", "deployment", "status"),
        "output": (),
        "record": (),
    }
)
# Those that are true or false.
FLAGS = frozenset({"auto-rollback", "dry-run", "force", "no-notes", "pin", "signoff", "skip-ci"})
_OF_NO_STEP = ("help", "version")
# Variables of the environment that a step sets by an input alone.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "BUMP_TOKEN": "token",
        "BUMP_APP_ID": "app-id",
        "BUMP_APP_PRIVATE_KEY": "app-private-key",
        "BUMP_RECEIVER_URL": "receiver-url",
        "BUMP_RECEIVER_TOKEN": "receiver-token",
        "BUMP_SOURCE_REPOSITORY": "source-repository",
    }
)
_VARIABLE = re.compile(rf"\b(?:{'|'.join(VARIABLES)}|(?<=set )KUBECONFIG)\b(?!=)")
_HELP = re.compile(r"see bump (?:[a-z-]+ )?--help")
# What is typed into a terminal, up to whatever ends a command in a sentence.
_COMMAND = re.compile(r"(?<![\w./-])(?:bump|docker|flux|git|kubectl) [^;,)]*")
_REPEATED = re.compile(r"--(?P<name>[a-z][a-z-]+) [^\s;,]+(?: --(?P=name) [^\s;,]+)+")
# The value of an option: a placeholder, or something that is no word of a sentence.
_OPTION = re.compile(
    r"(?<![\w-])--(?P<name>[a-z][a-z-]+)\b(?P<value>[ =](?:[A-Z][A-Z0-9/:=|-]*\b(?![a-z])|'[^']*'|\d\S*))?"
)


def values(name: str, text: str) -> list[str]:
    """What stands in an input that takes several values: one on each line, and sites with spaces between them as well.

    The form of the Actions page has a single line for each input, and no site has a space in its name.
    """
    return text.split() if name == "site" else [line.strip() for line in text.splitlines() if line.strip()]


def named(text: str) -> str:
    """The text with inputs where it names options: `--force --reason TEXT` is `force: true, reason: TEXT`."""
    text = _HELP.sub("see the inputs in action.yml", text)
    pieces, end = [], 0
    for command in _COMMAND.finditer(text):
        pieces += [_renamed(text[end : command.start()]), command[0]]
        end = command.end()
    return "".join([*pieces, _renamed(text[end:])])


def _renamed(text: str) -> str:
    text = _REPEATED.sub(_lines, text.replace("argument --", "--"))
    text = _VARIABLE.sub(lambda name: f"the input {VARIABLES.get(name[0], name[0].lower())}", text)
    # Two settings that stand together are two inputs.
    return re.sub(r"(?<=: true) (?=reason: TEXT)", ", ", _OPTION.sub(_input, text))


def _lines(options: re.Match[str]) -> str:
    values = options[0].split(f"--{options['name']} ")[1:]
    return f"{options['name']}: {', '.join(value.strip() for value in values)} (a line each)"


def _input(option: re.Match[str]) -> str:
    name, value = option["name"], option["value"]
    if name == "no-wait":
        return "wait: false"
    if name in EXCEPTIONS or name in _OF_NO_STEP:
        return option[0]
    if name in FLAGS:
        return f"{name}: true{value or ''}"
    return f"{name}: {value[1:]}" if value else f"the input {name}"
