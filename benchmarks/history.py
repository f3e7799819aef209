"""`bump history` over 10,000 deploys in a local clone, against what people write with git itself: whole processes.

`git log` with its own trailer format is the fast way to the same fields, without the outcomes; a loop of `interpret-trailers` is the
way that most scripts go, here for the newest 200 alone. Neither sorts out squashed or merged messages.
"""

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.ours import bump
from benchmarks.sidebyside import Way, measure, processor_s, rounds_of
from bumper.history import ending
from bumper.history.message import Deploy, compose
from bumper.image import ImageReference
from bumper.record import Ending
from bumper.request import Origin

DEPLOYS = 10_000
NEWEST = 200
SITES = 20
ALL, GOAL_S = "bump history --limit 0", 0.5
_START = 1_700_000_000

KEYS = ("Bump-Site", "Bump-From", "Bump-To", "Bump-Digest", "Requested-By", "Source-Commit")
FORMAT = "%h%x09%cI%x09" + "%x09".join(f"%(trailers:key={key},valueonly,separator=%x2C)" for key in KEYS)
LOOP = """
git log --grep='^Bump-Site: ' --format=%H -{count} origin/main | while read -r commit; do
  git log -1 --format=%B "$commit" | git interpret-trailers --parse
  git notes --ref=bump show "$commit"
done
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "platform"
        print(f"making a clone with {DEPLOYS:,} deploys", file=sys.stderr)
        write_clone(clone)
        everything = ["history", "--offline", "--limit", "0"]
        loop = LOOP.replace("{count}", str(NEWEST))
        measure(
            f"all of {DEPLOYS:,} deploys with their outcomes",
            {
                ALL: ours(clone, *everything),
                "bump history --limit 0 --output json": ours(clone, *everything, "--output", "json"),
                "bump history --limit 0 --output csv": ours(clone, *everything, "--output", "csv"),
                "git log --format=%(trailers), no outcomes": theirs(
                    clone, "git", "log", f"--format={FORMAT}", "origin/main"
                ),
                "git log --grep --format=%B, no outcomes": theirs(
                    clone,
                    "sh",
                    "-c",
                    "git log --grep='^Bump-Site: ' --format=%B origin/main | grep -E '^(Bump|Source)-'",
                ),
            },
            rounds=rounds_of(5),
            stopwatch=processor_s,
            goals={ALL: GOAL_S},
        )
        measure(
            f"the newest {NEWEST} of {DEPLOYS:,}",
            {
                f"bump history --limit {NEWEST}": ours(clone, "history", "--offline", "--limit", str(NEWEST)),
                "log --grep, interpret-trailers, notes show": theirs(clone, "sh", "-c", loop),
            },
            rounds=rounds_of(5),
        )


def ours(clone: Path, *arguments: str) -> Way:
    return theirs(clone, bump(), *arguments)


def theirs(clone: Path, *command: str) -> Way:
    def run(_: int) -> None:
        subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL)

    return run


def write_clone(folder: Path, deploys: int = DEPLOYS) -> None:
    """A clone as it is after a fetch: so many deploys of 20 sites, a note with the outcome on each."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(folder)], check=True)
    subprocess.run(
        ["git", "-C", str(folder), "config", "remote.origin.url", "https://git.example/platform.git"],
        check=True,
    )
    stream = b"".join(_stream(deploys))
    environ = {**os.environ, "LC_ALL": "C"}
    subprocess.run(
        ["git", "-C", str(folder), "fast-import", "--quiet"], input=stream, check=True, env=environ
    )


def _stream(deploys: int) -> "list[bytes]":
    commands, notes = [], []
    previous: dict[str, str] = {}
    for number in range(deploys):
        site, tag, at = f"site-{number % SITES}-example", f"{number:07x}", _START + 60 * number
        image = ImageReference(f"registry.example/{site}", tag, f"sha256:{number:064x}")
        run = f"https://git.example/acme/{site}/actions/runs/{number}"
        origin = Origin(f"https://git.example/acme/{site}", f"{number:040x}", run, "kevin")
        deploy = Deploy(site, f"k8s/{site}/deployment.yaml", image.with_tag(previous.get(site, "0")), image)
        previous[site] = tag
        message = compose([deploy], origin).encode()
        content = f"image: {image}\n".encode()
        head = b"commit refs/remotes/origin/main\nmark :%d\ncommitter bench <bench@localhost> %d +0000\n"
        commands.append(head % (number + 1, at) + b"data %d\n%s\n" % (len(message), message))
        commands.append(
            b"M 100644 inline k8s/%s/deployment.yaml\ndata %d\n%s\n" % (site.encode(), len(content), content)
        )
        ended = Ending(site, "ready", "Ready", 12.5, datetime.fromtimestamp(at + 20, UTC), tag, run=run)
        line = f"{ending.line(ended)}\n".encode()
        notes.append(b"N inline :%d\ndata %d\n%s\n" % (number + 1, len(line), line))
    head = b"commit refs/notes/bump\ncommitter bench <bench@localhost> 1800000000 +0000\ndata 5\nNotes\n"
    return [*commands, head, *notes]
