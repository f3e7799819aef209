"""Every way a comment may look, as pages that a browser shows as GitHub does: light, dark, and as wide as a phone.

`PYTHONPATH=. python tests/comment_pages.py FOLDER` takes a picture of each, for people to look at.
"""

import html
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import npm
from github_pages import FAILED, NEW, OLD, PAGES, READY, Page, report, stages, story

from benchmarks.chromium import OPTIONS, program
from bumper.errors import Denied, FieldMissing, NoAccess, Outcome, Unreachable
from bumper.ports.run import State
from bumper.publish.comment import merged
from bumper.publish.story import SiteStory, Story
from bumper.rollout.verdict import Stage, Verdict

MERMAID = "V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg=="
_POD = "web-6f4dd5df7c-56fkg"
_SERVING = f"{OLD}, 1/1 available: visitors see the old version"
CRASH = Verdict(
    Outcome.FAILED,
    "CrashLoop",
    "container web crashed 3 times (exit code 1)",
    hint=f"kubectl logs {_POD} -n web -c web --previous; or: bump rollback --site web --repo https://github.com/octo/platform.git",
    serving=_SERVING,
    evidence=(
        "log: Error: connect ECONNREFUSED 10.20.30.40:5432 at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)",
        f"CrashLoopBackOff: back-off 20s restarting failed container=web pod={_POD}_web(d43f3091-9763-4702-ae52-65764e03a45c)",
        f"BackOff: Back-off restarting failed container web in pod {_POD}_web(d43f3091-9763-4702-ae52-65764e03a45c)",
        "log: starting on port 8080",
        "log: fatal: DATABASE_URL is not set",
        "log: bye",
    ),
    stage=Stage.ROLLED_OUT,
)
TIMED_OUT = Verdict(
    Outcome.TIMED_OUT,
    "ProgressingSlowly",
    "rolled out: 1/3 updated, 1/3 available after 10 min 0 s",
    hint="give it more time with --timeout; or: kubectl describe deployment web -n web",
    serving=f"both: {OLD} and {NEW}, 3/3 available",
)
SUPERSEDED = Verdict(
    Outcome.SUPERSEDED,
    "NewerDeploy",
    "main@sha1:77aa001 sets def5678 (Deploy web def5678), and Flux applied that",
    hint="nothing to do here: the later commit is what counts now",
)


_DENIED = Denied(
    "https://github.com/octo/platform.git: main: GH013: Repository rule violations found: Changes must be made through a pull request",
    hint="commit-via: pr, or let the token's app pass the rule",
)
_NO_ACCESS = NoAccess(
    "https://github.com/octo/platform: no access: the server asks for a token, and none was sent",
    hint="pass a token that may read and write this repository in the input token",
)
_UNREACHABLE = Unreachable(
    "prod: https://prod.acme.example:6443: Connection refused: nothing was written, since the deploy could not be followed",
    hint="see whether it is up and can be reached from here: kubectl get --raw /readyz --context prod; "
    "to push without following: wait: false",
)


def _ended(verdict: Verdict, *, rolled_back: str = "", slower: float = 1.0) -> Story:
    (site,) = story(verdict).sites
    ways = {Outcome.FAILED: State.FAILED, Outcome.TIMED_OUT: State.MOVING, Outcome.SUPERSEDED: State.MOVING}
    steps = tuple(
        replace(step, seconds=step.seconds * slower)
        for step in stages(last=ways.get(verdict.outcome, State.DONE))
    )
    # What helps against the version that failed is over once that is taken back.
    ended = replace(verdict, hint="") if rolled_back else verdict
    shown = replace(report(ended, steps=steps), rolled_back=rolled_back)
    return replace(story(verdict), sites=(replace(site, reports=(shown,)),), pages=_WITH_ACTIONS)


_WITH_ACTIONS = replace(PAGES, actions=f"{PAGES.platform}/actions/workflows/bump.yml")


