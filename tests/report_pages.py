"""Pages of `bump report` for its tests: a small platform, with what somebody hostile may have written into it."""

import gzip
import json
import re
import subprocess
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import commandline
from commandline import Ran

from benchmarks.platform import BRANCH, Place, Platform
from bumper.history import ending
from bumper.history.message import Deploy, compose
from bumper.record import Ending, StageTime
from bumper.request import Origin

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202eevil"
)
SECRET = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
SITES, DEPLOYS = 12, 120
# Two roots, two configurations, and the controllers, which both clusters share.
OTHERS = 5
_FREEZE = f"""
windows:
  - name: {json.dumps("stop " + HOSTILE)}
    reason: {json.dumps(HOSTILE)}
    sites: ["*"]
    from: 2026-01-01
    allow:
      - {{by: [ann], reason: she knows}}
"""


def platform(folder: Path) -> Path:
    """A clone of so many sites and deploys, and one more deploy: failed, and written by somebody hostile."""
    made = Platform(SITES, DEPLOYS, hold_every=5)
    clone = made.write(folder)
    place = Place("site-0000", "production")
    file = f"{place.file}#flux-system/{place.name}"
    image = place.image("fffffff", f"sha256:{'f' * 64}")
    origin = Origin("javascript:alert(1)", "fffffff", "javascript:alert(2)", HOSTILE)
    deploy = Deploy(place.name, place.manifest, image.with_tag("0000000"), image, file)
    manifest = clone / place.manifest
    manifest.write_text(re.sub("image: .*", f"image: {image.with_tag('fffffff')}", manifest.read_text()))
    (clone / ".bump/freeze.yaml").write_text(_FREEZE)
    commit(clone, compose([deploy], origin, reason=f"{HOSTILE} token {SECRET}"))
    ended = Ending(
        place.name,
        "failed",
        f"Crash{HOSTILE}",
        61.0,
        made.now + timedelta(minutes=2),
        "fffffff",
        HOSTILE,
        kustomization=file,
        message=f"it crashes{HOSTILE} {SECRET}",
        stages=(StageTime("image", 0.5), StageTime("commit", 2.5), StageTime(f"rolled out{HOSTILE}", 58.0)),
    )
    # Words that JavaScript has a meaning for, too.
    odd = replace(ended, outcome="__proto__", reason="constructor", at=made.now - timedelta(minutes=1))
    for note in (odd, replace(ended, outcome="timed-out", at=made.now, message="", stages=()), ended):
        git(clone, "notes", "--ref=refs/notes/bump", "append", "-m", ending.line(note))
    git(clone, "update-ref", f"refs/remotes/origin/{BRANCH}", "HEAD")
    return clone


def git(clone: Path, *arguments: str) -> str:
    who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    return subprocess.run(
        ["git", "-C", str(clone), *who, *arguments], check=True, capture_output=True, text=True
    ).stdout


def commit(clone: Path, message: str) -> None:
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", f"--message={message}")


def report(clone: Path, file: str, *arguments: str, **environ: str) -> Ran:
    """`bump report --html FILE` in the clone."""
    return commandline.bump(
        "report", "--html", file, *arguments, cwd=clone, environ={"PATH": "/usr/bin:/bin", **environ}
    )


def packed(page: str) -> dict[str, Any]:
    """What lies packed in a page."""
    match = re.search(r'<script type="application/gzip" id="data">([^<]*)</script>', page)
    assert match
    data: dict[str, Any] = json.loads(gzip.decompress(b64decode(match[1])))
    return data
