"""What people run today after a push, and `bump track`, on the same deploys: prints a Markdown table.

Where `BUMP_E2E_VERDICTS` names a file, that becomes a section of it.

    make e2e-peers
    PYTHONPATH=tests python -m e2e.peers [SITUATION...]

Each way gets a site of its own and a push of its own, one after the other on one cluster.
The clock runs from the end of the push to the verdict and to the end of the command. What it said is held against the cluster then.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from . import build, page
from .access import FOLLOWER
from .fleet import Site, fleet
from .looks import eventually, running_images
from .record import versions
from .repository import Repository
from .stack import FLUX_NAMESPACE, Options, Stack

_PATIENCE_S = 60
# Of the deploys that succeed each way has so many, and the one of middle length is shown.
_RUNS = 3
_VERDICTS = ("Ready", "Failed", "Suspended", "Blocked", "Timed", "error:")
_OLD, _NEW = "1.0.0", "2.0.0"
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Deploy:
    """One push: the site has the name of its repository, `commit` is what was pushed."""

    stack: Stack
    repository: Repository
    commit: str
    kubeconfig: Path

    @property
    def site(self) -> str:
        return self.repository.name

    @property
    def runs(self) -> bool:
        """Whether the new image runs, and no other one but in pods that are on their way out."""
        pods = self.stack.api.list("Pod", self.site)
        running = {
            entry["image"]
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
            for entry in pod["status"].get("containerStatuses") or ()
            if entry["ready"]
        }
        return running == {f"{self.stack.registry}/{self.site}:{_NEW}"}


Push = Callable[[Stack, Repository], str]


@dataclass(frozen=True)
class Situation:
    """`push` brings it about; `succeeds` is what becomes of it within the patience of all ways."""

    what: str
    push: Push
    succeeds: bool
    kustomization: Mapping[str, Any] = field(default_factory=dict)


def _push(stack: Stack, repository: Repository, **image: Any) -> str:
    """Pushes an image and the commit that names it."""
    stack.images.push(repository.name, _NEW, **image)
    return repository.set_tag(repository.name, _NEW)


def _missing(stack: Stack, repository: Repository) -> str:
    return repository.set_tag(repository.name, _NEW)


def _suspended(stack: Stack, repository: Repository) -> str:
    stack.api.merge("Kustomization", FLUX_NAMESPACE, repository.name, {"spec": {"suspend": True}})
    return _push(stack, repository)


def _broken(stack: Stack, repository: Repository) -> str:
    """The new tag, and beside it a file that is not YAML."""
    stack.images.push(repository.name, _NEW)
    folder = f"k8s/{repository.name}"
    deployment = repository.read(f"{folder}/deployment.yaml").replace(
        f":{_OLD}".encode(), f":{_NEW}".encode()
    )
    changes = {
        f"{folder}/deployment.yaml": deployment,
        f"{folder}/service.yaml": b"apiVersion: v1\nkind: [Service\n",
    }
    return repository.push(changes, "Broken")


_WAIT = {"wait": True, "timeout": "2m"}
SITUATIONS = {
    "healthy": Situation("healthy, `wait: false`", _push, succeeds=True),
    "healthy-wait": Situation("healthy, `wait: true`", _push, succeeds=True, kustomization=_WAIT),
    "slow": Situation(
        "healthy, starts in 20 s, `wait: false`",
        partial(_push, behaviour="slow", ready_after_s=20),
        succeeds=True,
    ),
    "missing": Situation("image is not in the registry", _missing, succeeds=False),
    "crash": Situation(
        "crash loop", partial(_push, behaviour="crash", log="fatal: no such table: pages"), succeeds=False
    ),
    "suspended": Situation("Kustomization suspended", _suspended, succeeds=False),
    "broken": Situation("another file is not YAML", _broken, succeeds=False),
}


@dataclass(frozen=True)
class Answer:
    """`output` is what the command printed; `ran` whether the new image ran when it ended.

    `said_s` is when the last line came that gives the verdict, `seconds` when the command ended.
    """

    seconds: float
    code: int
    output: str
    ran: bool
    said_s: float = 0.0


@dataclass(frozen=True)
class Ended:
    """How a command ended, and its lines, each with the second (monotonic) at which it came."""

    code: int
    lines: Sequence[tuple[float, str]]

    @property
    def output(self) -> str:
        return "".join(line for _, line in self.lines)


def ask_bump(deploy: Deploy) -> Ended:
    """`bump track`, with the rights of a workflow and not those of an administrator."""
    environ = {
        **os.environ,
        "BUMP_TOKEN": deploy.stack.git_token,
        "KUBECONFIG": str(deploy.kubeconfig),
        "HOME": str(deploy.stack.folder),
        "PYTHONPATH": str(_ROOT),
    }
    wanted = ("--site", deploy.site, "--commit", deploy.commit, "--repo", deploy.repository.url)
    return _run(environ, sys.executable, "-m", "bumper", "track", *wanted, "--timeout", f"{_PATIENCE_S}s")


def ask_flux(deploy: Deploy) -> Ended:
    """`flux reconcile --with-source && kubectl rollout status`, as a shell would run it."""
    environ = _administrator(deploy)
    ended = _run(environ, build.binary("flux"), "reconcile", "kustomization", deploy.site, "--with-source")
    if ended.code:
        return ended
    wanted = (f"deployment/{deploy.site}", "--namespace", deploy.site)
    return _run(environ, build.binary("kubectl"), "rollout", "status", *wanted, f"--timeout={_PATIENCE_S}s")


def ask_kubectl(deploy: Deploy) -> Ended:
    """`kubectl wait` on the Kustomization."""
    wanted = (f"kustomization/{deploy.site}", "--namespace", FLUX_NAMESPACE, "--for=condition=Ready")
    return _run(_administrator(deploy), build.binary("kubectl"), "wait", *wanted, f"--timeout={_PATIENCE_S}s")


WAYS: dict[str, tuple[str, Callable[[Deploy], Ended]]] = {
    "bump": ("`bump track`", ask_bump),
    "flux": ("`flux reconcile --with-source`, `kubectl rollout status`", ask_flux),
    "wait": ("`kubectl wait`", ask_kubectl),
}


def _administrator(deploy: Deploy) -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": str(deploy.stack.admin_kubeconfig), "HOME": str(deploy.stack.folder)}


def _run(environ: Mapping[str, str], *command: str | Path) -> Ended:
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    with process.stdout as stream:
        lines = [(time.monotonic(), line) for line in stream]
    return Ended(process.wait(), lines)


def measure(stack: Stack, kubeconfig: Path, name: str, suffix: str, way: str) -> Answer:
    """One way on one deploy that nobody else looks at."""
    situation = SITUATIONS[name]
    site = f"{name}-{suffix}"
    repository = fleet(stack, site, [Site(site, kustomization=situation.kustomization)])
    first = repository.tip
    deploy = Deploy(stack, repository, first, kubeconfig)
    eventually(partial(_is_settled, deploy), f"{site} is Ready at {_OLD}")
    deploy = Deploy(stack, repository, situation.push(stack, repository), kubeconfig)
    started = time.monotonic()
    ended = WAYS[way][1](deploy)
    seconds = time.monotonic() - started
    ran = deploy.runs
    verdicts_s = [at_s for at_s, line in ended.lines if line.strip().startswith(_VERDICTS)]
    said_s = verdicts_s[-1] - started if verdicts_s else seconds
    return Answer(seconds, ended.code, ended.output, ran, said_s)


def _is_settled(deploy: Deploy) -> bool:
    kustomization = deploy.stack.api.find("Kustomization", FLUX_NAMESPACE, deploy.site) or {}
    conditions = (kustomization.get("status") or {}).get("conditions") or []
    is_ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
    return is_ready and bool(running_images(deploy.stack, deploy.site))


def judge(situation: Situation, answer: Answer) -> str:
    """Whether the exit code was right at the moment it came, and whether it came before patience ended."""
    if answer.code == 0:
        return "right" if answer.ran else "**says Ready, and it is not**"
    if situation.succeeds:
        return "**says that it failed, and it did not**"
    return "**nothing until it times out**" if answer.seconds >= _PATIENCE_S - 1 else "right"


def last_line(output: str) -> str:
    """What a reader's eye falls on: the line that gives the verdict, else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    verdicts = [line for line in lines if line.startswith(_VERDICTS)]
    verdict_line = (verdicts or lines or ["(nothing)"])[-1].replace("|", "\\|")
    return verdict_line if len(verdict_line) <= 110 else f"{verdict_line[:107]}..."


