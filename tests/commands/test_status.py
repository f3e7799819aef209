"""`bump status`, against the sandbox."""

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import commandline
import pytest
from commandline import Ran
from terminals import ENTER, ERASE, LEAVE, Terminal, shown

from bumper.deploy.hold import annotations
from bumper.manifest.document import documents
from bumper.objects import ObjectKey, condition
from bumper.systems.git.remote import Remote
from bumper_sandbox.stack import Stack


@pytest.fixture(scope="module")
def stack(stack: Stack) -> Stack:
    until_ready(stack, "kevinryan-io", "sddbook-com")
    return stack


def until_ready(stack: Stack, *sites: str) -> None:
    for site in sites:
        deadline_s = time.monotonic() + 20.0
        while time.monotonic() < deadline_s:
            available = condition(stack.cluster.find(ObjectKey("Deployment", site, site)), "Available")
            if available and available.status == "True":
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"{site} did not become available")


def status(stack: Stack, *arguments: str, **environ: str) -> Ran:
    surroundings = stack.child_environ() | environ
    return commandline.bump("status", *arguments, "--repo", stack.url, environ=surroundings)


def status_json(stack: Stack, *arguments: str) -> dict[str, dict[str, Any]]:
    code, stdout, stderr = status(stack, *arguments, "--output", "json")
    assert code == 0, stderr
    return {site["site"]: site for site in json.loads(stdout)["sites"]}


@pytest.mark.slow
def test_every_kustomization_of_the_tree_is_there_followed_or_not(stack: Stack) -> None:
    sites = status_json(stack)
    assert {"flux-system", "external-secrets", "umami", "observability", "kevinryan-io"} <= sites.keys()
    ours = sites["kevinryan-io"]
    assert (ours["outcome"], ours["wanted"]["tag"], ours["running"], ours["drift"]) == (
        "ready",
        "08a2c8e",
        ["08a2c8e"],
        [],
    )
    assert ours["applied"]["commit"]
    assert ours["ageSeconds"] >= 0
    root = sites["flux-system"]
    assert root["wanted"] is None
    assert root["outcome"] == "applied"
    assert "no image at all" in root["notFollowed"]
    # The sandbox plays no Helm: what waits for it says so instead of looking well.
    assert sites["external-secrets"]["outcome"] != "ready"


@pytest.mark.slow
def test_the_table_fits_and_exits_0_unless_asked(stack: Stack) -> None:
    code, stdout, stderr = status(stack)
    assert code == 0, stderr
    table = [line for line in stdout.splitlines() if not line.startswith("  ")]
    assert table[1].split() == ["SITE", "WANTED", "APPLIED", "RUNNING", "VERDICT", "AGE"]
    assert max(map(len, table)) <= 80
    assert status(stack, "--exit-code")[0] == 3, "external-secrets is moving for ever"
    assert status(stack, "kevinryan-io", "--exit-code")[0] == 0


def test_what_someone_changed_in_the_cluster_is_drift(stack: Stack) -> None:
    key = ObjectKey("Deployment", "sddbook-com", "sddbook-com")
    image = f"{stack.registry.host}/sddbook-com:by-hand"
    stack.registry.push("sddbook-com", "by-hand")
    stack.cluster.patch(ObjectKey("Kustomization", "flux-system", "sddbook-com"), {"spec": {"suspend": True}})
    containers = stack.cluster.find(key)["spec"]["template"]["spec"]["containers"]  # type: ignore[index]
    stack.cluster.patch(
        key, {"spec": {"template": {"spec": {"containers": [{**containers[0], "image": image}]}}}}
    )
    until_ready(stack, "sddbook-com")
    site = status_json(stack, "sddbook-com")["sddbook-com"]
    assert site["drift"] == [f"Deployment sddbook-com/sddbook-com has {image}, git wants 08a2c8e"]
    assert site["outcome"] != "ready"


def test_a_site_that_is_not_there_is_refused_with_those_that_are(stack: Stack) -> None:
    code, _, stderr = status(stack, "kevinryan-oi")
    assert code == 4
    assert "kevinryan-io" in stderr


def test_no_cluster_is_unknown_and_still_says_what_git_wants(stack: Stack, tmp_path: Path) -> None:
    config = json.loads(stack.cluster.kubeconfig.read_text())
    config["users"][0]["user"]["token"] = "another"
    other = tmp_path / "kubeconfig"
    other.write_text(json.dumps(config))
    ran = status(stack, "kevinryan-io", "--output", "json", KUBECONFIG=str(other))
    (site,) = json.loads(ran.stdout)["sites"]
    assert ran.code == 0
    assert (site["outcome"], site["verdict"]["reason"], site["wanted"]["tag"]) == (
        "unknown",
        "NoAccess",
        "08a2c8e",
    )


