"""The layers that docs/architecture.md draws, held by the imports themselves. A unit is a module or package right below `bumper`."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "bumper"
PURE = {
    "admission",
    "check",
    "diagnosis",
    "errors",
    "history",
    "holds",
    "image",
    "journal",
    "manifest",
    "objects",
    "onboarding",
    "ordering",
    "overview",
    "platform",
    "pull",
    "recording",
    "report",
    "request",
    "revision",
    "rollout",
    "story",
    "tree",
}
READS_YAML = {"manifest"}
SYSTEMS = {"git", "github", "kube", "registry", "terminal", "webhook"}
PIPE = {
    "account",
    "attempts",
    "departing",
    "examination",
    "follow",
    "gate",
    "hold_guard",
    "holding",
    "landing",
    "lineage",
    "listening",
    "merging",
    "notifications",
    "noting",
    "order_guard",
    "pipeline",
    "publishing",
    "rollback",
    "roster",
    "standing",
    "systems",
    "watching",
}
FRONT = {
    "__init__",
    "__main__",
    "assembly",
    "audience",
    "cli",
    "commands",
    "delivery",
    "following",
    "identity",
    "options",
    "returning",
}
SLOW = {"azure", "git", "httpx", "kr8s", "kubernetes", "rich", "websockets"}


def units() -> set[str]:
    found = {path.stem for path in ROOT.glob("*.py")} | {
        path.parent.name for path in ROOT.glob("*/__init__.py")
    }
    return found - {"sandbox"}


def files(unit: str) -> list[Path]:
    single = ROOT / f"{unit}.py"
    return [single] if single.exists() else sorted((ROOT / unit).rglob("*.py"))


def imports(path: Path, *, at_start_only: bool = False) -> Iterator[str]:
    """The names imported by a file, as `bumper.git.Remote` or `httpx`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in _run_at_start(tree) if at_start_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _run_at_start(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node


def ours(names: Iterator[str]) -> set[str]:
    """The units of this package among the imported names."""
    return {name.split(".")[1] for name in names if name.startswith("bumper.")}


def first(name: str) -> str:
    return name.partition(".")[0]


def test_every_unit_belongs_to_one_layer() -> None:
    layers = [PURE, SYSTEMS, PIPE, FRONT]
    assert units() == set().union(*layers)
    assert sum(map(len, layers)) == len(units())


@pytest.mark.parametrize("unit", sorted(PURE))
def test_a_pure_unit_imports_the_standard_library_and_pure_units(unit: str) -> None:
    for path in files(unit):
        for name in imports(path):
            package = first(name)
            if package == "bumper":
                assert name.split(".")[1] in PURE, f"{path}: {name}"
            elif package == "ruamel":
                assert unit in READS_YAML, f"{path}: {name}"
            else:
                assert package in sys.stdlib_module_names, f"{path}: {name}"


@pytest.mark.parametrize("unit", sorted(SYSTEMS))
def test_a_system_imports_no_other_system(unit: str) -> None:
    for path in files(unit):
        assert ours(imports(path)) <= PURE | {unit}, path


@pytest.mark.parametrize("unit", sorted(PIPE))
def test_the_pipe_knows_no_system(unit: str) -> None:
    for path in files(unit):
        assert ours(imports(path)) <= PURE | PIPE, path
        assert not {first(name) for name in imports(path)} & SLOW, path


def test_nothing_but_the_demo_imports_the_sandbox() -> None:
    for unit in units():
        for path in files(unit):
            if path != ROOT / "commands" / "demo.py":
                assert "sandbox" not in ours(imports(path)), path


def test_only_cli_reads_the_environment_prints_or_exits() -> None:
    for path in ROOT.rglob("*.py"):
        if path.name in ("cli.py", "__main__.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in ("os.environ", "os.getenv", "sys.exit"), (
                    f"{path}:{node.lineno}"
                )
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "exit"), f"{path}:{node.lineno}"


def test_what_a_refused_request_needs_imports_no_slow_library() -> None:
    # The parts of a system are imported by its own front when it is opened, so that only the pipe and the front count here.
    for unit in PURE | PIPE | FRONT | {"terminal", "webhook"}:
        for path in files(unit):
            assert not {first(name) for name in imports(path, at_start_only=True)} & SLOW, path
