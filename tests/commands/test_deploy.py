"""The main job, against the sandbox."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran

from bumper_sandbox.stack import Stack

from .branch import includes, tip

MISSING_PLUGIN = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": "a-plugin-that-is-not-there",
    "interactiveMode": "Never",
}


def bump(stack: Stack, *arguments: str, cwd: Path | None = None) -> Ran:
    return commandline.bump(*arguments, environ=stack.child_environ(), cwd=cwd)


def bump_json(stack: Stack, *arguments: str) -> dict[str, Any]:
    code, stdout, stderr = bump(stack, *arguments, "--output", "json")
    answer: dict[str, Any] = json.loads(stdout)
    assert answer["exitCode"] == code, stderr
    return answer


@pytest.mark.slow
def test_a_dry_run_prints_the_diff_and_writes_nothing(stack: Stack) -> None:
    stack.registry.push("sddbook-com", "abc0001")
    before = tip(stack)
    code, stdout, _ = bump(
        stack, "--site", "sddbook-com", "--sha", "abc0001", "--repo", stack.url, "--dry-run"
    )
    assert code == 0
    assert f"+          image: {stack.registry.host}/sddbook-com:abc0001\n" in stdout
    assert tip(stack) == before


@pytest.mark.slow
def test_the_second_run_finds_nothing_to_write_and_follows_all_the_same(stack: Stack) -> None:
    stack.registry.push("specmcp-ai", "abc0002")
    arguments = ("--site", "specmcp-ai", "--sha", "abc0002", "--repo", stack.url)
    first = bump_json(stack, *arguments)
    assert [site["outcome"] for site in first["sites"]] == ["ready"]
    assert first["sites"][0]["commit"] == tip(stack)
    second = bump_json(stack, *arguments)
    assert second["outcome"] == "unchanged"
    (notice,) = second["notices"]
    assert (
        f"holds abc0002 already, so nothing is written: commit {first['sites'][0]['commit'][:7]} set it"
        in notice
    )
    assert notice.endswith("and that ended ready (Ready)")
    assert second["sites"][0]["commit"] == first["sites"][0]["commit"]


@pytest.mark.slow
def test_several_sites_are_one_commit_and_each_has_its_verdict(stack: Stack) -> None:
    for site in ("aiimmigrants-com", "docs-kevinryan-io"):
        stack.registry.push(site, "abc0003")
    before = tip(stack)
    answer = bump_json(
        stack, "--set", "aiimmigrants-com=abc0003", "--set", "docs-kevinryan-io=abc0003", "--repo", stack.url
    )
    assert [(site["site"], site["outcome"]) for site in answer["sites"]] == [
        ("aiimmigrants-com", "ready"),
        ("docs-kevinryan-io", "ready"),
    ]
    assert includes(stack, before)
    assert answer["sites"][0]["commit"] == tip(stack)
    assert len({site["commit"] for site in answer["sites"]}) == 1


@pytest.mark.slow
def test_a_pushed_commit_can_be_followed_later(stack: Stack) -> None:
    stack.registry.push("brand-kevinryan-io", "abc0004")
    pushed = bump_json(
        stack, "--site", "brand-kevinryan-io", "--sha", "abc0004", "--repo", stack.url, "--no-wait"
    )
    assert pushed["outcome"] == "pushed"
    commit = pushed["sites"][0]["commit"]
    tracked = bump_json(
        stack, "track", "--site", "brand-kevinryan-io", "--commit", commit, "--repo", stack.url
    )
    assert (tracked["outcome"], tracked["sites"][0]["tag"]) == ("ready", "abc0004")


def test_a_full_sha_finds_its_tag(stack: Stack) -> None:
    stack.registry.push("kevinryan-io", "abc0005")
    sha = "abc0005" + "0" * 33
    answer = bump_json(stack, "--site", "kevinryan-io", "--sha", sha, "--repo", stack.url, "--no-wait")
    assert answer["sites"][0]["tag"] == "abc0005"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--site", "kevinryan-oi", "--sha", "abc0006"], "kevinryan-io"),
        (["--site", "kevinryan-io", "--sha", "fff0006", "--wait-for-image", "0"], "no such image"),
        (["--site", "external-secrets", "--sha", "abc0006"], "external-secrets"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_written(
    stack: Stack, arguments: list[str], problem: str
) -> None:
    before = tip(stack)
    code, _, stderr = bump(stack, *arguments, "--repo", stack.url)
    assert code == 4, stderr
    assert problem in stderr
    assert tip(stack) == before


def test_the_checkout_we_stand_in_is_the_platform_if_it_holds_a_flux_tree(
    stack: Stack, tmp_path: Path
) -> None:
    origin = tmp_path / "origin.git"
    checkout = tmp_path / "checkout"
    for command in (
        ["init", "--quiet", "--bare", "-b", "main", str(origin)],
        ["clone", "--quiet", str(origin), str(checkout)],
    ):
        subprocess.run(["git", *command], check=True, capture_output=True)
    (checkout / "README.md").write_text("a site\n", encoding="utf-8")
    commit(checkout)
    arguments = ("--site", "kevinryan-io", "--sha", "abc0005", "--dry-run")
    code, _, stderr = bump(stack, *arguments, cwd=checkout)
    assert code == 2, stderr
    assert "--repo" in stderr
    for path, content in stack.files.items():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_bytes(content)
    commit(checkout)
    stack.registry.push("kevinryan-io", "abc0005")
    code, stdout, stderr = bump(stack, *arguments, cwd=checkout / "k8s")
    assert code == 0, stderr
    assert "abc0005" in stdout


def commit(checkout: Path) -> None:
    subprocess.run(["git", "-C", str(checkout), "add", "--all"], check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    subprocess.run(["git", "-C", str(checkout), *identity, "commit", "--quiet", "-m", "Add"], check=True)
    subprocess.run(
        ["git", "-C", str(checkout), "push", "--quiet", "origin", "main"], check=True, capture_output=True
    )


def test_ctrl_c_says_where_things_stand(stack: Stack) -> None:
    stack.registry.push("distributedequity-org", "abc0007")
    stack.behaviours["abc0007"] = "unready"
    arguments = ("--site", "distributedequity-org", "--sha", "abc0007", "--repo", stack.url)
    with commandline.process(*arguments, environ=stack.child_environ()) as process:
        assert process.stdout
        for line in process.stdout:
            if "rolled out" in line:
                break
        process.send_signal(signal.SIGINT)
        rest, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert "Interrupted: distributedequity-org: abc0007 is on the branch as main@sha1:" in rest
    assert f"bump track --site distributedequity-org --commit {tip(stack)}" in rest


@pytest.mark.parametrize(
    ("user", "remedy"),
    [
        ({"token": "expired"}, "they have expired or are not for this cluster: log in again"),
        ({"exec": MISSING_PLUGIN}, "install a-plugin-that-is-not-there"),
    ],
)
def test_a_login_that_is_refused_ends_it_before_anything_is_written(
    stack: Stack, tmp_path: Path, user: dict[str, Any], remedy: str
) -> None:
    config = json.loads(stack.cluster.kubeconfig.read_text())
    config["users"][0]["user"] = user
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    stack.registry.push("kevinryan-io", "abc0009")
    before, environ = tip(stack), {**stack.child_environ(), "KUBECONFIG": str(kubeconfig)}
    arguments = ("--site", "kevinryan-io", "--sha", "abc0009", "--repo", stack.url)
    code, _, stderr = commandline.bump(*arguments, environ=environ)
    assert code == 2
    assert "nothing was written, since the deploy could not be followed" in stderr
    assert (
        "help:  log in again" in stderr or "help:  they have expired" in stderr or "help:  install " in stderr
    )
    assert "--no-wait" in stderr
    assert tip(stack) == before


def test_canaries_that_may_not_be_listed_end_it_before_anything_is_written(stack: Stack) -> None:
    """Where the cluster has Flagger: its primary may be what serves, and the Deployment alone says nothing of that."""
    stack.registry.push("kevinryan-io", "abc0011")
    before, api = tip(stack), stack.cluster.api
    stack.cluster.store.kinds.admit("flagger.app/v1beta1", "Canary", namespaced=True)
    api.forbid("list", "canaries")
    arguments = ("--site", "kevinryan-io", "--sha", "abc0011", "--repo", stack.url)
    try:
        code, _, stderr = commandline.bump(*arguments, environ=stack.child_environ())
    finally:
        api.allow("list", "canaries")
    assert (code, tip(stack)) == (2, before), stderr
    assert "whether a Canary of Flagger promotes Deployment" in stderr
    assert "bump doctor --rbac prints the rights" in stderr


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_ends_it_before_anything_is_written(
    stack: Stack, tmp_path: Path
) -> None:
    config = json.loads(stack.cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    stack.registry.push("kevinryan-io", "abc0010")
    before, environ = tip(stack), {**stack.child_environ(), "KUBECONFIG": str(kubeconfig)}
    arguments = ("--site", "kevinryan-io", "--sha", "abc0010", "--repo", stack.url)
    code, _, stderr = commandline.bump(*arguments, environ=environ)
    assert (code, tip(stack)) == (6, before), stderr
    assert commandline.bump(*arguments, "--no-wait", environ=environ).code == 0


def test_no_secret_is_in_what_is_said(stack: Stack) -> None:
    stack.registry.push("kevinryan-io", "abc0008")
    _, stdout, stderr = bump(
        stack, "--site", "kevinryan-io", "--sha", "abc0008", "--repo", stack.url, "--no-wait"
    )
    for secret in (stack.token, stack.registry.identity_header):
        assert secret not in stdout + stderr


def test_a_site_of_another_cluster_is_not_written_unless_nobody_wants_to_follow_it(stack: Stack) -> None:
    path = "k8s/flux-system/sddbook-com-sync.yaml"
    edge = stack.files[path].replace(b"spec:\n", b"spec:\n  kubeConfig: {secretRef: {name: edge}}\n", 1)
    url = stack.git.create("edge.git", {**stack.files, path: edge})
    stack.registry.push("sddbook-com", "abc0012")
    arguments = ("--site", "sddbook-com", "--sha", "abc0012", "--repo", url)
    code, _, stderr = bump(stack, *arguments)
    assert code == 2
    assert (
        "Deployment sddbook-com/sddbook-com: Flux applies it to another cluster (spec.kubeConfig in git)"
        in stderr
    )
    assert "nothing was written" in stderr
    code, stdout, _ = bump(stack, *arguments, "--no-wait")
    assert code == 0
    assert "sddbook-com applies to another cluster" in stdout
