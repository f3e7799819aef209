"""`bump remove-site`, against the sandbox: until everything is pruned."""

import json
import os
import pty
from typing import Any, TextIO

import commandline
import pytest
from commandline import Ran
from git_remotes import git

from bumper.objects import ObjectKey
from bumper.systems.git.remote import Remote
from bumper_sandbox.stack import REPOSITORY, Stack

from .branch import message, names, read, tip


def bump(stack: Stack, *arguments: str, stdin: TextIO | None = None) -> Ran:
    return commandline.bump(*arguments, "--repo", stack.url, environ=stack.child_environ(), stdin=stdin)


def asked(stack: Stack, answer: bytes, *arguments: str) -> tuple[int, str]:
    """Runs it with a terminal before it, where somebody answers."""
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    with os.fdopen(theirs, encoding="utf-8") as terminal:
        code, stdout, stderr = bump(stack, *arguments, stdin=terminal)
    os.close(ours)
    return code, stdout + stderr


@pytest.mark.slow
def test_a_removed_site_is_gone_from_git_and_from_the_cluster(stack: Stack) -> None:
    site = "sddbook-com"
    tracked, _, stderr = bump(stack, "track", "--site", site)
    assert tracked == 0, stderr
    code, stdout, stderr = bump(stack, "remove-site", site, "--yes", "--output", "json")
    assert code == 0, stdout + stderr
    answer: dict[str, Any] = json.loads(stdout)
    assert answer["outcome"] == "removed"
    assert answer["deletes"] == [
        f"Namespace {site}",
        f"Deployment {site}/{site}",
        f"IngressRoute {site}/{site}",
        f"Service {site}/{site}",
    ]
    for key in (
        ObjectKey("Kustomization", "flux-system", site),
        ObjectKey("Deployment", site, site),
        ObjectKey("Service", site, site),
        ObjectKey("Namespace", "", site),
    ):
        assert stack.cluster.find(key) is None, key
    assert site not in names(stack, "k8s")
    assert f"{site}-sync.yaml" not in names(stack, "k8s/flux-system")
    listed = read(stack, "k8s/flux-system/kustomization.yaml")
    commit_message = message(stack)
    was = stack.files["k8s/flux-system/kustomization.yaml"]
    assert listed == was.replace(b"  - sddbook-com-sync.yaml\n", b"")
    assert commit_message.startswith("Remove site sddbook-com\n")
    assert "Bump-Remove-Site: sddbook-com\n" in commit_message
    still = stack.cluster.find(ObjectKey("Deployment", "kevinryan-io", "kevinryan-io"))
    assert still is not None, "another site's objects stay"
    again, _, stderr = bump(stack, "remove-site", site, "--yes")
    assert again == 4
    assert "no Flux Kustomization has this name" in stderr


def test_a_dry_run_says_what_goes_and_writes_nothing(stack: Stack) -> None:
    before = tip(stack)
    code, stdout, _ = bump(stack, "remove-site", "umami", "--dry-run")
    assert code == 0
    assert "Flux will delete in the cluster:\n  Namespace umami, with everything that is in it\n" in stdout
    assert "  ExternalSecret umami/umami-db\n" in stdout
    assert "+++ /dev/null" in stdout
    assert "-  - umami-sync.yaml\n" in stdout
    assert tip(stack) == before


def test_where_nobody_can_be_asked_it_must_be_told(stack: Stack) -> None:
    before = tip(stack)
    code, _, stderr = bump(stack, "remove-site", "umami")
    assert code == 2
    assert "--yes" in stderr
    assert tip(stack) == before


def test_a_held_site_is_not_removed(stack: Stack) -> None:
    site = "aiimmigrants-com"
    code, _, stderr = bump(stack, "hold", "--site", site, "--reason", "an audit")
    assert code == 0, stderr
    before = tip(stack)
    code, _, stderr = bump(stack, "remove-site", site, "--yes")
    assert code == 4
    assert "aiimmigrants-com is not to be changed: held" in stderr
    assert "an audit" in stderr
    assert tip(stack) == before


@pytest.mark.slow
def test_only_yes_removes(stack: Stack) -> None:
    before = tip(stack)
    code, output = asked(stack, b"y\n", "remove-site", "docs-kevinryan-io", "--no-wait")
    assert code == 4, output
    assert "Namespace docs-kevinryan-io, with everything that is in it" in output
    assert tip(stack) == before
    code, output = asked(stack, b"yes\n", "remove-site", "docs-kevinryan-io", "--no-wait")
    assert code == 0, output
    assert "docs-kevinryan-io" not in names(stack, "k8s")


@pytest.mark.slow
def test_what_another_push_added_meanwhile_is_not_deleted_unsaid(stack: Stack) -> None:
    """The push is held back by a hook until another one has put a volume into the site."""
    site = "brand-kevinryan-io"
    hook = stack.git.path(REPOSITORY) / "hooks" / "update"
    volume = f"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: pages\n  namespace: {site}\n"
    with Remote(stack.url, token=stack.token, environ=os.environ) as remote:
        first = remote.fetch("main")
        other = remote.commit(first, {f"k8s/{site}/pages.yaml": volume.encode()}, "Add a volume\n")
        remote.push(other, "main")
        git(stack.git.path(REPOSITORY), "update-ref", "refs/heads/main", first)
    # Whoever pushes first finds that main has moved on to the commit with the volume.
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\nif [ ! -e ran ]; then touch ran; unset GIT_QUARANTINE_PATH; git update-ref refs/heads/main {other}; fi\nexit 0\n"
    )
    hook.chmod(0o755)
    try:
        code, stdout, stderr = bump(stack, "remove-site", site, "--yes", "--no-wait")
    finally:
        hook.unlink()
    assert code == 4, stdout + stderr
    assert f"another push added PersistentVolumeClaim {site}/pages to what would be deleted" in stderr
    assert site in names(stack, "k8s")


@pytest.mark.parametrize(
    ("site", "problem"),
    [
        (
            "external-secrets",
            "k8s/flux-system/external-secrets-store-sync.yaml:8: Kustomization external-secrets-store depends on external-secrets",
        ),
        ("flux-system", "it is no site"),
    ],
)
def test_what_others_need_stays(stack: Stack, site: str, problem: str) -> None:
    before = tip(stack)
    code, _, stderr = bump(stack, "remove-site", site, "--yes")
    assert (code, problem in stderr) == (4, True), stderr
    assert tip(stack) == before