def watching(stack: Stack) -> tuple[str, ...]:
    return ("status", "--watch", "--repo", stack.url)


def row_of(site: str, text: str) -> list[str]:
    return next((line.split() for line in text.splitlines() if line.startswith(f"{site} ")), [])


def run_by_hand(stack: Stack, site: str) -> None:
    """Another image than git wants, which Flux leaves alone: it is suspended."""
    image = f"{stack.registry.host}/{site}:by-hand"
    stack.registry.push(site, "by-hand")
    stack.cluster.patch(ObjectKey("Kustomization", "flux-system", site), {"spec": {"suspend": True}})
    containers = [{"name": site, "image": image}]
    template = {"spec": {"template": {"spec": {"containers": containers}}}}
    stack.cluster.patch(ObjectKey("Deployment", site, site), template)


def fits(text: str, lines: int, columns: int) -> bool:
    drawn = text.rstrip("\n").split("\n")
    return len(drawn) <= lines and max(map(len, drawn)) <= columns


@pytest.mark.slow
def test_a_watch_on_a_terminal_is_drawn_in_place_and_fits_every_window(stack: Stack) -> None:
    with Terminal(commandline.program(*watching(stack)), stack.child_environ(), (50, 100)) as terminal:
        terminal.until(lambda text: row_of("kevinryan-io", text)[4:5] == ["ready"])
        assert terminal.written.startswith(ENTER), "what stood in the terminal comes back afterwards"
        run_by_hand(stack, "specmcp-ai")
        terminal.until(lambda text: "by-hand" in row_of("specmcp-ai", text))
        terminal.resize(12, 84)
        # The picture that is being drawn while the window changes may still have the other size; the next one has not.
        terminal.until(lambda text: "more lines: make the window higher" in text and fits(text, 12, 84))
        terminal.resize(50, 100)
        terminal.until(lambda text: "more lines" not in text and bool(row_of("sddbook-com", text)))
        drawn = terminal.frames()
        left = terminal.interrupt()
    assert terminal.code == 130
    assert ERASE.search(terminal.written) is None, "a screen that is erased first flickers"
    assert len(drawn) < 60, "a picture that did not change is not drawn again"
    assert LEAVE in left
    assert row_of("specmcp-ai", shown(left.partition(LEAVE)[2]))[3:4] == ["by-hand"], "the last picture stays"


@pytest.mark.slow
def test_a_watch_without_a_terminal_says_each_change_on_a_line(stack: Stack) -> None:
    site = "aiimmigrants-com"
    until_ready(stack, site)
    with commandline.process(*watching(stack), environ=stack.child_environ()) as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        first = next(line for line in lines if f"{site}: " in line)
        assert re.fullmatch(
            rf"\d\d:\d\d:\d\dZ  {site}: ready   wants 08a2c8e, applied [0-9a-f]{{7}}, runs 08a2c8e\n", first
        )
        run_by_hand(stack, site)
        changed = next(line for line in lines if f"{site}: " in line)
        assert "ready → " in changed
        assert "by-hand" in changed
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (130, "")


def test_a_watch_cannot_end_with_an_answer(stack: Stack) -> None:
    for options in (("--output", "json"), ("--exit-code",)):
        code, _, stderr = status(stack, "--watch", *options)
        assert code == 2
        assert f"--watch cannot be combined with {' '.join(options)}" in stderr


@pytest.mark.slow
def test_a_hold_in_git_is_shown(stack: Stack) -> None:
    path = "k8s/flux-system/docs-kevinryan-io-sync.yaml"
    with Remote(stack.url, token=stack.token, environ=os.environ) as remote:
        tip = remote.fetch("main")
        content = remote.tree(tip).read([path])[path]
        (document,) = (
            document for document in documents(content, path) if document.key.kind == "Kustomization"
        )
        held = annotations.apply(content, document, annotations.Hold("a frozen week", "ann"))
        remote.push(remote.commit(tip, {path: held}, "Hold docs-kevinryan-io"), "main")
    code, stdout, stderr = status(stack)
    assert code == 0, stderr
    assert row_of("docs-kevinryan-io", stdout)[4:6] in (["ready,", "held"], ["moving,", "held"])
    assert f"  docs-kevinryan-io: hold: held by ann: a frozen week   {path}:" in stdout
    site = status_json(stack, "docs-kevinryan-io")["docs-kevinryan-io"]
    assert (site["hold"]["reason"], site["hold"]["isInForce"]) == ("a frozen week", True)
