"""A window that is added to the file of freeze windows, or taken from it: what is committed for it on a tip.

Law: every other byte of the file stays. A window that names nothing of the tree is refused, since it would freeze nobody; a window
that somebody else set, and that has not ended, is replaced only by force. A file that can't be read is not changed: it freezes all
as it is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from posixpath import dirname

from bumper.dataclasses import dataclass
from bumper.deploy.commit.push import Proposal
from bumper.errors import FieldMissing, FieldUnsafe, Outcome, Refused
from bumper.fluxtree.changed import Changed
from bumper.fluxtree.layers import Reading, expand
from bumper.fluxtree.sites import traits
from bumper.fluxtree.sites.selection import listed
from bumper.fluxtree.walk import Walk
from bumper.freeze.file import read as read_calendar
from bumper.freeze.place import PATH, calendar_of
from bumper.freeze.windows import Calendar, Selection, Window
from bumper.history.message import worded
from bumper.history.scopes import USUAL
from bumper.manifest.insertion import insert_item, remove
from bumper.manifest.spelling import Value
from bumper.ports.git import Tree
from bumper.request import Origin
from bumper.revision import Revision
from bumper.style import shown_time, written_time

EVERYTHING = "*"
# What a window of all sites is called unless it gets another name.
STOP = "stop-the-line"
_NEW_FILE = b"""\
# When bump deploys nothing. What may stand here: bump freeze --schema
zone: UTC
"""


@dataclass(frozen=True)
class FreezeChange:
    """What shall be: a window of this name, or with `lifts` none. `until` is None for one with no known end."""

    name: str
    selection: Selection
    reason: str
    origin: Origin
    now: datetime
    until: datetime | None = None
    lifts: bool = False
    force: bool = False


@dataclass(frozen=True)
class Freezing(Proposal):
    """The window before and after on one tip; None where there is none. `sites` are those that it freezes, by their names."""

    name: str = ""
    before: Window | None = None
    after: Window | None = None
    sites: tuple[str, ...] = ()

    def outcome(self, revision: Revision | None) -> Outcome:
        """Whether it was written, would be, or need not be."""
        if not self.files:
            return Outcome.UNCHANGED
        return Outcome.PUSHED if revision else Outcome.PLANNED


def name_of(selection: Selection) -> str:
    """What a window of this selection is called: `stop-the-line`, or what it names."""
    if selection.sites == (EVERYTHING,):
        return STOP
    labels = [f"{key}={value}" for key, value in selection.labels.items()]
    return "+".join([*selection.sites, *labels, *selection.environments])


def propose(wanted: FreezeChange, tip: str, tree: Tree) -> Freezing:
    """What would be committed on the tip, whose files are `tree`; Refused by the law of this module."""
    calendar = calendar_of(tree)
    _require_readable(calendar)
    before = _named(wanted.name, calendar)
    content = tree.read([PATH]).get(PATH) if calendar else None
    if wanted.lifts:
        return _lifted(wanted, tip, content, calendar, before)
    sites = _frozen(wanted.selection, tree)
    if before and not _may_replace(wanted, before):
        return Freezing(tip, {}, "", wanted.name, before, before, sites)
    after = _with_window(wanted, _without_window(content, calendar, before))
    if content is None:
        _require_not_built(Changed(tree, {PATH: after}))
    window = _named(wanted.name, read_calendar(after))
    assert window, "it was written just now"
    return Freezing(
        tip, {PATH: (content, after)}, _message(wanted, sites), wanted.name, before, window, sites
    )


def _lifted(
    wanted: FreezeChange, tip: str, content: bytes | None, calendar: Calendar | None, before: Window | None
) -> Freezing:
    if before is None:
        _require_known(wanted.name, calendar)
        return Freezing(tip, {}, "", wanted.name)
    _require_meant(wanted, before)
    after = _without_window(content, calendar, before)
    return Freezing(tip, {PATH: (content, after)}, _message(wanted, ()), wanted.name, before)


def _require_readable(calendar: Calendar | None) -> None:
    if calendar and calendar.faults:
        fault = calendar.faults[0]
        raise Refused(
            f"{fault}; what can't be read freezes every site as it is",
            hint=fault.hint or "mend it by hand, and push",
        )


def _require_known(name: str, calendar: Calendar | None) -> None:
    """Refused where no window has that name, and others there are."""
    names = [window.name for window in calendar.windows] if calendar else []
    if names:
        raise FieldMissing(
            f"{PATH}: no window is called {name!r} (found: {', '.join(names)})",
            hint="name one of them: bump freeze --lift --name NAME",
        )


def _require_meant(wanted: FreezeChange, before: Window) -> None:
    """Refused where other sites were named than the window freezes: all of it is lifted, and for some of its sites none can be."""
    named = wanted.selection.criteria
    if any(named) and named != before.selection.criteria:
        raise Refused(
            f"{before.place}: the window {before.name} freezes {before.selection}, not {wanted.selection}",
            hint=f"{before.lifting} lifts all of it; for some sites write an allow into it by hand",
        )


def _named(name: str, calendar: Calendar | None) -> Window | None:
    return next((window for window in calendar.windows if window.name == name), None) if calendar else None


def _frozen(selection: Selection, tree: Tree) -> tuple[str, ...]:
    """The names of the sites that are meant; FieldMissing where some of the selection means none."""
    known = traits.of_tree(tree)
    if idle := selection.idle_among(known):
        names = list(dict.fromkeys(each.name for each in known))
        usual = sorted(USUAL & {name for each in known for name in each.environments})
        raise FieldMissing(
            f"no Flux Kustomization of the tree is meant by {idle}: nothing would be frozen",
            hint=f"sites: {listed(names) or 'none'}; environments: {', '.join(usual) or 'none with a usual name'}; "
            "bump adopt SITE --environment NAME says where a site is",
        )
    return tuple(dict.fromkeys(each.name for each in known if selection.includes(each)))


def _require_not_built(after: Tree) -> None:
    """Refused where Flux would take the new file for a manifest, and apply nothing any more."""
    reading = Reading(after)
    for level in Walk(reading).levels():
        for site in level:
            if site.path in ("", dirname(PATH)) and site.is_built(reading):
                layers = expand(site.view(reading), [site.path])
                if any(PATH in layer.files for layer in layers.values()):
                    raise Refused(
                        f"{site.place}: Kustomization {site.kustomization.name} builds all of the repository, {PATH} too, which is no "
                        "manifest: Flux would apply nothing any more",
                        hint="leave it out by a line /.bump in the .sourceignore, or list what is built in a kustomization.yaml",
                    )


def _may_replace(wanted: FreezeChange, before: Window) -> bool:
    """Whether the window is to be written anew; Refused where somebody else's would be."""
    has_ended = before.times.end <= wanted.now
    if not has_ended and _closes_the_same(wanted, before):
        return False
    is_own = bool(before.by) and before.by == wanted.origin.requested_by
    if not (has_ended or is_own or wanted.force):
        raise Refused(
            f"{before.place}: there is a window {before.name} already: {described(before)}",
            hint="leave it, give this one another --name, or replace it with --force",
        )
    return True


