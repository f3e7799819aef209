"""The rules of docs/architecture.md, held by the imports themselves. A rule speaks of places below `bumper/`, never of one module.

A rule takes a tree (path → text) and returns its breaches, so that each is shown to fail on a copy with a breach planted in it.
"""

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

TOP = Path(__file__).parent.parent
# The floors, the lowest first. A place imports what stands on an earlier floor, and what lies in the place itself.
FLOORS = (
    ("errors", "image", "objects", "revision", "build_order", "address", "safe_text", "request"),
    ("record", "observation", "style"),
    ("ports",),
    ("progress", "retry", "manifest", "history", "rollout", "systems/http", "systems/process"),
    ("fluxtree", "freeze", "systems/file", "systems/folder", "recording", "deploy/commit"),
    ("systems", "systems/*", "check", "doctor", "publish", "follow", "deploy/hold"),
    ("deploy", "onboarding", "setup", "status"),
    ("app",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
# Below all of them, as the standard library is whose place it takes.
GROUND = ("dataclasses",)
VALUES = (*GROUND, *FLOORS[0], *FLOORS[1], *FLOORS[2])
PURE = (
    *VALUES,
    "progress",
    "manifest",
    "history",
    "rollout",
    "fluxtree",
    "freeze",
    "recording",
    "check",
    "doctor",
)
KNOW_PORTS = ("deploy", "deploy/*", "follow", "status", "doctor", "onboarding", "setup", "publish")
READ_YAML = ("manifest", "fluxtree")
# What a calendar is reckoned by: pure, too.
RECKON = {"freeze": {"cronsim", "holidays"}}
SLOW = {
    "azure",
    "cronsim",
    "cryptography",
    "fast_sugiyama",
    "git",
    "gitdb",
    "holidays",
    "httpx",
    "rich",
    "vl_convert",
    "zoneinfo",
}
# Where `--help`, `bump edit` and a refused request begin, and what none of them loads on its way.
QUICK = ("cli", "commands/deploy", "commands/edit")
SLOW_OF_OURS = ("rollout", "systems/*", "follow", "status", "doctor", "onboarding", "setup")
CLOCKS = {"time.time", "time.monotonic", "time.sleep", "datetime.now", "date.today"}
PROCESS = {"os.environ", "os.getenv", "sys.argv", "sys.exit", "print()", "exit()"}
Tree = Mapping[str, str]
Rule = Callable[[Tree], list[str]]


class Import(NamedTuple):
    """One imported name, as `bumper.systems.git.Remote` or `httpx`. `at_start`: whenever the module is imported."""

    line: int
    name: str
    at_start: bool


class Arrow(NamedTuple):
    """One import of ours, from place to place."""

    where: str
    user: str
    used: str


@cache
def imports(text: str) -> tuple[Import, ...]:
    return tuple(_imports(ast.parse(text), at_start=True))


def _imports(node: ast.AST, *, at_start: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(child.lineno, alias.name, at_start) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from (
                Import(child.lineno, f"{child.module}.{alias.name}", at_start) for alias in child.names
            )
        waits = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        )
        yield from _imports(child, at_start=at_start and not waits)


@cache
def uses(text: str) -> tuple[tuple[int, str], ...]:
    """Line and text of each attribute (`os.environ`) and of each call of a bare name (`print()`)."""
    return tuple(_uses(ast.parse(text)))


def _uses(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.lineno, f"{node.func.id}()"


def is_in(place: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(place, pattern) for pattern in patterns)


@cache
def place_of(module: str) -> str:
    """The place of a module below bumper, `systems/git/tree` or `errors`: the folder or file that stands on a floor."""
    known = tuple(pattern for floor in (GROUND, *FLOORS) for pattern in floor)
    outer = "/".join(module.split("/")[:2])
    return outer if is_in(outer, known) else module.split("/")[0]


def modules(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """Path, place and text of each module, less the empty one at the top."""
    for path, text in tree.items():
        if path != "bumper/__init__.py":
            yield (
                path,
                place_of(path.removeprefix("bumper/").removesuffix(".py").removesuffix("/__init__")),
                text,
            )


def arrows(tree: Tree) -> Iterator[Arrow]:
    for path, place, text in modules(tree):
        for line, name, _ in imports(text):
            package, _, module = name.partition(".")
            if package == "bumper":
                yield Arrow(f"{path}:{line}", place, place_of(module.replace(".", "/")))


def floor(place: str) -> int:
    return next((number for number, patterns in enumerate((GROUND, *FLOORS)) if is_in(place, patterns)), -1)


def every_place_has_a_floor(tree: Tree) -> list[str]:
    return [path for path, place, _ in modules(tree) if floor(place) < 0]


def no_import_runs_upwards_or_in_a_circle(tree: Tree) -> list[str]:
    return [
        f"{where}: {user} → {used}"
        for where, user, used in arrows(tree)
        if user != used and floor(used) >= floor(user)
    ]


def pure_places_import_pure_places_alone(tree: Tree) -> list[str]:
    return [
        f"{where}: {user} → {used}"
        for where, user, used in arrows(tree)
        if (is_in(user, VALUES) and not is_in(used, VALUES)) or (is_in(user, PURE) and not is_in(used, PURE))
    ]


def pure_places_import_the_standard_library_alone(tree: Tree) -> list[str]:
    return [
        f"{path}:{line}: {name}"
        for path, place, text in modules(tree)
        for line, name, _ in imports(text)
        if is_in(place, PURE)
        and (package := name.partition(".")[0]) not in {"bumper", *sys.stdlib_module_names}
        and not (package == "ruamel" and place in READ_YAML)
        and package not in RECKON.get(place, ())
    ]


def a_system_knows_no_other_system(tree: Tree) -> list[str]:
    return [
        f"{where}: {user} → {used}"
        for where, user, used in arrows(tree)
        if user.startswith("systems/")
        and used != user
        and not is_in(used, (*PURE, "systems/http", "systems/process", "systems/file", "systems/folder"))
    ]


def whoever_decides_knows_systems_by_ports(tree: Tree) -> list[str]:
    return [
        f"{path}:{line}: {name}"
        for path, place, text in modules(tree)
        for line, name, _ in imports(text)
        if is_in(place, KNOW_PORTS) and (name.startswith("bumper.systems") or name.partition(".")[0] in SLOW)
    ]


def only_the_command_line_touches_the_process(tree: Tree) -> list[str]:
    return [
        f"{path}:{line}: {used}"
        for path, place, text in modules(tree)
        for line, used in uses(text)
        if place not in ("cli", "__main__") and used in PROCESS
    ]


def time_comes_from_a_clock(tree: Tree) -> list[str]:
    return [
        f"{path}:{line}: {used}"
        for path, _, text in modules(tree)
        for line, used in uses(text)
        if used in CLOCKS and path != "bumper/app/clock.py"
    ]


def only_the_demo_imports_the_sandbox(tree: Tree) -> list[str]:
    return [
        f"{path}:{line}: {name}"
        for path, _, text in modules(tree)
        for line, name, _ in imports(text)
        if name.partition(".")[0] in ("bumper_sandbox", "tests", "benchmarks")
        and path != "bumper/commands/demo.py"
    ]


def only_commands_know_the_argument_parser(tree: Tree) -> list[str]:
    return [
        f"{path}:{line}: {name}"
        for path, place, text in modules(tree)
        for line, name, _ in imports(text)
        if name.partition(".")[0] == "argparse" and place not in ("commands", "cli")
    ]


def slow_libraries_are_imported_where_they_are_used(tree: Tree) -> list[str]:
    return [
        f"{path}:{line}: {name}"
        for path, place, text in modules(tree)
        for line, name, at_start in imports(text)
        if at_start and not place.startswith("systems/") and name.partition(".")[0] in SLOW
    ]


def a_dataclass_is_cheap_to_define(tree: Tree) -> list[str]:
    return [
        f"{path}:{line}: {name}"
        for path, place, text in modules(tree)
        for line, name, _ in imports(text)
        if name.partition(".")[0] == "dataclasses" and place != "dataclasses"
    ]


def the_quick_way_imports_nothing_slow_of_ours(tree: Tree) -> list[str]:
    """Followed from module to module, since each module loads what it imports at its start."""
    seen: dict[str, str] = {}
    waiting = [(f"bumper/{name}.py", "") for name in QUICK]
    while waiting:
        path, way = waiting.pop()
        if path not in seen:
            seen[path] = f"{way} → {path}"
            names = (name for _, name, at_start in imports(tree[path]) if at_start)
            waiting += [(loaded, seen[path]) for name in names for loaded in loads(tree, name)]
    places = {path: place for path, place, _ in modules(tree)}
    return [way for path, way in seen.items() if is_in(places.get(path, ""), SLOW_OF_OURS)]


def loads(tree: Tree, name: str) -> Iterator[str]:
    """The modules that an import of this dotted name runs: the packages around it, too."""
    steps = name.split(".")
    for end in range(2, len(steps) + 1):
        path = "/".join(steps[:end])
        yield from (file for file in (f"{path}.py", f"{path}/__init__.py") if file in tree)


def rooms_stay_small(tree: Tree) -> list[str]:
    flat = [path for path in tree if path.count("/") == 1]
    verbs = {path: len(text.splitlines()) for path, text in tree.items() if "/commands/" in path}
    shared = ("bumper/commands/options.py", "bumper/commands/parser.py")
    return [f"{len(flat)} modules lie flat in bumper/, at most 16 may"] * (len(flat) > 16) + [
        f"{path}: {lines} lines, at most 120 a verb"
        for path, lines in verbs.items()
        if lines > 120 and path not in shared
    ]


# Each rule with breaches of it: what is written at the top of which module.
RULES: dict[Rule, dict[str, str]] = {
    every_place_has_a_floor: {"utils.py": "X = 1\n"},
    no_import_runs_upwards_or_in_a_circle: {"rollout/planted.py": "from bumper.deploy import pipeline\n"},
    pure_places_import_pure_places_alone: {
        "image.py": "from bumper.manifest import document\n",
        "check/planted.py": "from bumper import retry\n",
    },
    pure_places_import_the_standard_library_alone: {
        "fluxtree/planted.py": "def read():\n    import httpx\n",
        "rollout/planted.py": "import ruamel.yaml\n",
    },
    a_system_knows_no_other_system: {
        "systems/git/planted.py": "from bumper.systems.github import api\n",
        "systems/planted.py": "from bumper.deploy import pipeline\n",
    },
    whoever_decides_knows_systems_by_ports: {
        "deploy/hold/planted.py": "from bumper.systems.git.remote import Remote\n",
        "follow/planted.py": "def ask():\n    import httpx\n",
    },
    only_the_command_line_touches_the_process: {
        "app/planted.py": "import os\nX = os.environ\n",
        "status/planted.py": "print(1)\n",
    },
    time_comes_from_a_clock: {"commands/planted.py": "import time\nX = time.time()\n"},
    only_the_demo_imports_the_sandbox: {"app/planted.py": "from bumper_sandbox.stack import Stack\n"},
    only_commands_know_the_argument_parser: {"app/planted.py": "import argparse\n"},
    slow_libraries_are_imported_where_they_are_used: {"app/planted.py": "import git\n"},
    a_dataclass_is_cheap_to_define: {"check/planted.py": "from dataclasses import dataclass\n"},
    the_quick_way_imports_nothing_slow_of_ours: {"cli.py": "from bumper.rollout import judge\n"},
    rooms_stay_small: {
        "commands/planted.py": "X = 1\n" * 121,
        **{f"planted_{number}.py": "" for number in range(17)},
    },
}


@cache
def tree() -> Tree:
    paths = sorted((TOP / "bumper").rglob("*.py"))
    return {path.relative_to(TOP).as_posix(): path.read_text(encoding="utf-8") for path in paths}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds(rule: Rule) -> None:
    assert rule(tree()) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_fails_on_a_planted_breach(rule: Rule) -> None:
    planted = {f"bumper/{path}": text for path, text in RULES[rule].items()}
    for path, text in planted.items():
        breaches = rule(
            {**tree(), **(planted if "planted_" in path else {}), path: text + tree().get(path, "")}
        )
        assert len(breaches) > len(rule(tree())), path


def test_there_are_at_most_eleven_floors() -> None:
    assert len(FLOORS) <= 11


@pytest.mark.parametrize(
    "place",
    ["bumper", "bumper_sandbox", "action", "benchmarks", pytest.param("tests", marks=pytest.mark.slow)],
)
def test_no_variable_is_called_by_a_word_that_says_nothing(place: str) -> None:
    """`one`, `found`, `told`, `said`, `words`, `parts`: whatever is called so has a name of its own."""
    empty = {"one", "found", "told", "said", "words", "parts"}
    files = sorted((TOP / place).rglob("*.py"))
    names = [
        f"{file}:{node.lineno}: {name}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (name := _bound(node)) in empty and isinstance(node, ast.expr | ast.arg)
    ]
    assert files
    assert names == []


def _bound(node: ast.AST) -> str:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return node.arg if isinstance(node, ast.arg) else ""
