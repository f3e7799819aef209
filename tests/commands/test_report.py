"""`bump report`: what stands in the page, where each statement comes from, and that nothing in it is anybody's HTML."""

import html
import io
import json
import os
import re
import select
import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import pytest
from report_pages import DEPLOYS, HOSTILE, OTHERS, SECRET, SITES, git, packed, platform, report

from bumper import cli
from bumper.app.context import Context
from bumper.app.stream import LastingStream
from bumper.history.metrics import DEFINITIONS
from bumper_sandbox.stack import Stack


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return platform(tmp_path_factory.mktemp("report") / "platform")


@pytest.fixture(scope="module")
def page(clone: Path) -> str:
    code, stdout, stderr = report(clone, "page.html", "--offline")
    assert (code, stdout) == (0, ""), stderr
    # As many as the states sum up to: those with something to deploy.
    assert f"{SITES} sites, as git and its record say; no cluster was asked (--offline): 1 failing" in stderr
    assert f"{DEPLOYS + 1} deploys" in stderr
    return (clone / "page.html").read_text(encoding="utf-8")


def test_the_page_says_what_git_and_the_record_know(
    clone: Path, page: str, subtests: pytest.Subtests
) -> None:
    data = packed(page)
    sites = {site["identity"]: site for site in data["sites"]}
    with subtests.test("every Kustomization stands there, what fails first"):
        assert len(sites) == SITES + OTHERS
        first = data["sites"][0]
        assert (first["site"], first["state"], first["word"], first["seen"]) == (
            "site-0000",
            "bad",
            "failed",
            False,
        )
        addresses = re.findall(r'<a class="site \w+" href="#site=([^"]+)"', page)
        assert [unquote(address) for address in addresses] == [site["name"] for site in data["sites"]]
        assert 'class="badge">recorded' in page
        assert "no cluster was asked (--offline)" in page
    with subtests.test("the states are those that the record gives"):
        states = [site["state"] for site in data["sites"] if "wanted" in site]
        shown = dict(re.findall(r'data-state="(\w+)" aria-pressed="false"><b>([\d,]+)</b>', page))
        assert {state: int(shown[state]) for state in ("bad", "open", "good", "unknown")} == {
            state: states.count(state) for state in ("bad", "open", "good", "unknown")
        }
        assert int(shown["held"]) == 2
        assert int(shown["frozen"]) == len(sites)
    with subtests.test("the graph holds them all, and who waits for whom"):
        waits = data["needs"]
        names = [site["name"] for site in data["sites"]]
        number = names.index("site-0001 (production)")
        assert [names[other] for other in waits[str(number)]] == ["infra-configs (production)"]
        drawn = re.findall(r'data-row="(\d+)"', page)
        boxes = [unquote(name) for name in re.findall(r'class="box \w+" href="#site=([^"]+)"', page)]
        assert sorted({*(names[int(row)] for row in drawn), *boxes}) == sorted(names)
        assert boxes.count("infra-controllers") == 2, "once in the picture of each cluster"
        for cluster in ("production", "staging"):
            configs = names.index(f"infra-configs ({cluster})")
            assert [names[other] for other in waits[str(configs)]] == ["infra-controllers"]
    with subtests.test("the calendar has windows and holds"):
        assert page.count('<span class="chip freeze"') == 42
        assert "held until the migration is over" in page
        assert "ann: she knows" in html.unescape(page)
    with subtests.test("each deploy is there with its ending, newest first"):
        columns = data["deploys"]
        assert len(columns["site"]) == DEPLOYS + 1
        assert columns["tag"][0] == "fffffff"
        assert [columns["outcomes"][each[0]] for each in columns["endings"][0]] == [
            "__proto__",
            "timed-out",
            "failed",
        ]
        logged = git(clone, "log", "--format=%ct %H", "--grep=^Bump-Site").split()
        times = [columns["at"][0]]
        for delta in columns["at"][1:]:
            times.append(times[-1] - delta)
        assert list(map(str, times)) == logged[::2]
        assert columns["commit"] == [sha[:12] for sha in logged[1::2]]
        assert columns["more"]["0"]["reason"].endswith("token ***")
        _, late, failed = columns["endings"][0]
        assert columns["counts"]["0"] == 2, "the last one counts"
        assert len(late) <= 6, "what is not known takes no room"
        assert columns["messages"][failed[6]].startswith("it crashes")
        assert (columns["stages"][failed[7]][:2], failed[8:]) == (["image", "commit"], [0.5, 2.5, 58.0])
    with subtests.test("the figures are those of bump history --metrics"):
        import commandline

        measured = commandline.bump(
            "history",
            "--offline",
            "--metrics",
            "--output",
            "json",
            cwd=clone,
            environ={"PATH": "/usr/bin:/bin"},
        )
        by_site = {site["kustomization"]: site for site in json.loads(measured[1])["sites"]}
        for identity, site in sites.items():
            if figures := site.get("figures"):
                assert (
                    figures.items()
                    >= {
                        name: by_site[identity][name]
                        for name in ("leadTime", "changeFailureRate", "timeToRestore")
                    }.items()
                )
        assert all(html.escape(text) in page for text in DEFINITIONS.values())
        assert page.count("<svg") >= 4


