"""The two pictures of the README, drawn from what the demo prints and what it tells GitHub: `make pictures`.

Both are SVG whose text is text: it can be read, searched and compared. Addresses of this machine are replaced by names, since they
change with each run; so are the names of pods, and nothing else.
"""

import html
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from github_pages import Page

from bumper_sandbox.demo import TREE, Demo
from bumper_sandbox.stack import Stack

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "pictures"
_STYLES = {"✓": "#3fb950", "✗": "#f85149", "Ready": "#3fb950", "Failed": "#f85149", "$": "#79c0ff"}
_LABEL = re.compile(r"^(  [a-z][a-z ]{11} )(.*)$")
_COLUMNS, _ADVANCE, _LEADING = 118, 7.83, 19
_QUOTE_COLUMNS = 110  # of code in the list of the evidence, as wide as the comment


class Scene(NamedTuple):
    """What the demo's command printed, and the summary that it wrote for the job."""

    printed: str
    summary: str


def scene(folder: Path, fault: str = "") -> Scene:
    """Plays the demo; `folder` is empty."""
    summary = folder / "summary.md"
    with Stack(TREE, os.environ) as stack:
        environ = {**stack.child_environ(), "GITHUB_STEP_SUMMARY": str(summary), "HOME": str(folder)}
        lines: list[str] = []

        def bump(command: Sequence[str]) -> int:
            if "--dry-run" in command:
                return 0
            ended = subprocess.run(
                [sys.executable, "-P", "-m", "bumper", *command, "--publish", "summary"],
                env=environ,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            lines.append(f"$ bump {' '.join(command)}\n{ended.stdout}")
            return ended.returncode

        Demo(stack, lambda text: None, bump).play("", fault)
        names = {stack.url: "https://github.com/acme/platform.git", stack.registry.host: "acme.azurecr.io"}
        return Scene(_named("\n".join(lines), names), _named(summary.read_text(), names))


def _named(text: str, names: dict[str, str]) -> str:
    for address, name in names.items():
        # The Markdown parts what GitHub would make a link of.
        text = text.replace(address, name).replace(address.replace("://", ":\u2060//"), name)
    return re.sub(r"shop-example-[0-9a-f]{6,10}-[0-9a-z]{5}", "shop-example-6f4dd5df7c-56fkg", text)


def terminal(printed: str) -> str:
    """The lines as a terminal shows them, without those that say what goes on."""
    lines = [row for line in printed.splitlines() if not line.startswith("  · ") for row in _rows(line)]
    height = 52 + _LEADING * len(lines)
    texts = "".join(
        f'<text x="16" y="{50 + _LEADING * number}" xml:space="preserve">{_spans(line)}</text>\n'
        for number, line in enumerate(lines)
    )
    width = round(_COLUMNS * _ADVANCE + 32)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="bump in a terminal">
<style>text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #e6edf3 }}</style>
<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>
<circle cx="20" cy="18" r="6" fill="#f85149"/><circle cx="40" cy="18" r="6" fill="#d29922"/>
<circle cx="60" cy="18" r="6" fill="#3fb950"/>
{texts}</svg>
"""


def _rows(line: str) -> list[str]:
    """The line as a window of this width breaks it."""
    label = _LABEL.match(line)
    indent = " " * (len(label[1]) if label else 4)
    return textwrap.wrap(
        line, _COLUMNS, subsequent_indent=indent, drop_whitespace=False, break_on_hyphens=False
    ) or [""]


def _spans(line: str) -> str:
    label = _LABEL.match(line)
    first = line.split()[0] if line.strip() else ""
    for sign, colour in _STYLES.items():
        if first.startswith(sign):
            before, _, after = line.partition(sign)
            return f'{html.escape(before)}<tspan fill="{colour}">{sign}</tspan>{html.escape(after)}'
    if label and not line.startswith("    "):
        return f'<tspan fill="#8b949e">{html.escape(label[1])}</tspan>{html.escape(label[2])}'
    return html.escape(line)


def comment(summary: str) -> str:
    """The comment as a browser shows GitHub's Markdown; what is folded stays folded."""
    folded = re.sub(r"<details>.*?</details>", "<p>▸ Details</p>", Page(summary).html, flags=re.DOTALL)
    body = folded.replace("<br>", "<br/>").replace("\u2060", "")
    width, height = 860, _height(body)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="the comment">
<foreignObject width="{width}" height="{height}"><div xmlns="http://www.w3.org/1999/xhtml" class="comment"><style>
.comment {{ box-sizing: border-box; height: {height - 2}px; margin: 1px; padding: 4px 18px; color: #1f2328; background: #fff;
 border: 1px solid #d1d9e0; border-radius: 8px; font: 14px/1.5 -apple-system, "Noto Sans", Helvetica, Arial, sans-serif }}
.comment h3 {{ margin: 12px 0; font-size: 18px }} .comment a {{ color: #0969da; text-decoration: none }}
.comment p {{ margin: 10px 0 }} .comment ul {{ margin: 10px 0; padding-left: 2em }}
.comment pre code {{ padding: 0; font-size: 12px; background: none; white-space: pre }}
.comment code {{ padding: .2em .4em; border-radius: 6px; background: #eff1f3; font-size: 85%; white-space: break-spaces }}
.comment pre {{ margin: 10px 0; padding: 10px; border-radius: 6px; background: #f6f8fa; font-size: 12px; overflow: hidden }}
</style>
{body}</div></foreignObject></svg>
"""


def _height(body: str) -> int:
    """How many pixels the text takes, as the style above sets it."""
    blocks = re.findall(r"<pre.*?</pre>", body, re.DOTALL)
    lines = sum(len(block.removesuffix("</pre>").strip().splitlines()) for block in blocks)
    quotes = [len(re.sub("<.*?>", "", quote)) for quote in re.findall("<li>.*?</li>", body)]
    paragraphs, breaks = len(re.findall("<p>", body)), len(re.findall("<br/>", body))
    quoted = 21 * sum(1 + length // _QUOTE_COLUMNS for length in quotes) + (20 if quotes else 0)
    return 70 + 31 * paragraphs + 21 * breaks + 32 * len(blocks) + 18 * lines + quoted


def essence(picture: str) -> list[str]:
    """What stands in it, alike in every run: numbers and hashes are left out."""
    text = " ".join(" ".join(ElementTree.fromstring(picture).itertext()).split())
    text = re.sub(
        r"\b[0-9a-f]{64}\b|sha256:[0-9a-f]+|sha1:[0-9a-f]{7}|\b\d+(?:\.\d+)?(?: min \d+)? ?(?:m?s|kB)\b|back-off \d+s",
        "#",
        text,
    )
    return re.sub(r"height: \d+px", "", text).split()


def draw(folder: Path) -> dict[str, str]:
    """Both pictures by their file names; `folder` is empty."""
    failure = scene(folder, "crash")
    return {"terminal.svg": terminal(failure.printed), "comment.svg": comment(failure.summary)}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in draw(Path(folder)).items():
            (FOLDER / name).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
