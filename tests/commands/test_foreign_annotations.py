"""Annotations of the platform repository that hold what a terminal or a runner would obey: every verb shows them as text."""

import re
from pathlib import Path

import commandline
import pytest
from soak.platform import REPOSITORY, TOKEN, Platform, platform

# As YAML writes them: a screen cleared, C1, a command of the runner on a line of its own, a turned reading order, a bell.
EVIL = r'"x\u001b[2J\u009b31m\n::error::evil\r\n##[error]evil\u2028\u202e\u200b\u0007"'
ANNOTATIONS = {
    "held": f"bump/hold: {EVIL}, bump/hold-by: {EVIL}",
    "until": f'bump/hold: "x", bump/hold-until: {EVIL}',
    "image": f"bump/image: {EVIL}",
    "path": f"bump/path: {EVIL}",
    "environment": f"bump/environment: {EVIL}",
    "serves": f"bump/serves: {EVIL}",
    "freeze": f"bump/freeze: {EVIL}",
    "foreign": f"{EVIL}: {EVIL}, reconcile.fluxcd.io/requestedAt: {EVIL}",
}
VERBS = (
    ("--site", "{}", "--sha", "abc1234", "--wait-for-image", "0s", "--no-wait"),
    ("hold", "{}", "--reason", "r\x1b[2J\n::error::evil", "--dry-run"),
    ("release", "{}", "--dry-run"),
    ("adopt", "{}", "--environment", "production", "--dry-run"),
    ("history", "{}"),
)


def breaks(text: str) -> list[str]:
    """The lines that a terminal or a runner would obey."""
    return [line for line in text.split("\n") if not line.isprintable() or re.match(r"\s*(::|##\[)", line)]


@pytest.mark.slow
def test_what_others_annotate_is_shown_as_text(tmp_path: Path, subtests: pytest.Subtests) -> None:
    with platform(list(ANNOTATIONS)) as place:
        annotate(place)
        environ = {**place.environ(), "HOME": str(tmp_path), "BUMP_TOKEN": TOKEN}
        for site in ANNOTATIONS:
            place.registry.push(site, "abc1234")
            for verb in VERBS:
                for output in ([], ["--output", "json"] if verb[0] != "history" else []):
                    arguments = [argument.format(site) for argument in verb]
                    with subtests.test(site, verb=verb[0], json=bool(output)):
                        ran = commandline.bump(
                            *arguments, *output, "--repo", place.url, environ=environ, cwd=tmp_path
                        )
                        assert ran.code != 1, ran.stderr
                        assert breaks(ran.stdout) == []
                        assert breaks(ran.stderr) == []
    assert breaks("a\x1b[2J\n  ::error::x\nfine") == ["a\x1b[2J", "  ::error::x"]


def annotate(place: Platform) -> None:
    """Writes the annotations on each site's Kustomization."""
    files = {}
    for site, annotations in ANNOTATIONS.items():
        path = f"k8s/flux-system/{site}-sync.yaml"
        named = f"metadata: {{name: {site}, namespace: flux-system"
        sync = place.ask("show", f"main:{path}")
        assert named in sync
        files[path] = sync.replace(named, f"{named}, annotations: {{{annotations}}}").encode()
    place.git.commit(REPOSITORY, files, "Annotate")