HEADING = "Beside what people run after a push"
_BODY = """\
On the same deploys, one after the other: `bump track`; `flux reconcile kustomization --with-source` and then
`kubectl rollout status --timeout=60s`; `kubectl wait --for=condition=Ready --timeout=60s` on the Kustomization. The time runs from the
end of the push to the line that gives the verdict, and to the end of the command: `bump track` then writes the outcome into git.
Right is what was so at the end. `kubectl wait` looks at once and finds the
revision before ours Ready; `flux reconcile` has its own timeout of five minutes. {stack}; flux 2.9.3, kubectl 1.36.1; {machine}. Of
three runs of what succeeds the one of middle length, one of all else.

{table}
"""


def table(names: Sequence[str]) -> None:
    """Measures and prints row by row; then the page has them, where one was named."""
    lines = [
        "| deploy | asked by | said after | ended after | exit code | says | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    _print("\n".join(lines))
    keep = os.environ.get("BUMP_E2E_LOGS")
    with Stack(Options(kubelet_speed=1.0), keep=Path(keep) if keep else None) as stack:
        for line in _rows(stack, names):
            lines.append(line)
            _print(line)
        if path := os.environ.get("BUMP_E2E_VERDICTS"):
            node = versions(stack.node_is_played)["node"]
            page.put(Path(path), HEADING, body(node, lines))


def body(node: str, lines: Sequence[str]) -> str:
    """The section for these lines."""
    return _BODY.format(stack=f"The node: {node}", machine=page.machine(), table="\n".join(lines))


def _rows(stack: Stack, names: Sequence[str]) -> Iterator[str]:
    kubeconfig = stack.account("bump", FOLLOWER)
    for name in names:
        situation = SITUATIONS[name]
        # In turn, so that all of them have the machine's better and worse moments.
        runs = [
            {way: measure(stack, kubeconfig, name, f"{way}-{run}", way) for way in WAYS}
            for run in range(_RUNS if situation.succeeds else 1)
        ]
        for number, (way, (title, _)) in enumerate(WAYS.items()):
            answer = _typical(situation, [answers[way] for answers in runs])
            what = "" if number else situation.what
            verdict, says = judge(situation, answer), last_line(answer.output)
            times = f"{answer.said_s:.1f} s | {answer.seconds:.1f} s"
            yield f"| {what} | {title} | {times} | {answer.code} | {says} | {verdict} |"


def _typical(situation: Situation, answers: Sequence[Answer]) -> Answer:
    """The answer of middle length; of those that are wrong, if there are any."""
    wrong = [answer for answer in answers if judge(situation, answer) != "right"]
    ordered = sorted(wrong or answers, key=lambda answer: answer.seconds)
    return ordered[len(ordered) // 2]


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main(arguments: Sequence[str]) -> int:
    unknown = [name for name in arguments if name not in SITUATIONS]
    if unknown:
        print(f"no such situation: {', '.join(unknown)}; expected {', '.join(SITUATIONS)}", file=sys.stderr)  # noqa: T201
        return 2
    absent = [program.name for program in build.missing(build.STACK)]
    absent += [name for name in ("flux", "kubectl") if not build.binary(name).is_file()]
    if absent or not shutil.which("git"):
        print(f"not there: {', '.join(absent) or 'git'}; run `make e2e-peers`", file=sys.stderr)  # noqa: T201
        return 2
    table(arguments or list(SITUATIONS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
