"""Whether freeze windows keep a deploy off now. Pure."""

from collections.abc import Mapping

from bumper.doctor.finding import Finding, Mark
from bumper.fluxtree.sites.selection import listed
from bumper.freeze.place import PATH
from bumper.freeze.windows import Calendar, Closure
from bumper.style import amount


def findings(calendar: Calendar | None, frozen: Mapping[str, Closure]) -> list[Finding]:
    """What the calendar says now; `frozen` are the sites that are, by their labels. None where there is no calendar."""
    if calendar is None:
        return []
    if calendar.faults:
        why = "what can't be read is closed: no site can be deployed, but by a rollback or with --force --reason TEXT"
        return [
            Finding("git", fault.place, Mark.MISSING, fault.message, why, fault.hint)
            for fault in calendar.faults
        ]
    labels: dict[str, list[str]] = {}
    for label, closure in frozen.items():
        labels.setdefault(f"{closure} ({closure.place})", []).append(label)
    why = "a deploy is refused until then, but for a rollback and for --force --reason TEXT"
    in_force = [
        Finding(
            "git",
            PATH,
            Mark.WARNING,
            f"{listed(names)}: {text}",
            why,
            "wait, or bump freeze --lift --name NAME",
        )
        for text, names in labels.items()
    ]
    counted = f"{amount(len(calendar.windows), 'freeze window')}, none in force"
    return in_force or [Finding("git", PATH, Mark.GOOD, counted)]
