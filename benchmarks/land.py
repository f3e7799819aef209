"""`bump --no-wait` against the shell that most workflows use, over smart HTTP on loopback, in a small and in a large repository.

Ours also reads where the site is, asks the registry for the image and proves the edit; the shell is told the file and trusts.
"""

import os
import subprocess
import sys
import tempfile

from benchmarks import ours
from benchmarks.peers import yq
from benchmarks.repositories import SITE, write_repository
from benchmarks.sidebyside import Way, measure
from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

TOKEN = "bench-token"
SIZES = {"100 files, 1,000 commits": (100, 1_000), "20,000 files, 20,000 commits": (20_000, 20_000)}
ROUNDS = 3

WORKFLOW = """
set -e
git clone --quiet "$URL" "$FOLDER"
cd "$FOLDER"
{edit}
git -c user.name=ci -c user.email=ci@localhost commit --quiet --all --message "Deploy $TAG"
for attempt in 1 2 3 4 5; do
  git -c user.name=ci -c user.email=ci@localhost pull --quiet --rebase
  git push --quiet && exit 0
done
exit 1
"""


def main() -> None:
    with (
        RegistryServer(authentication="none") as registry,
        GitServer(token=TOKEN, environ=os.environ) as server,
    ):
        repository = f"{registry.host}/{SITE}"
        for number in range(ROUNDS + 1):
            registry.push(SITE, tag_of(number, 0))
        for title, (files, commits) in SIZES.items():
            print(f"making a repository of {title}", file=sys.stderr)
            name = f"{files}.git"
            write_repository(server.path(name), files=files, commits=commits, image=f"{repository}:0000000")
            # In the large one the clone is what takes the time, whatever edits.
            compared = ways(f"{server.url}/{name}", repository, with_yq=files <= 100)
            measure(f"one tag on main: {title}", compared, rounds=ROUNDS)


def tag_of(number: int, way: int) -> str:
    """A tag that no other way has written, so that each one has something to commit."""
    return f"{way}abc{number:03}"


def ways(url: str, repository: str, *, with_yq: bool) -> dict[str, Way]:
    path = f"k8s/{SITE}/deployment.yaml"
    by_name: dict[str, Way] = {"bump --no-wait": lambda number: bump(url, tag_of(number, 0))}
    program = yq() if with_yq else None
    if program:
        edit = f"""{program} -i '.spec.template.spec.containers[0].image = "{repository}:'$TAG'"' {path}"""
        by_name["clone, yq -i, pull --rebase, push"] = lambda number: workflow(url, edit, tag_of(number, 1))
    edit_by_sed = f'sed -i "s|{repository}:.*|{repository}:$TAG|" {path}'
    by_name["clone, sed -i, pull --rebase, push"] = lambda number: workflow(
        url, edit_by_sed, tag_of(number, 2)
    )
    return by_name


def bump(url: str, tag: str) -> None:
    command = [ours.bump(), "--site", SITE, "--tag", tag, "--repo", url, "--no-wait"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "BUMP_TOKEN": TOKEN})


def workflow(url: str, edit: str, tag: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        secret = url.replace("http://", f"http://ci:{TOKEN}@")
        environ = {**os.environ, "URL": secret, "FOLDER": f"{folder}/platform", "TAG": tag}
        subprocess.run(
            ["sh", "-c", WORKFLOW.replace("{edit}", edit)], check=True, stdout=subprocess.DEVNULL, env=environ
        )
