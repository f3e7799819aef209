"""`bump check`, in checkouts and outside of them."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran

from bumper import check
from bumper.check import listing
from bumper.style import plain, wrapped

ROOT = Path(__file__).parents[2]
CLEAN = """\
  note  k8s: gotk-components.yaml is not committed here; bootstrap commits it, with these controllers: source, kustomize, helm
  note  k8s: the cluster must bring what nothing here installs: traefik.io
  note  k8s: each commit reconciles 12 Kustomizations, all of GitRepository flux-system/flux-system; bump isolate ends that for a site
✓ 60 files: nothing found
"""
BROKEN = """\
✗ service-port   error
  k8s/umami/service.yaml:13  port http of Service umami/umami leads to web, which no container behind it names (found: no named port)
  why  A port that leads to a name no container has answers nobody.
  do   Give targetPort the name of a container's port, or its number.
  meant to be so?  # bump-check: ignore=service-port   on its line or the one above it, or --ignore service-port

! image-tag   warning
  k8s/umami/deployment.yaml:19  container umami of Deployment umami/umami: ghcr.io/umami-software/umami has the tag latest
  why  Without a tag, or with latest, nobody can tell which version runs, and no commit can bring back the one before.
  do   Name the version: a tag of its own, or a digest.
  meant to be so?  # bump-check: ignore=image-tag   on its line or the one above it, or --ignore image-tag

  note  k8s: gotk-components.yaml is not committed here; bootstrap commits it, with these controllers: source, kustomize, helm
  note  k8s: the cluster must bring what nothing here installs: traefik.io
  note  k8s: each commit reconciles 12 Kustomizations, all of GitRepository flux-system/flux-system; bump isolate ends that for a site
