"""`bump rollback` and `--auto-rollback`, against the sandbox: git, registry, Flux and a rollout that crashes."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran
from git_remotes import git

from bumper.history.past import of_site
from bumper.record import Recorded
from bumper.systems.git.remote import Remote
from bumper_sandbox.stack import Stack

from . import branch


@dataclass
class Site:
    """One site of the sandbox's platform with its own repository of four commits: `shas[0]` is the oldest. All have images."""

    stack: Stack
    name: str
    source: Path
    shas: list[str] = field(default_factory=list)

    @property
    def tags(self) -> list[str]:
        return [sha[:7] for sha in self.shas]

    @property
    def sync(self) -> str:
        return f"k8s/flux-system/{self.name}-sync.yaml"

    def bump(self, *arguments: str) -> Ran:
        environ = {**self.stack.child_environ(), "GITHUB_ACTOR": "robin"}
        job = (*arguments, "--site", self.name, "--repo", self.stack.url)
        return commandline.bump(*job, environ=environ, cwd=self.source)

    def json(self, *arguments: str) -> dict[str, Any]:
        code, stdout, stderr = self.bump(*arguments, "--output", "json")
        answer: dict[str, Any] = json.loads(stdout)
        assert answer["exitCode"] == code, stderr
        return answer

    def outcome(self, *arguments: str) -> str:
        return str(self.json(*arguments)["outcome"])

    def read(self, path: str) -> str:
        return branch.read(self.stack, path).decode()

    def tip(self) -> str:
        return branch.tip(self.stack)

    def push(self, path: str, content: bytes) -> None:
        """A commit by somebody else."""
        with self._remote() as remote:
            remote.push(remote.commit(remote.fetch("main"), {path: content}, f"Add {path}\n"), "main")

    def message(self, commit: str) -> str:
        return branch.message(self.stack, commit)

    def deploys(self) -> list[Recorded]:
        with self._remote() as remote:
            return list(of_site(remote.history("main").all(), self.name))

    def tag(self) -> str:
        text = self.read(f"k8s/{self.name}/deployment.yaml")
        return text.partition(f"/{self.name}:")[2].partition("\n")[0]

    def _remote(self) -> Remote:
        return Remote(self.stack.url, token=self.stack.token, environ=os.environ)


def site(stack: Stack, name: str, directory: Path, crashing: set[int]) -> Site:
    """The commits whose numbers are `crashing` (from 0) crash once they run."""
    new_site = Site(stack, name, directory)
    git(directory, "init", "--quiet", "-b", "main")
    for number in range(4):
        git(directory, "commit", "--quiet", "--allow-empty", "-m", f"{name} {number}")
        new_site.shas.append(git(directory, "rev-parse", "HEAD"))
        stack.registry.push(name, new_site.tags[number])
        if number in crashing:
            stack.behaviours[new_site.tags[number]] = "crash"
    # There are more tests than sites, and a rollback leaves a hold.
    new_site.bump("release")
    return new_site


