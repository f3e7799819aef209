"""Holds: a site that automation must leave alone, said by annotations on its Flux Kustomization in git.

Law: what cannot be read counts as a hold, and is told with its line: unknown is never "no". A hold without an end lasts until it is
lifted; a hold with `rejected` keeps only that version and its ancestors off the site, anything newer passes.
`lift(apply(x)) == x` to the byte, for a Kustomization that was not held.

In git a hold is reviewed and audited like any other change, and Flux brings it into the cluster, where `kubectl` shows it. It starts
nothing there: kustomize-controller looks again only when an object's generation changes, which an annotation leaves as it is, or
`reconcile.fluxcd.io/requestedAt` does (kustomize-controller 1.7, `internal/controller/kustomization_manager.go`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bumper.errors import FieldUnsafe
from bumper.history import worded
from bumper.manifest.document import Document, documents, mapping, text
from bumper.manifest.insertion import Route, remove, set_entry
from bumper.request import Origin

REASON = "bump/hold"
BY = "bump/hold-by"
SINCE = "bump/hold-since"
UNTIL = "bump/hold-until"
REJECTED = "bump/hold-rejected"
_KEYS = (REASON, BY, SINCE, UNTIL, REJECTED)
_ANNOTATIONS = ("metadata", "annotations")


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
        phrases += [f"{word} {shown(time)}" if time else "" for word, time in self._times()]
        unread_note = f" ({self.unread})" if self.unread else ""
        return f"{' '.join(filter(None, phrases))}: {self.reason or 'no reason given'}{unread_note}"

    def _times(self) -> tuple[tuple[str, datetime | None], ...]:
        return ("since", self.since), ("until", self.until)


def read(document: Document) -> Hold | None:
    """The hold that stands on a Flux Kustomization, an ended hold included; None where there is none."""
    annotations = mapping(mapping(document.value.get("metadata")).get("annotations"))
    if not any(key in annotations for key in _KEYS):
        return None
    since, until = (_time(annotations, key) for key in (SINCE, UNTIL))
    unread = [
        f"{document.path}:{document.line(*_ANNOTATIONS, key)}: {key} is {annotations[key]!r}, expected {expected}"
        for key, is_read, expected in (
            (REASON, isinstance(annotations.get(REASON, ""), str), "a text"),
            (SINCE, since is not None or SINCE not in annotations, "a time like 2026-12-01T08:00:00Z"),
            (UNTIL, until is not None or UNTIL not in annotations, "a time like 2026-12-01T08:00:00Z"),
        )
        if not is_read
    ]
    first = next(key for key in _KEYS if key in annotations)
    return Hold(
        reason=text(annotations.get(REASON)),
        by=text(annotations.get(BY)),
        since=since,
        until=until,
        rejected=text(annotations.get(REJECTED)),
        place=f"{document.path}:{document.line(*_ANNOTATIONS, first)}",
        unread="; ".join(unread),
    )


def apply(content: bytes, document: Document, hold: Hold) -> bytes:
    """The bytes of the document's file with this hold, in place of the hold that may be there; no other byte changes.

    `content` may have changed since the document was read, as long as no document came or went. FieldUnsafe as `manifest.insertion`,
    and for a text with `${`: where postBuild names variables, Flux puts them in here too, and stops at a variable that it cannot read.
    """
    if any("${" in hold_text for hold_text in (hold.reason, hold.by, hold.rejected)):
        raise FieldUnsafe(
            f"{document.path}:{document.line('metadata')}: found '${{' in a hold, which Flux takes for a variable",
            hint="say it without",
        )
    wanted = {
        REASON: hold.reason,
        BY: hold.by,
        SINCE: written(hold.since),
        UNTIL: written(hold.until),
        REJECTED: hold.rejected,
    }
    route = (*document.route, *_ANNOTATIONS)
    for key, value in wanted.items():
        if value:
            content = set_entry(content, document.path, route, key, value)
    return _without(content, document, [key for key, value in wanted.items() if not value])


def lift(content: bytes, document: Document) -> bytes:
    """The bytes of the document's file without its hold; the same bytes where there is none."""
    return _without(content, document, _KEYS)


def written(time: datetime | None) -> str:
    """RFC 3339 in UTC, to the second; empty for None."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if time else ""


def shown(time: datetime) -> str:
    """For people: `2026-12-01 08:00 UTC`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def message(
    sites: Iterable[str], places: Iterable[str], hold: Hold | None, reason: str, origin: Origin
) -> str:
    """The message of a commit that holds these sites, or with `hold` None releases them. `places` are the files that change."""
    names = list(sites)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    until = f" until {shown(hold.until)}" if hold and hold.until else ""
    subject = f"{'Hold' if hold else 'Release'} {names[0]}{more}{until}"
    verb = "keep automation off" if hold else "let automation on again to"
    sentence = f"{', '.join(dict.fromkeys(places))}: {verb} {', '.join(names)}."
    trailers = [("Bump-Hold" if hold else "Bump-Release", name) for name in names]
    trailers += [("Hold-Until", written(hold.until) if hold else ""), ("Reason", reason), *origin.trailers()]
    return worded(subject, [sentence], trailers)


def _without(content: bytes, document: Document, keys: Iterable[str]) -> bytes:
    for key in keys:
        if key in _annotations(content, document.path, document.route):
            content = remove(content, document.path, (*document.route, *_ANNOTATIONS, key))
    return content


def _annotations(content: bytes, path: str, route: Route) -> dict[str, Any]:
    kustomization = next((document for document in documents(content, path) if document.route == route), None)
    return mapping(mapping(kustomization.value.get("metadata")).get("annotations")) if kustomization else {}


def _time(annotations: Mapping[str, Any], key: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text(annotations.get(key)).strip())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the second for a time zone that leads out of the calendar
        return None