def _many() -> Story:
    verdicts = {"docs": READY, "api": CRASH, "a-site-with-a-long-name.example.org": READY, "shop": SUPERSEDED}
    sites = tuple(
        SiteStory(name, OLD, NEW, {}, (report(verdict, site=name),)) for name, verdict in verdicts.items()
    )
    return Story(sites=sites, pages=_WITH_ACTIONS)


def stories() -> dict[str, Story]:
    """Each way to end, and what goes on, by a name."""
    plain = [
        Outcome.SERVING, Outcome.APPLIED, Outcome.UNCHANGED, Outcome.PUSHED, Outcome.PLANNED, Outcome.REMOVED,
        Outcome.SUSPENDED, Outcome.BLOCKED, Outcome.UNKNOWN,
    ]  # fmt: skip
    refusal = FieldMissing(
        "k8s/web: no Deployment with the image of 'web' (found: k8s/web/deployment.yaml:21 reg.io/shop)",
        hint="name it with the input image",
    )
    return {
        "ready": _ended(READY),
        "failed": _ended(CRASH),
        "failed-image": _ended(FAILED),
        "rolled-back": _ended(CRASH, rolled_back=f"to {OLD} as main@sha1:3f9d2ab: Ready in 3.4 s"),
        "timed-out": _ended(TIMED_OUT),
        "timed-out-after-an-hour": _ended(TIMED_OUT, slower=400),
        "superseded": _ended(SUPERSEDED),
        "many": _many(),
        "moving": story(None),
        "refused": replace(story(None), error=refusal),
        "denied": replace(story(None), error=_DENIED),
        "no-access": replace(story(None), sites=(), error=_NO_ACCESS),
        "unreachable": replace(story(None), error=_UNREACHABLE),
        "interrupted": replace(
            story(None),
            standing=(
                f"web: {NEW} is on the branch as main@sha1:3f9d2ab",
                "the cluster goes on by itself; to follow again: bump track --site web --commit 3f9d2ab0c1d2",
            ),
        ),
        **{
            outcome.value: _ended(Verdict(outcome, "Reason", f"what {outcome.value} means"))
            for outcome in plain
        },
    }


@dataclass(frozen=True)
class Look:
    """How the page is shown."""

    name: str
    width: int
    is_dark: bool = False


LOOKS = (
    Look("light", 900),
    Look("dark", 900, is_dark=True),
    Look("phone", 390),
    Look("phone-dark", 390, is_dark=True),
)


def mermaid() -> Path:
    """What GitHub draws charts with; skips the test where npm can't fetch it."""
    return npm.member("mermaid", MERMAID, "package/dist/mermaid.min.js")


def page(bodies: Mapping[str, str], look: Look, *, script: Path | None, unfolded: bool = True) -> str:
    """All comments below each other. Charts are drawn where `script`, mermaid's own, is at hand."""
    shown = "\n".join(
        f'<article id="{name}"><h6>{name}</h6>{_drawn(body)}</article>' for name, body in bodies.items()
    )
    if unfolded:
        shown = shown.replace("<details>", "<details open>")
    ink, paper, box, line = (
        ("#d1d7e0", "#212830", "#2a313c", "#3d444d")
        if look.is_dark
        else ("#1f2328", "#fff", "#f6f8fa", "#d1d9e0")
    )
    style = f"""
      body {{ margin: 0; padding: 8px; box-sizing: border-box; width: {look.width}px; color: {ink}; background: {paper};
             font: 14px/1.5 -apple-system, "Noto Sans", Helvetica, Arial, sans-serif; }}
      article {{ border: 1px solid {line}; border-radius: 6px; padding: 8px 16px; margin: 0 0 12px; overflow-wrap: break-word; }}
      h6 {{ margin: 0; color: #768390; font-weight: 400 }} h3 {{ font-size: 1.25em; margin: 8px 0 }}
      a {{ color: #4493f8; text-decoration: none }}
      table {{ border-collapse: collapse; display: block; max-width: 100%; overflow: auto }}
      td, th {{ border: 1px solid {line}; padding: 4px 10px; }}
      code {{ background: {box}; padding: .2em .4em; border-radius: 6px; font-size: 85%; white-space: break-spaces }}
      pre {{ background: {box}; padding: 10px; border-radius: 6px; overflow: auto; font-size: 85%; line-height: 1.45 }}
      pre code {{ padding: 0; font-size: 100%; white-space: pre }}
      ul {{ padding-left: 2em }} blockquote {{ margin: 0; padding: 0 1em; border-left: .25em solid {line} }}
    """
    draw = (
        f'<script src="{script.as_uri()}"></script><script>mermaid.initialize({{startOnLoad: false}})</script>'
        if script
        else ""
    )
    return f"""<!doctype html><html><head><meta charset="utf-8"><style>{style}</style></head><body>{shown}{draw}
      <script>{_MEASURE}</script></body></html>"""