@pytest.mark.slow
def test_a_deploy_that_crashed_is_taken_back_and_does_not_come_again(stack: Stack, tmp_path: Path) -> None:
    web = site(stack, "kevinryan-io", tmp_path, crashing={2})
    oldest, good, bad, newest = web.shas
    assert web.outcome("--sha", good) == "ready"
    failed = web.json("--sha", bad)
    assert failed["outcome"] == "failed"
    assert failed["sites"][0]["hint"].endswith(f"; or: bump rollback --site {web.name}")
    deployed, before = web.tip(), web.read(web.sync)

    code, stdout, stderr = web.bump("rollback", "--dry-run")
    assert (code, web.tip()) == (0, deployed), stderr
    assert f"-          image: {stack.registry.host}/{web.name}:{web.tags[2]}\n" in stdout
    assert f"+    bump/hold-rejected: {bad}\n" in stdout

    back = web.json("rollback", "--reason", "it loses carts")
    (report,) = back["sites"]
    assert (back["outcome"], report["tag"], report["previousTag"]) == ("ready", web.tags[1], web.tags[2])
    # One commit on top of what was there, with both files and nothing else.
    assert report["commit"] == web.tip()
    assert web.tag() == web.tags[1]
    assert f"\nReason: it loses carts\nRollback-Of: {deployed}\n" in web.message(web.tip())
    assert web.message(web.tip()).startswith(f"Roll {web.name} back to {web.tags[1]}\n")
    hold = [line.strip() for line in web.read(web.sync).splitlines() if line not in before.splitlines()]
    assert hold[0] == "annotations:"
    assert f"bump/hold: it loses carts ({web.tags[2]} was rolled back to {web.tags[1]})" in hold
    assert f"bump/hold-rejected: {bad}" in hold
    assert [
        line for line in web.read(web.sync).splitlines() if "bump/" not in line and "annotations" not in line
    ] == (before.splitlines())

    # What is rejected, and what it was made from, is refused; the order guard would let the first one pass.
    for refused, why in ((bad, "it is the rejected version"), (oldest, "ancestry in the checkout")):
        code, _, stderr = web.bump("--sha", refused)
        assert code == 4, stderr
        assert f"{web.sync}:7: {web.name} is not to be changed: {bad} was rejected by robin since" in stderr
        assert why in stderr
    # A newer one passes, and is Ready.
    passed = web.json("--sha", newest)
    assert passed["outcome"] == "ready"
    assert web.tag() == web.tags[3]
    # It stays rejected: a late run of its workflow is refused by both.
    assert web.outcome("--sha", bad) == "refused"
    outcomes = [
        (deploy.record.tag, deploy.ending.outcome if deploy.ending else None, bool(deploy.record.rollback_of))
        for deploy in web.deploys()
    ]
    assert outcomes == [
        (web.tags[3], "ready", False),
        (web.tags[1], "ready", True),
        (web.tags[2], "failed", False),
        (web.tags[1], "ready", False),
    ]


@pytest.mark.slow
def test_twice_goes_further_back_and_keeps_the_first_one_rejected(stack: Stack, tmp_path: Path) -> None:
    web = site(stack, "sddbook-com", tmp_path, crashing=set())
    before = web.tag()
    for sha in web.shas[:3]:
        assert web.outcome("--sha", sha) == "ready"
    assert web.outcome("rollback") == "ready"
    assert web.tag() == web.tags[1]
    assert web.outcome("rollback") == "ready"
    assert web.tag() == web.tags[0]
    # The second one must not let back in what the first one took back, although that is newer than what the second took back.
    assert f"bump/hold-rejected: {web.shas[2]}" in web.read(web.sync)
    for sha in web.shas[1:3]:
        assert web.outcome("--sha", sha) == "refused"
    # Whoever goes on neither comes back to one of them, nor is led astray by their having been Ready: what the first one found running
    # is what is left, and nothing came before it.
    assert web.outcome("rollback") == "ready"
    assert web.tag() == before
    code, _, stderr = web.bump("rollback")
    assert code == 4, stderr
    assert f"no earlier deploy of {web.name} is known to have been Ready" in stderr


@pytest.mark.slow
def test_any_earlier_tag_can_be_named_if_its_image_is_still_there(stack: Stack, tmp_path: Path) -> None:
    web = site(stack, "specmcp-ai", tmp_path, crashing=set())
    assert web.outcome("--sha", web.shas[1]) == "ready"
    assert web.outcome("--sha", web.shas[2]) == "ready"
    before = web.tip()
    gone = web.json("rollback", "--to", "fff0001")
    assert (gone["outcome"], gone["error"]["reason"]) == ("refused", "ImageMissing")
    assert web.bump("rollback", "--to", "no tag")[0] == 2
    assert web.tip() == before
    back = web.json("rollback", "--to", web.tags[0])
    assert (back["outcome"], web.tag()) == ("ready", web.tags[0])
    assert back["notices"] == [
        f"{web.name}: no deploy of {web.tags[0]} is recorded, so that it is not known whether it was Ready"
    ]


