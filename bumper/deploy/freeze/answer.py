"""Whether sites may be deployed at a time, by the calendar of a tree: `bump check --at`. Asks nothing but the files."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bumper.dataclasses import dataclass
from bumper.deploy.freeze_guard import inside
from bumper.errors import SiteMissing, did_you_mean
from bumper.fluxtree.sites import traits
from bumper.fluxtree.sites.selection import listed, no_tree
from bumper.fluxtree.sites.traits import Traits
from bumper.freeze.place import calendar_of
from bumper.freeze.times import Span
from bumper.freeze.windows import Calendar, Closure, Window, closure_as_data
from bumper.ports.git import Tree
from bumper.style import Line, shown_time, written_time
from bumper.style import Span as Styled


@dataclass(frozen=True)
class Answer:
    """Of one site; of one that is open `coming` is the window that comes next, and `allowed` says why it is open in spite of one."""

    site: Traits
    closure: Closure | None
    coming: tuple[Span, Window] | None = None
    allowed: str = ""


def answers(tree: Tree, at: datetime, lasts: timedelta, by: str, names: Sequence[str] = ()) -> list[Answer]:
    """Of the sites that have these names, or of all. SiteMissing for a name that none has, TreeMissing where there is no site."""
    known = traits.of_tree(tree)
    if not known:
        raise no_tree()
    known_names = {name for site in known for name in site.names}
    for name in names:
        if name not in known_names:
            names_found = list(dict.fromkeys(site.name for site in known))
            near = did_you_mean(name, names_found) or f" (found: {listed(names_found)})"
            raise SiteMissing(
                f"no Flux Kustomization of the tree is called {name!r}{near}",
                hint="bump check --at now lists all",
            )
    calendar = calendar_of(tree) or Calendar()
    return [_answer(calendar, site, at, lasts, by) for site in known if not names or site.names & set(names)]


def lines(several: Sequence[Answer]) -> list[Line]:
    """A line for each site."""
    bearers = Counter(each.site.name for each in several)
    labels = [_label(each.site, has_namesakes=bearers[each.site.name] > 1) for each in several]
    width = max(map(len, labels))
    return [
        (Styled(f"{label:<{width}}   ", "strong"), *_verdict(each))
        for label, each in zip(labels, several, strict=True)
    ]


def as_data(several: Sequence[Answer], at: datetime, exit_code: int) -> dict[str, Any]:
    """The one object that `--output json` prints."""
    return {
        "at": written_time(at),
        "exitCode": exit_code,
        "sites": [
            {
                "site": each.site.name,
                "identity": each.site.identity,
                "environments": sorted(each.site.environments),
                "freeze": closure_as_data(each.closure),
                "next": _coming_as_data(each),
                "allowed": each.allowed or None,
            }
            for each in several
        ],
    }


def _answer(calendar: Calendar, site: Traits, at: datetime, lasts: timedelta, by: str) -> Answer:
    if closure := calendar.closure(site, at, lasts, by):
        return Answer(site, closure)
    allowed = calendar.allowed(site, at, by)
    return Answer(site, None, calendar.next_after(site, at, by), inside(*allowed) if allowed else "")


def _label(site: Traits, *, has_namesakes: bool) -> str:
    return f"{site.name} ({site.identity})" if has_namesakes else site.name


def _verdict(each: Answer) -> Line:
    if each.closure:
        return Styled("closed", "bad"), Styled(f"   {each.closure}   {each.closure.place}")
    if each.coming:
        span, window = each.coming
        return (
            Styled("open", "good"),
            Styled(_after(each.allowed)),
            Styled(f"   until {shown_time(span.start)}: {window.name}   {window.place}"),
        )
    return Styled("open", "good"), Styled(_after(each.allowed))


def _after(text: str) -> str:
    return f"   {text}" if text else ""


def _coming_as_data(each: Answer) -> dict[str, Any] | None:
    if each.coming is None:
        return None
    span, window = each.coming
    return {"window": window.name, "place": window.place, "begins": written_time(span.start)}
