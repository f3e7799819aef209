"""Foreign strings in every text that people see, all at once: none of them moves a cursor, begins a line of its own, is a command of
the runner, mentions, links, or opens an element."""

import json
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from github_pages import FAILED, Page, report, story

from bumper.errors import FieldMissing
from bumper.history.message import Deploy, compose, is_ours
from bumper.history.record import records
from bumper.history.wording import Wording
from bumper.image import ImageReference
from bumper.publish import problem, step
from bumper.publish.comment import merged, summary
from bumper.publish.report import Report, as_data, verdicts
from bumper.publish.states import checks, deployments
from bumper.publish.story import SiteStory, Story
from bumper.request import Origin
from bumper.systems.github.runner import annotation, append_outputs
from bumper.systems.terminal import open_terminal

from .table import Tally

TARGET, SLICE, SHORT = 10_000, 100, 30
_PIECES = (
    "\n", "\r\n", "\r", "\0", "\t", "\x1b[2J", "\x1b]0;own\x07", "\x1b]8;;https://evil.example\x07x\x1b]8;;\x07",
    "\x9b31m", "\x85", "\u2028",
    "\u202e", "\u2066", "\u200f", "\u200b", "\ufeff", "\U000e0041", "\ud800", "::error::x", "::set-output name=tag::evil",
    "::add-mask::a", "##[error]x", "::stop-commands::x", "@acme/ops", "@octocat", "#12", "GH-12", "acme/web#3", "fixes #1", ":100:",
    "https://evil.example", "www.evil.example", "a@evil.example", "[x](https://evil.example)", "![x](https://evil.example/i.png)",
    "<img src=x onerror=alert(1)>", "<script>", "</pre>", "</details>", "<!--", "-->", "<!-- /gitops-bump -->", "```", "~~~", "|", "`",
    "$x$", "# x", "---", "> x", "Bump-Site: shop", "Signed-off-by: x", "EOF", "%0A::error::x", "{{x}}", "\\", "&lt;", "é", "🙂", "a",
)  # fmt: skip
_MAY_STAY = "\n"
_ADDRESSES = ("url",)


def run(start: int, cases: int) -> Tally:
    """The cases of these numbers."""
    faults = [f"{number}: {fault}" for number in range(start, start + cases) for fault in _faults(number)]
    return Tally(tuple(faults))


def _faults(number: int) -> Iterator[str]:
    chance, numbers = random.Random(number), count()

    def foreign() -> str:
        # No two are equal: where a tag goes to itself, less is shown.
        return f"x{next(numbers)}" + "".join(chance.choices(_PIECES, k=chance.randrange(1, 9)))

    for channel in (_terminal, _json, _markdown, _annotations, _outputs, _states, _commit):
        try:
            fault = channel(foreign)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            yield f"{channel.__name__.strip('_')}: {fault}"


Foreign = Callable[[], str]


def _filled(value: Any, foreign: Foreign) -> Any:
    """The same value with foreign text in place of each text below it; what is empty stays so."""
    if type(value) is str:
        return foreign() if value else value
    if isinstance(value, tuple):
        return tuple(_filled(item, foreign) for item in value)
    if isinstance(value, Mapping):
        return {foreign() if type(key) is str else key: _filled(item, foreign) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type | Enum):
        named = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        changed = {
            name: _filled(item, foreign)
            for name, item in named.items()
            if name not in (*_ADDRESSES, "plan", "pages", "error")
        }
        return replace(value, **changed)
    return value


def _report(foreign: Foreign) -> Report:
    verdict = replace(FAILED, warnings=("x",), evidence=("x", "y"), serving="x", hint="x")
    site = replace(report(verdict), rolled_back="x", context="x", stays=("x",), places=("x", "y"))
    filled: Report = _filled(Report((site, replace(site, site="api")), 1.0, ("x",)), foreign)
    return filled