@pytest.mark.slow
def test_a_site_that_a_person_holds_is_left_alone_unless_by_force(stack: Stack, tmp_path: Path) -> None:
    web = site(stack, "brand-kevinryan-io", tmp_path, crashing=set())
    assert web.outcome("--sha", web.shas[0]) == "ready"
    assert web.outcome("--sha", web.shas[1]) == "ready"
    assert web.bump("hold", "--reason", "the fair")[0] == 0
    code, _, stderr = web.bump("rollback")
    assert code == 4
    assert "is not to be changed: held by robin since" in stderr
    assert "bump release --site" in stderr
    assert web.bump("rollback", "--force")[0] == 2
    held = web.read(web.sync)
    assert web.outcome("rollback", "--force", "--reason", "carts are lost") == "ready"
    assert web.tag() == web.tags[0]
    assert "\nBump-Forced: held\n" in web.message(web.tip())
    # The person's own hold is as it was.
    assert web.read(web.sync) == held


@pytest.mark.slow
def test_a_failure_rolls_itself_back_once(stack: Stack, tmp_path: Path) -> None:
    web = site(stack, "aiimmigrants-com", tmp_path, crashing={1, 2})
    assert web.outcome("--sha", web.shas[0]) == "ready"
    answer = web.json("--sha", web.shas[1], "--auto-rollback")
    # What failed comes first and decides the exit code.
    assert (answer["outcome"], answer["exitCode"]) == ("failed", 11)
    (failed,) = answer["sites"]
    assert (failed["tag"], failed["reason"]) == (web.tags[1], "CrashLoop")
    assert failed["rolledBack"].startswith(f"to {web.tags[0]} as main@sha1:{web.tip()[:7]}: Ready in ")
    assert answer["rollback"]["outcome"] == "ready"
    assert answer["rollback"]["sites"][0]["tag"] == web.tags[0]
    assert web.tag() == web.tags[0]
    assert f"Rollback-Of: {failed['commit']}\n" in web.message(web.tip())
    assert "Reason: automatic: container " in web.message(web.tip())
    assert web.outcome("--sha", web.shas[1]) == "refused"
    # As text, for the next one that fails.
    code, stdout, _ = web.bump("--sha", web.shas[2], "--auto-rollback")
    assert code == 11
    assert stdout.index("\nFailed: container ") < stdout.index("\n  rolled back  to ")
    assert [deploy.ending.outcome for deploy in web.deploys() if deploy.ending] == [
        "ready",
        "failed",
        "ready",
        "failed",
        "ready",
    ]


@pytest.mark.slow
def test_a_first_deploy_that_fails_goes_back_to_what_was_found_running(stack: Stack, tmp_path: Path) -> None:
    web = site(stack, "docs-kevinryan-io", tmp_path, crashing={0})
    before = web.tag()
    answer = web.json("--sha", web.shas[0], "--auto-rollback")
    assert (answer["outcome"], answer["exitCode"]) == ("failed", 11)
    assert answer["rollback"]["outcome"] == "ready"
    assert web.tag() == before
    # It is written down for a rollback of another day, too; when the rollback came, nothing good ran.
    assert [deploy.found_running for deploy in web.deploys()] == [False, True]


@pytest.mark.slow
def test_a_failure_without_anything_good_before_it_is_left_and_said(stack: Stack, tmp_path: Path) -> None:
    web = site(stack, "distributedequity-org", tmp_path, crashing={0, 1})
    assert web.outcome("--sha", web.shas[0], "--no-notes") == "failed"
    answer = web.json("--sha", web.shas[1], "--auto-rollback")
    assert (answer["outcome"], answer["exitCode"]) == ("failed", 11)
    assert answer["sites"][0]["rolledBack"].startswith(
        "no: k8s/distributedequity-org/deployment.yaml:18: no earlier"
    )
    assert answer["rollback"]["outcome"] == "refused"
    assert web.tip() == answer["sites"][0]["commit"]
    # By hand it goes where it is told to, and it is said what is not known of that.
    back = web.json("rollback", "--to", "08a2c8e")
    assert (back["outcome"], web.tag()) == ("ready", "08a2c8e")
    assert back["notices"] == [
        f"{web.name}: no deploy of 08a2c8e is recorded, so that it is not known whether it was Ready"
    ]


