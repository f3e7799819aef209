"""The action's way to a push, its start script run by hand: from the start of the step to the first line, and on to the push.

Cold is a machine without wheels, which asks the package index that pip knows; warm one that kept them. Beside no peer. What a runner
does before the step (its own start, the download of the action) is not in here.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks.land import TOKEN
from benchmarks.repositories import SITE, write_repository
from benchmarks.sidebyside import rounds_of
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

START = Path(__file__).parents[1] / "action" / "start.py"
# As action.yml finds it: no virtual environment.
PYTHON = [str(Path(sys.base_prefix) / "bin" / "python3"), "-I", "-S", "-X", "utf8", str(START)]
ROUNDS = rounds_of(3)
GOALS = {
    "cold: start of the step → first line": 15,
    "warm: start of the step → first line": 3,
    "first line → pushed": 2,
}
GOAL_MB = 15


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in GOALS}
    cold, warm, push = seconds.values()
    with (
        RegistryServer(authentication="none") as registry,
        GitServer(token=TOKEN, environ=os.environ) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        path = server.path("platform.git")
        write_repository(path, files=100, commits=1_000, registry=registry.host)
        for number in range(ROUNDS):
            tools = Path(folder) / f"tools-{number}"
            for way, starts in enumerate((cold, warm)):
                tag = f"{way}abc00{number}"
                registry.push(SITE, tag)
                first_s, pushed_s = _step(tools, f"{server.url}/platform.git", tag)
                starts.append(first_s)
                push.append(pushed_s)
        wheels_mb = sum(file.stat().st_size for file in tools.rglob("*.whl")) / 1e6
    print(f"the action, its start script run by hand   ({ROUNDS} rounds, seconds)")
    print(f"  {'':<44}{'min':>9}{'median':>9}{'max':>9}{'goal':>9}")
    for name, taken in seconds.items():
        print(f"  {name:<44}{min(taken):>8.2f}s{median(taken):>8.2f}s{max(taken):>8.2f}s{GOALS[name]:>8}s")
    print(f"  {'the wheels that a machine keeps':<44}{wheels_mb:>15.1f} MB{GOAL_MB:>18} MB")


def _step(tools: Path, url: str, tag: str) -> tuple[float, float]:
    """Seconds from the start of the step to bump's first line, and from there to its end, which is after the push."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs"
        environ = {
            **{
                name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("PIP_")
            },
            "HOME": folder,
            "GITHUB_OUTPUT": str(outputs),
            "RUNNER_TEMP": folder,
            "RUNNER_TOOL_CACHE": str(tools),
        }
        begun_s = time.perf_counter()
        subprocess.run([*PYTHON, "install"], env=environ, check=True, stdout=subprocess.DEVNULL)
        inputs = {"COMMAND": "deploy", "SITE": SITE, "TAG": tag, "REPO": url, "WAIT": "false"}
        environ |= {f"BUMP_INPUT_{name}": value for name, value in inputs.items()}
        environ |= {
            "BUMP_TOKEN": TOKEN,
            "BUMP_LIBRARIES": outputs.read_text().strip().removeprefix("folder="),
        }
        first_s, end_s = _run(environ)
        return first_s - begun_s, end_s - first_s


def _run(environ: Mapping[str, str]) -> tuple[float, float]:
    """When (perf_counter) the first line of bump came, and when it had ended."""
    process = subprocess.Popen(
        [*PYTHON, "run"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    with process.stdout as stream:
        shown = stream.readline()
        first_s = time.perf_counter()
        shown += stream.read()
    if process.wait():
        raise RuntimeError(shown)
    return first_s, time.perf_counter()


if __name__ == "__main__":
    main()
