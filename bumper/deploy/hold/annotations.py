"""Holds: a site that automation must leave alone, said by annotations on its Flux Kustomization in git.

Law: what cannot be read counts as a hold, and is told with its line: unknown is never "no". A hold without an end lasts until it is
lifted; a hold with `rejected` keeps only that version and its ancestors off the site, anything newer passes.
`lift(apply(x)) == x` to the byte, for a Kustomization that was not held.

`bump/hold` holds every site of the Kustomization, `bump/hold.SITE` that one alone. The first is written where the Kustomization is one
site and has its name, the second everywhere else.

In git a hold is reviewed and audited like any other change, and Flux brings it into the cluster, where `kubectl` shows it. It starts
nothing there: kustomize-controller looks again only when an object's generation changes, which an annotation leaves as it is, or
`reconcile.fluxcd.io/requestedAt` does (kustomize-controller 1.7, `internal/controller/kustomization_manager.go`).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bumper.dataclasses import dataclass
from bumper.errors import FieldUnsafe
from bumper.fluxtree.discovery import Site
from bumper.fluxtree.sites import annotations
from bumper.history.message import worded
from bumper.manifest.document import Document, text
from bumper.request import Origin
from bumper.style import shown_time, written_time

REASON = "hold"
BY = "hold-by"
SINCE = "hold-since"
UNTIL = "hold-until"
REJECTED = "hold-rejected"
_WORDS = (REASON, BY, SINCE, UNTIL, REJECTED)


@dataclass(frozen=True)
class Hold:
    """`since` and `until` are in UTC; no `until` means until it is lifted. `rejected` is a tag or commit, set by a rollback.

    `place` is the file and line where it stands, `unread` what could not be read of it; both are empty for a hold that is being made.
    """

    reason: str
    by: str = ""
    since: datetime | None = None
    until: datetime | None = None
    rejected: str = ""
    place: str = ""
    unread: str = ""

    def holds_at(self, now: datetime) -> bool:
        """Whether it has not ended by then."""
        return self.until is None or now < self.until

    def says_the_same(self, other: "Hold") -> bool:
        """Whether both hold for the same reason, for as long, and off the same version."""
        asked = (self.reason, self.until, self.rejected, self.unread)
        return asked == (other.reason, other.until, other.rejected, other.unread)

    def __str__(self) -> str:
        """`held by ann since 2026-11-23 11:00 UTC until 2026-12-01 08:00 UTC: freeze`."""
        what = f"{self.rejected} was rejected" if self.rejected else "held"
        phrases = [what, f"by {self.by}" if self.by else ""]
        phrases += [f"{word} {shown_time(time)}" if time else "" for word, time in self._times()]
        unread_note = f" ({self.unread})" if self.unread else ""
        return f"{' '.join(filter(None, phrases))}: {self.reason or 'no reason given'}{unread_note}"

    def _times(self) -> tuple[tuple[str, datetime | None], ...]:
        return ("since", self.since), ("until", self.until)


def of_site(site: Site) -> tuple[Hold, ...]:
    """The holds that keep off this site, ended ones included: its own first, then that of every site of its Kustomization."""
    holds = (read(site.document, site.name), read(site.document))
    return tuple(hold for hold in holds if hold)


def of_kustomization(site: Site) -> dict[str, Hold]:
    """Every hold on the site's Kustomization, by the site that it holds: for what takes the Kustomization away."""
    document = site.document
    named = {annotations.site_of(key, word): None for key in annotations.read(document) for word in _WORDS}
    holds = {name: read(document, name) for name in ("", *filter(None, named))}
    return {name or site.name: hold for name, hold in holds.items() if hold}


def counting(site: Site, now: datetime | None = None) -> Hold | None:
    """The hold that counts for most: one that has not ended by `now`, of the whole site, for longest; None where there is none."""
    return min(of_site(site), key=lambda hold: _rank(hold, now), default=None)