@pytest.mark.slow
def test_a_rollback_that_fails_is_not_rolled_back(stack: Stack, tmp_path: Path) -> None:
    web = site(stack, "docs-kevinryan-io", tmp_path, crashing={2})
    manifest = f"k8s/{web.name}/deployment.yaml"
    recreated = web.read(manifest).replace("\nspec:\n", "\nspec:\n  strategy: {type: Recreate}\n")
    web.push(manifest, recreated.encode())
    for sha in web.shas[:2]:
        assert web.outcome("--sha", sha) == "ready"
    stack.behaviours[web.tags[1]] = "crash"
    deploys = len(web.deploys())
    answer = web.json("--sha", web.shas[2], "--auto-rollback")
    assert (answer["outcome"], answer["exitCode"]) == ("failed", 11)
    assert answer["rollback"]["outcome"] == "failed"
    assert answer["sites"][0]["rolledBack"].startswith(
        f"to {web.tags[1]} as main@sha1:{web.tip()[:7]}: Failed: "
    )
    assert (web.tag(), len(web.deploys())) == (web.tags[1], deploys + 2)


@pytest.mark.slow
def test_what_another_commit_broke_is_not_rolled_back(stack: Stack, tmp_path: Path) -> None:
    web = site(stack, "brand-kevinryan-io", tmp_path, crashing=set())
    name = f"k8s/{web.name}/broken.yaml"
    assert web.outcome("--sha", web.shas[0], "--force", "--reason", "a test of its own") == "ready"
    web.push(name, b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: broken, namespace: nowhere}\n")
    deploys = len(web.deploys())
    try:
        answer = web.json("--sha", web.shas[1], "--auto-rollback")
    finally:
        web.push(name, b"# nothing\n")
    (report,) = answer["sites"]
    assert (answer["outcome"], answer["exitCode"], report["reason"]) == ("blocked", 6, "ReconciliationFailed")
    assert "ConfigMap/nowhere/broken not found" in report["message"]
    assert f"Deployment {web.name}/{web.name} itself is fine" in report["message"]
    assert "rollback" not in answer
    assert "bump/hold" not in web.read(web.sync)
    assert (web.tag(), len(web.deploys())) == (web.tags[1], deploys + 1)


@pytest.mark.slow
def test_of_several_sites_only_those_that_failed_go_back(stack: Stack, tmp_path: Path) -> None:
    for name in ("bad", "good"):
        (tmp_path / name).mkdir()
    bad = site(stack, "kevinryan-io", tmp_path / "bad", crashing={1})
    good = site(stack, "distributedequity-org", tmp_path / "good", crashing=set())
    assert bad.outcome("--sha", bad.shas[0], "--force", "--reason", "a test of its own") == "ready"
    arguments = [
        "--set",
        f"{bad.name}={bad.shas[1]}",
        "--set",
        f"{good.name}={good.shas[1]}",
        "--auto-rollback",
    ]
    arguments += [
        "--force",
        "--reason",
        "both were held by other tests",
        "--repo",
        stack.url,
        "--output",
        "json",
    ]
    ran = commandline.bump(*arguments, environ=stack.child_environ())
    answer = json.loads(ran.stdout)
    assert (ran.code, answer["outcome"]) == (11, "failed"), ran.stderr
    ends = {site["site"]: (site["outcome"], site["rolledBack"][:10]) for site in answer["sites"]}
    assert ends == {bad.name: ("failed", f"to {bad.tags[0]}"), good.name: ("ready", "")}
    assert [site["site"] for site in answer["rollback"]["sites"]] == [bad.name]
    assert (bad.tag(), good.tag()) == (bad.tags[0], good.tags[1])


def test_it_cannot_both_wait_and_not(stack: Stack, tmp_path: Path) -> None:
    web = Site(stack, "kevinryan-io", tmp_path)
    code, _, stderr = web.bump("--sha", "abc1234", "--auto-rollback", "--no-wait")
    assert code == 2
    assert "--auto-rollback waits for the verdict" in stderr