def _drawn(body: str) -> str:
    return re.sub(
        r'<pre(?: lang="mermaid")?><code(?: class="language-mermaid")?>(%%\{init.*?)</code></pre>',
        lambda chart: f'<div class="mermaid">{chart[1]}</div>',
        Page(body).html,
        flags=re.DOTALL,
    )


# Whatever of two texts lies on each other, what is cut off at the right, and what is not folded and scrolls sideways, as JSON at the
# end of the page.
_MEASURE = """
(async () => {
  if (window.mermaid) await mermaid.run();
  const texts = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || parent.closest('script, style')) continue;
    const range = document.createRange(); range.selectNodeContents(node);
    for (const box of range.getClientRects())
      if (box.width > 1 && box.height > 1) texts.push({article: parent.closest('article'), node, box});
  }
  const problems = [];
  const scrolls = node => node.parentElement.closest('pre, table');
  for (const [i, a] of texts.entries()) {
    if (a.box.right > document.body.clientWidth + 1 && !scrolls(a.node)) problems.push(['cut', a.article.id, a.node.data]);
    for (const b of texts.slice(i + 1)) {
      if (a.article !== b.article || a.node === b.node) continue;
      const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (across > 2 && down > 6) problems.push(['overlap', a.article.id, a.node.data.trim(), b.node.data.trim()]);
    }
  }
  for (const block of document.querySelectorAll('pre, table'))
    if (!block.closest('details') && block.scrollWidth > block.clientWidth + 1)
      problems.push(['scrolls', block.closest('article').id, block.innerText]);
  const result = document.createElement('pre'); result.id = 'result'; result.hidden = true;
  result.textContent = JSON.stringify({texts: texts.length, charts: document.querySelectorAll('svg').length, problems});
  document.body.append(result);
})();
"""


@dataclass(frozen=True)
class Measured:
    """How many texts and charts were shown, and what is wrong with them: texts on each other, cut off, or to be scrolled to."""

    texts: int
    charts: int
    problems: list[list[str]]


def measured(text: str) -> Measured:
    """What the browser finds in the page."""
    dom = _run(text, "--dump-dom")
    result = re.search(r'<pre id="result"[^>]*>(.*?)</pre>', dom, re.DOTALL)
    assert result, dom[-500:]
    return Measured(**json.loads(html.unescape(result[1])))


def take_picture(text: str, picture: Path, look: Look, height: int) -> None:
    """Writes what the browser shows."""
    _run(text, f"--screenshot={picture}", f"--window-size={look.width},{height}")


def _run(text: str, *options: str) -> str:
    chromium = program()
    assert chromium, "there is no browser"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(text)
        command = [chromium, *OPTIONS, "--allow-file-access-from-files"]
        command += [
            f"--user-data-dir={folder}/profile",
            "--virtual-time-budget=20000",
            *options,
            file.as_uri(),
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    bodies = {name: merged("", run) for name, run in stories().items()}
    for look in LOOKS:
        for name, body in bodies.items():
            take_picture(
                page({name: body}, look, script=mermaid()), folder / f"{name}-{look.name}.png", look, 700
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