def read(document: Document, site: str = "") -> Hold | None:
    """The hold of one site that stands on a Flux Kustomization, or with no site that of all; None where there is none."""
    known = annotations.read(document)
    keys = _keys(site)
    if not any(key in known for key in keys.values()):
        return None
    texts = {word: known[key] for word, key in keys.items() if key in known}
    since, until = (_time(texts, word) for word in (SINCE, UNTIL))
    unread = [
        f"{annotations.place(document, keys[word])}: {keys[word]} is {texts[word]!r}, expected {expected}"
        for word, is_read, expected in (
            (REASON, isinstance(texts.get(REASON, ""), str), "a text"),
            (SINCE, since is not None or SINCE not in texts, "a time like 2026-12-01T08:00:00Z"),
            (UNTIL, until is not None or UNTIL not in texts, "a time like 2026-12-01T08:00:00Z"),
        )
        if not is_read
    ]
    return Hold(
        reason=text(texts.get(REASON)),
        by=text(texts.get(BY)),
        since=since,
        until=until,
        rejected=text(texts.get(REJECTED)),
        place=annotations.place(document, keys[next(iter(texts))]),
        unread="; ".join(unread),
    )


def apply(content: bytes, document: Document, hold: Hold, site: str = "") -> bytes:
    """The bytes of the document's file with this hold, in place of the one that may be there; no other byte changes.

    With a `site` it is held alone (`whose`). As `annotations.write`, and FieldUnsafe for a text with `${`: where postBuild names
    variables, Flux puts them in here too, and stops at a variable that it cannot read.
    """
    if any("${" in hold_text for hold_text in (hold.reason, hold.by, hold.rejected)):
        raise FieldUnsafe(
            f"{document.path}:{document.line('metadata')}: found '${{' in a hold, which Flux takes for a variable",
            hint="say it without",
        )
    texts = {
        REASON: hold.reason,
        BY: hold.by,
        SINCE: written_time(hold.since),
        UNTIL: written_time(hold.until),
        REJECTED: hold.rejected,
    }
    keys = _keys(site)
    return annotations.write(content, document, {keys[word]: value for word, value in texts.items()})


def lift(content: bytes, document: Document, site: str = "") -> bytes:
    """The bytes of the document's file without whatever holds the site, a hold of all included; the same bytes where nothing does."""
    keys = (*_keys(site).values(), *_keys("").values())
    return annotations.write(content, document, dict.fromkeys(keys, ""))


def whose(site: Site, *, is_shared: bool) -> str:
    """The site that a new hold names, empty for one that needs no name. `is_shared`: its Kustomization builds other sites as well.

    A name that can't be a key is left out: to hold more than was asked for is better than to hold nothing.
    """
    if not annotations.is_key(annotations.key(REJECTED, site.name)):
        return ""
    if site.name != site.kustomization.name or read(site.document, site.name):
        return site.name
    return site.name if is_shared and not read(site.document) else ""


def _keys(site: str) -> dict[str, str]:
    return {word: annotations.key(word, site) for word in _WORDS}


def _rank(hold: Hold, now: datetime | None) -> tuple[bool, bool, float]:
    has_ended = now is not None and not hold.holds_at(now)
    return has_ended, bool(hold.rejected), -hold.until.timestamp() if hold.until else float("-inf")


def message(
    sites: Iterable[str], places: Iterable[str], hold: Hold | None, reason: str, origin: Origin
) -> str:
    """The message of a commit that holds these sites, or with `hold` None releases them. `places` are the files that change."""
    names = list(sites)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    until = f" until {shown_time(hold.until)}" if hold and hold.until else ""
    subject = f"{'Hold' if hold else 'Release'} {names[0]}{more}{until}"
    verb = "keep automation off" if hold else "let automation on again to"
    sentence = f"{', '.join(dict.fromkeys(places))}: {verb} {', '.join(names)}."
    trailers = [("Bump-Hold" if hold else "Bump-Release", name) for name in names]
    trailers += [
        ("Hold-Until", written_time(hold.until) if hold else ""),
        ("Reason", reason),
        *origin.trailers(),
    ]
    return worded(subject, [sentence], trailers)


def _time(texts: Mapping[str, Any], word: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text(texts.get(word)).strip())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the second for a time zone that leads out of the calendar
        return None