def _story(foreign: Foreign) -> Story:
    reports = _report(foreign).sites
    whole = replace(
        story(FAILED), sites=tuple(SiteStory(each.site, "1", "2", {}, (each,)) for each in reports)
    )
    return replace(whole, notices=(foreign(),), standing=())


def _terminal(foreign: Foreign) -> str:
    stream = StringIO()
    terminal = open_terminal(stream, {}, lambda: 0.0, name_sites=True)
    terminal.notice(foreign())
    terminal.write(verdicts(_report(foreign)))
    terminal.write(problem.lines(FieldMissing(foreign(), hint=foreign())))
    terminal.close()
    bad = _breaks(stream.getvalue())
    return f"prints {bad!r}" if bad else ""


def _breaks(text: str) -> str:
    """The first line that a terminal or a runner would obey; empty where there is none."""
    lines = text.split(_MAY_STAY)
    return next((line for line in lines if not line.isprintable() or re.match(r"\s*(::|##\[)", line)), "")


def _json(foreign: Foreign) -> str:
    text = json.dumps([as_data(_report(foreign)), problem.as_data(FieldMissing(foreign(), hint=foreign()))])
    return "" if text.isascii() and "\n" not in text and json.loads(text) else "is no line of ASCII"


def _markdown(foreign: Foreign) -> str:
    whole = _story(foreign)
    numbers = count()
    plain = _story(lambda: f"calm{next(numbers)}")
    for write in (summary, lambda run: merged("", run)):
        page, calm = Page(write(whole)), Page(write(plain))
        # What is no plain web address is no link.
        shapes = [[tag for tag in each.shape if tag not in ("a", "/a")] for each in (page, calm)]
        if shapes[0] != shapes[1]:
            return "other elements than a calm text has"
        if page.does:
            return f"does {page.does}"
        if {urlsplit(link).netloc for link in page.links} - {urlsplit(link).netloc for link in calm.links}:
            return "leads to a foreign address"
    return ""


def _annotations(foreign: Foreign) -> str:
    written = [annotation(*each) for each in step.annotations_of(as_data(_report(foreign)))]
    lines = "".join(written).splitlines()
    if len("".join(written).split("\n")) - 1 != len(written):
        return "takes several lines"
    return (
        "" if all(line.startswith(("::error ", "::warning ")) for line in lines[:1]) else "is no annotation"
    )


def _outputs(foreign: Foreign) -> str:
    outputs = step.outputs_of(as_data(_report(foreign)))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outputs"
        cleaned = {name: value.encode(errors="replace").decode() for name, value in outputs.items()}
        append_outputs(file, cleaned)
        return "" if _as_the_runner_reads(file.read_bytes().decode()) == cleaned else "reads as other outputs"


def _as_the_runner_reads(text: str) -> dict[str, str]:
    outputs, rest = {}, text
    while rest:
        head, _, rest = rest.partition("\n")
        name, _, end = head.partition("<<")
        value, _, rest = rest.partition(f"\n{end}\n")
        outputs[name] = value
    return outputs


def _states(foreign: Foreign) -> str:
    whole = _story(foreign)
    texts = [each.description for each in deployments(whole)] + [each.description for each in checks(whole)]
    bad = [text for text in texts if not text.isprintable() or len(text) > 140]
    return f"describes {bad[0]!r}" if bad else ""


def _commit(foreign: Foreign) -> str:
    image = ImageReference("reg.io/web", "1.0")
    deploy = Deploy("web", foreign(), image, image.with_tag("2.0"))
    message = compose(
        [deploy], Origin(foreign(), foreign(), foreign(), foreign()), foreign(), forced=foreign()
    )
    worded = Wording(subject="chore: {change}").of(message)
    known = [records("c" * 40, "x", datetime.now(UTC), text) for text in (message, worded)]
    if [[(each.site, each.tag) for each in site_records] for site_records in known] != [[("web", "2.0")]] * 2:
        return "records another deploy"
    return "" if "\0" not in message and is_ours(message) else "is not known as ours"