def _closes_the_same(wanted: FreezeChange, before: Window) -> bool:
    """Whether nothing of a window would change: one that recurs, begins later or allows something keeps less off than is wanted."""
    end = before.times.end if before.times.has_end else None
    is_whole = before.times.is_always and before.times.start <= wanted.now and not before.allowances
    same = (before.selection.criteria, before.reason, end) == (
        wanted.selection.criteria,
        wanted.reason,
        wanted.until,
    )
    return is_whole and same


def _without_window(content: bytes | None, calendar: Calendar | None, window: Window | None) -> bytes | None:
    """The file without this window; None for a file that holds nothing else, or nothing but what we began it with."""
    if content is None or calendar is None or window is None:
        return content
    try:
        after = remove(content, PATH, (0, "windows", calendar.windows.index(window)))
        return None if after == _NEW_FILE else after
    except FieldUnsafe:
        if len(calendar.windows) > 1 or calendar.hold_label:
            raise
        return None


def _with_window(wanted: FreezeChange, content: bytes | None) -> bytes:
    entry: dict[str, Value] = {"name": wanted.name, "reason": wanted.reason}
    selection = wanted.selection
    entry |= {"sites": list(selection.sites)} if selection.sites else {}
    entry |= {"labels": dict(selection.labels)} if selection.labels else {}
    entry |= {"environments": list(selection.environments)} if selection.environments else {}
    entry |= {"until": written_time(wanted.until)} if wanted.until else {}
    entry |= {"by": wanted.origin.requested_by} if wanted.origin.requested_by else {}
    entry |= {"since": written_time(wanted.now)}
    return insert_item(content or _NEW_FILE, PATH, (0, "windows"), entry)


def described(window: Window) -> str:
    """`all sites, set by ann, until 2026-12-01 08:00 UTC: the database is on fire`."""
    set_by = f", set by {window.by}" if window.by else ""
    end = f", until {shown_time(window.times.end)}" if window.times.has_end else ", with no known end"
    return f"{window.selection}{set_by}{'' if not window.times.is_always else end}: {window.reason}"


def as_data(window: Window | None) -> Mapping[str, object] | None:
    """The same for programs."""
    if window is None:
        return None
    return {
        "name": window.name,
        "reason": window.reason,
        "by": window.by or None,
        "since": window.since or None,
        "until": written_time(window.times.end) if window.times.has_end else None,
        "place": window.place,
    }


def _message(wanted: FreezeChange, sites: Sequence[str]) -> str:
    until = f" until {shown_time(wanted.until)}" if wanted.until else ""
    subject = f"Lift the freeze {wanted.name}" if wanted.lifts else f"Freeze {wanted.selection}{until}"
    what = (
        "nothing is frozen by it any more"
        if wanted.lifts
        else f"keep deploys off {wanted.selection} ({len(sites)})"
    )
    return worded(
        subject,
        [f"{PATH}: {what}."],
        [
            ("Bump-Lift" if wanted.lifts else "Bump-Freeze", wanted.name),
            ("Freeze-Until", written_time(wanted.until)),
            ("Reason", wanted.reason),
            *wanted.origin.trailers(),
        ],
    )
