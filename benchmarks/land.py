"""`bump --no-wait` against the shell that most workflows use, over smart HTTP on loopback, in a small repository; `land-20000` is the
same in a large one.

Ours also reads where the site is, asks the registry for the image and proves the edit; the shell is told the file and trusts. The
fastest shell way clones the tip alone; it has no second try where somebody else was faster. All requests count, those to the registry
too: each of them takes so much longer where the other side is `DELAY_S` away.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks import ours
from benchmarks.peers import yq
from benchmarks.repositories import OLD, SITE, manifest, write_repository
from benchmarks.sidebyside import Way, measure, rounds_of
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

TOKEN = "bench-token"
DELAY_S = 0.04
ROUNDS = rounds_of(3)
OURS, SHALLOW = "bump --no-wait", "clone --depth 1, sed -i, push"
IDENTITY = {
    f"GIT_{role}_{part}": "ci@localhost" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
}


class Size(NamedTuple):
    """A repository, how far away it is, and the goals: of the time and of the bytes against the fastest shell way."""

    files: int
    commits: int
    delay_s: float
    most_time: float
    most_bytes: float | None = None


SMALL = 100
SIZES = (
    Size(SMALL, 1_000, 0.0, 2.0),
    Size(SMALL, 1_000, DELAY_S, 1.0),
    Size(20_000, 20_000, 0.0, 0.2, 0.01),
)

# $ONE is the way that clones the tip alone.
WORKFLOW = """
set -e
git clone --quiet ${ONE:+--depth 1} "$URL" "$FOLDER"
cd "$FOLDER"
{edit}
git commit --quiet --all --message "Deploy $TAG"
test -z "$ONE" || { git push --quiet; exit; }
for attempt in 1 2 3 4 5; do
  git pull --quiet --rebase
  git push --quiet && exit 0
done
exit 1
"""


class Cost(NamedTuple):
    """Of one run: requests and connections to git, bytes that it sent, requests to the registry."""

    requests: int
    connections: int
    sent: int
    asked: int


def main(*files: int) -> None:
    """In repositories of so many files; in the small one where no number is given."""
    with (
        RegistryServer(authentication="none") as registry,
        GitServer(token=TOKEN, environ=os.environ) as server,
    ):
        registry.push(SITE, OLD)
        made: set[str] = set()
        for place, size in enumerate(size for size in SIZES if size.files in (files or (SMALL,))):
            name = f"{size.files}.git"
            if name not in made:
                made.add(name)
                print(
                    f"making a repository of {size.files:,} files and {size.commits:,} commits",
                    file=sys.stderr,
                )
                write_repository(
                    server.path(name), files=size.files, commits=size.commits, registry=registry.host
                )
            for number in range(ROUNDS + 1):
                registry.push(SITE, tag_of(number, place, 0))
            compare(size, place, server, registry)
            print()


def compare(size: Size, place: int, server: GitServer, registry: RegistryServer) -> None:
    costs: dict[str, Cost] = {}

    def counted(name: str, way: Way) -> Way:
        def run(number: int) -> None:
            server.requests.clear()
            asked, accepted = len(registry.asked), server.accepted
            way(number)
            sent = sum(request.sent for request in server.requests)
            costs[name] = Cost(
                len(server.requests), server.accepted - accepted, sent, len(registry.asked) - asked
            )

        return run

    url = f"{server.url}/{size.files}.git"
    compared = ways(url, f"{registry.host}/{SITE}", place, with_yq=size.files == SMALL and not size.delay_s)
    server.faults.delay_s = registry.delay_s = size.delay_s
    title = f"one tag on main: {size.files:,} files, {size.commits:,} commits, {size.delay_s * 1000:.0f} ms a request"
    measure(
        title,
        {name: counted(name, way) for name, way in compared.items()},
        rounds=ROUNDS,
        goals={SHALLOW: size.most_time},
    )
    report(costs, size)


def report(costs: Mapping[str, Cost], size: Size) -> None:
    print(f"  {'':<44}{'requests':>9}{'connections':>13}{'bytes':>12}{'registry':>10}")
    for name, cost in costs.items():
        print(f"  {name:<44}{cost.requests:>9}{cost.connections:>13}{cost.sent:>12,}{cost.asked:>10}")
    ratio = costs[OURS].sent / costs[SHALLOW].sent
    goal = f" (goal: {size.most_bytes})" if size.most_bytes else ""
    print(f"  ratio of bytes to {SHALLOW}: {ratio:.3f}{goal}")


def tag_of(number: int, place: int, way: int) -> str:
    """A tag that no other way has written, so that each one has something to commit."""
    return f"{way}abc{place}{number:02}"


def ways(url: str, repository: str, place: int, *, with_yq: bool) -> dict[str, Way]:
    path = manifest(SITE)
    edit_by_sed = f'sed -i "s|{repository}:.*|{repository}:$TAG|" {path}'
    by_name: dict[str, Way] = {
        OURS: lambda number: bump(url, tag_of(number, place, 0)),
        SHALLOW: lambda number: workflow(url, edit_by_sed, tag_of(number, place, 1), ONE="1"),
        "clone, sed -i, pull --rebase, push": lambda number: workflow(
            url, edit_by_sed, tag_of(number, place, 2)
        ),
    }
    if with_yq and (program := yq()):
        edit = f"""{program} -i '.spec.template.spec.containers[0].image = "{repository}:'$TAG'"' {path}"""
        by_name["clone, yq -i, pull --rebase, push"] = lambda number: workflow(
            url, edit, tag_of(number, place, 3)
        )
    return by_name


def bump(url: str, tag: str) -> None:
    command = [ours.bump(), "--site", SITE, "--tag", tag, "--repo", url, "--no-wait"]
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, **IDENTITY, "BUMP_TOKEN": TOKEN}
        subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environ)


def workflow(url: str, edit: str, tag: str, **variables: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        secret = url.replace("http://", f"http://ci:{TOKEN}@")
        environ = {
            **os.environ,
            **IDENTITY,
            "URL": secret,
            "FOLDER": f"{folder}/platform",
            "TAG": tag,
            **variables,
        }
        subprocess.run(
            ["sh", "-c", WORKFLOW.replace("{edit}", edit)], check=True, stdout=subprocess.DEVNULL, env=environ
        )


if __name__ == "__main__":
    main()