def test_nobody_else_writes_the_page(page: str, subtests: pytest.Subtests) -> None:
    with subtests.test("the policy allows the page's own script and style, and nothing else"):
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
        assert policy
        style = re.search("<style>(.*?)</style>", page, re.DOTALL)
        scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        assert style
        assert len(scripts) == 1
        for directive, text in (("style-src", style[1]), ("script-src", scripts[0])):
            digest = b64encode(sha256(text.encode()).digest()).decode()
            assert f"{directive} 'sha256-{digest}';" in policy[1]
        assert policy[1].startswith("default-src 'none';")
        assert "unsafe" not in policy[1]
    with subtests.test("hostile texts are text"):
        assert page.count("<script") == 2
        assert "<img" not in page
        assert 'onerror="' not in page
        assert "\u202e" not in page + json.dumps(packed(page), ensure_ascii=False)
        assert html.escape(HOSTILE.replace("\u202e", "")) in page
        assert SECRET not in page + json.dumps(packed(page))
    with subtests.test("no link leads to anything but a page"):
        links = re.findall(r'(?:href|src)="([^"]*)"', page)
        assert {link[:1] for link in links} == {"#"}
        assert "javascript:" not in json.dumps(packed(page))


@pytest.mark.slow
def test_a_page_is_written_whole_or_refused(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    for name, reason in ((".", "is a directory"), ("there/is/none.html", "No such file or directory")):
        with subtests.test(name):
            code, _, stderr = report(clone, name, "--offline")
            assert code == 2
            assert f"--html {name}: cannot be written: {reason}" in " ".join(stderr.split())
            assert not list(clone.glob(".*.new"))
    old, link, pipe, long = (
        tmp_path / name for name in ("old.html", "link.html", "pipe", f"{'a' * 250}.html")
    )
    old.touch(0o600)
    link.symlink_to(old.name)
    os.mkfifo(pipe)
    with subtests.test("a link and the rights of a file stay"):
        assert report(clone, str(link), "--offline")[0] == 0
        assert link.is_symlink()
        assert old.read_text(encoding="utf-8").endswith("</html>\n")
        assert old.stat().st_mode & 0o777 == 0o600
    with subtests.test("a pipe that nobody reads is not waited for"):
        code, _, stderr = report(clone, str(pipe), "--offline")
        assert code == 2
        assert f"--html {pipe}: cannot be written: " in " ".join(stderr.split())
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def read_on() -> str:
        # Before somebody writes, a pipe is at its end already.
        select.select([reader], [], [])
        os.set_blocking(reader, True)
        with os.fdopen(reader, encoding="utf-8") as stream:
            return stream.read()

    with subtests.test("a pipe is written to, and stays one"), ThreadPoolExecutor() as pool:
        read = pool.submit(read_on)
        assert report(clone, str(pipe), "--offline")[0] == 0
        assert read.result().endswith("</html>\n")
        assert pipe.is_fifo()
    with subtests.test("a name as long as names may be"):
        assert report(clone, str(long), "--offline")[0] == 0
    for stdout, code in (("/dev/full", 2), (str(tmp_path / "stdout"), 0)):
        with (
            subtests.test(f"standard output is {stdout}, and its letters are few"),
            Path(stdout).open("wb") as raw,
        ):
            stream = LastingStream(raw, encoding="ascii", errors="backslashreplace")
            context = Context({"PATH": "/usr/bin:/bin"}, clone, stdout=stream, stderr=io.StringIO())
            assert cli.main(["report", "--html", "-", "--offline"], context) == code
            assert ("cannot be written" in context.stderr.getvalue()) == bool(code)  # type: ignore[attr-defined]
    assert "✕" in (tmp_path / "stdout").read_text(encoding="utf-8")
    with subtests.test("without the extra"):
        monkeypatch.setitem(sys.modules, "vl_convert", None)
        code, _, stderr = report(clone, str(tmp_path / "page.html"), "--offline")
        assert code == 2
        assert "vl_convert is missing" in " ".join(stderr.split())
        assert "pip install fast-sugiyama vl-convert-python" in " ".join(stderr.split())
        assert not (tmp_path / "page.html").exists()


@pytest.mark.slow
def test_with_a_cluster_the_page_says_what_it_shows(stack: Stack, tmp_path: Path) -> None:
    # A cluster that has just begun, or that is busy, is not known at the first look, or still moves.
    for _ in range(10):
        code, page, stderr = report(tmp_path, "-", "--repo", stack.url, **stack.child_environ())
        assert code == 0, stderr
        sites = {site["site"]: site for site in packed(page)["sites"]}
        if sites["flux-system"]["word"] == "applied":
            break
    assert 'class="badge live">live' in page
    assert sites["kevinryan-io"]["seen"]
    assert sites["kevinryan-io"]["wanted"] == "08a2c8e"
    assert sites["flux-system"]["word"] == "applied", sites["flux-system"]
    assert "as the cluster showed it" in page
    config = tmp_path / "config"
    text = Path(stack.child_environ()["KUBECONFIG"]).read_text(encoding="utf-8")
    config.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", text), encoding="utf-8")
    environ = {**stack.child_environ(), "KUBECONFIG": str(config)}
    code, page, stderr = report(tmp_path, "-", "--repo", stack.url, **environ)
    assert code == 0, stderr
    assert 'class="badge">not seen' in page
    assert re.search("the cluster in [^;]+ could not be read: 0 failing", stderr)
    assert not packed(page)["sites"][0]["seen"]