✗ 60 files: 1 error, 1 warning
"""


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    """Our tree in a checkout of its own, nothing committed yet."""
    ignored = shutil.ignore_patterns("gotk-components.yaml")
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s", ignore=ignored)
    git(tmp_path, "init", "-q")
    return tmp_path


def git(directory: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=directory, check=True, capture_output=True)


def bump(cwd: Path, *arguments: str, **environ: str) -> Ran:
    inherited = {key: value for key, value in os.environ.items() if key != "GITHUB_ACTIONS"}
    return commandline.bump("check", *arguments, environ={**inherited, **environ}, cwd=cwd)


def process(cwd: Path, *arguments: str, **environ: str) -> int:
    """The exit code of the program in a process of its own."""
    with commandline.process("check", *arguments, environ={**os.environ, **environ}, cwd=cwd) as running:
        running.communicate()
    return running.returncode


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def break_it(platform: Path) -> None:
    replace(platform / "k8s/umami/service.yaml", "targetPort: 3000", "targetPort: web")
    replace(platform / "k8s/umami/deployment.yaml", "postgresql-latest", "latest")


def test_our_own_platform_is_clean(platform: Path) -> None:
    assert bump(platform) == (0, CLEAN, "")
    assert bump(platform, "--strict") == (0, CLEAN, "")


def test_findings_are_told_by_rule_with_place_reason_and_remedy(platform: Path) -> None:
    break_it(platform)
    assert bump(platform) == (11, BROKEN, "")


def test_the_whole_checkout_is_looked_at_from_anywhere_in_it(platform: Path) -> None:
    break_it(platform)
    assert bump(platform / "k8s" / "umami") == (11, BROKEN, "")
    assert bump(ROOT.parent, str(platform / "k8s")) == (11, BROKEN, "")


def test_warnings_alone_fail_only_where_it_is_asked_for(platform: Path) -> None:
    break_it(platform)
    assert bump(platform, "--ignore", "service-port")[0] == 0
    assert bump(platform, "--ignore", "service-port", "--strict")[0] == 11
    assert bump(platform, "--ignore", "service-port", "--ignore", "image-tag", "--strict") == (0, CLEAN, "")


def test_json_is_one_object_and_nothing_else(platform: Path) -> None:
    break_it(platform)
    replace(platform / "k8s/umami/deployment.yaml", ":latest", ":latest # bump-check: ignore=image-tag")
    code, stdout, stderr = bump(platform, "--output", "json")
    assert (code, stderr) == (11, "")
    answer: dict[str, Any] = json.loads(stdout)
    assert answer["exitCode"] == 11
    assert answer["files"] == 60
    assert len(answer["notes"]) == 3
    assert answer["silenced"] == [{"id": "image-tag", "file": "k8s/umami/deployment.yaml", "line": 19}]
    rule = check.RULES["service-port"]
    assert answer["findings"] == [
        {
            "id": "service-port",
            "severity": "error",
            "file": "k8s/umami/service.yaml",
            "line": 13,
            "message": "port http of Service umami/umami leads to web, which no container behind it names (found: no named port)",
            "why": rule.why,
            "fix": rule.fix,
        }
    ]


def test_in_a_workflow_each_finding_is_an_annotation_and_no_text_is_a_command(platform: Path) -> None:
    replace(platform / "k8s/umami/service.yaml", "targetPort: 3000", 'targetPort: "a,b:c%"')
    code, stdout, stderr = bump(platform, GITHUB_ACTIONS="true")
    assert (code, stderr) == (11, "")
    first, *text, annotation = stdout.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert token != first
    assert text[-1] == f"::{token}::"
    assert "a,b:c%, which no container" in "\n".join(text)
    rule = check.RULES["service-port"]
    assert annotation == (
        "::error file=k8s/umami/service.yaml,line=13,title=service-port::"
        "port http of Service umami/umami leads to a,b:c%25, which no container behind it names (found: no named port)"
        f"%0A{rule.why}%0A{rule.fix}"
    )
    json.loads(bump(platform, "--output", "json", GITHUB_ACTIONS="true")[1])


def test_what_git_ignores_is_not_there(platform: Path) -> None:
    (platform / "k8s/umami/later.yaml").write_text("a: [", encoding="utf-8")
    assert bump(platform)[0] == 11
    (platform / ".gitignore").write_text("later.yaml\n", encoding="utf-8")
    assert bump(platform) == (0, CLEAN, "")


def test_what_was_deleted_or_is_a_link_is_not_there(platform: Path) -> None:
    git(platform, "add", ".")
    sync = platform / "k8s/flux-system/umami-sync.yaml"
    moved = sync.rename(platform / "umami-sync.yaml")
    code, stdout, _ = bump(platform, "--output", "json")
    assert (code, [finding["id"] for finding in json.loads(stdout)["findings"]]) == (11, ["missing-resource"])
    sync.symlink_to(moved)
    code, linked, _ = bump(platform, "--output", "json")
    findings = [(finding["id"], finding["line"]) for finding in json.loads(linked)["findings"]]
    assert (code, findings) == (
        11,
        [(finding["id"], finding["line"]) for finding in json.loads(stdout)["findings"]],
    )
    assert "k8s/flux-system/umami-sync.yaml is a symbolic link, which Flux leaves out" in linked


def test_outside_of_a_checkout_every_file_counts(tmp_path: Path, platform: Path) -> None:
    shutil.rmtree(platform / ".git")
    (platform / ".gitignore").write_text("umami\n", encoding="utf-8")
    assert bump(platform, GIT_CEILING_DIRECTORIES=str(tmp_path.parent)) == (0, CLEAN, "")


@pytest.mark.slow
def test_it_answers_within_a_second_without_a_network(platform: Path) -> None:
    taken = []
    for _ in range(3):
        begun = os.times()
        # Whatever opened a connection would find nobody there.
        assert process(platform, HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9") == 0
        ended = os.times()
        # Seconds of the processor: others may want this machine too.
        taken.append(
            ended.children_user + ended.children_system - begun.children_user - begun.children_system
        )
    assert min(taken) < 1.0


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("--ignore", "typo"), 2, "error: --ignore: no rule is called 'typo'\nhelp:  bump check --list\n"),
        (("nowhere",), 2, "no such directory\nhelp:  name a directory of the platform repository\n"),
    ],
)
def test_what_cannot_be_done_is_said(
    platform: Path, arguments: tuple[str, ...], code: int, error: str
) -> None:
    exit_code, stdout, stderr = bump(platform, *arguments)
    assert (exit_code, stdout) == (code, "")
    assert stderr.endswith(error)


def test_a_repository_without_flux_is_no_platform(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "values.yaml").write_text("a: 1\n", encoding="utf-8")
    code, _, stderr = bump(tmp_path)
    assert code == 4
    assert "no Flux tree here, expected a gotk-sync.yaml or a Flux Kustomization" in stderr


def test_every_rule_is_listed(platform: Path) -> None:
    code, stdout, _ = bump(platform, "--list", "--output", "json")
    assert code == 0
    rules = json.loads(stdout)["rules"]
    assert [rule["id"] for rule in rules] == list(check.RULES)
    assert {rule["severity"] for rule in rules} == {"error", "warning"}
    _, stdout, _ = bump(platform, "--list")
    assert all(identity in stdout for identity in check.RULES)
    assert max(len(plain(row)) for line in listing.table() for row in wrapped(line, 80)) <= 80


def test_the_documentation_has_the_same_rules() -> None:
    # To write it anew: python -c 'from bumper.check import listing; print(listing.markdown(), end="")'
    assert listing.markdown() in (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
