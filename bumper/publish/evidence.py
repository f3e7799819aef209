"""What of the evidence a person reads first: the log line that tells most, then what else was seen, nothing twice.

Law: nothing is made up and nothing changes its meaning. A pod's UID, which names nothing that a person could look up, is left out, and
so is an event that says in other words what another one says.
"""

import re
from collections.abc import Sequence

LOG = "log: "
# As kubelet ends a pod's name: `web-7c9fd_shop(d43f3091-9763-4702-ae52-65764e03a45c)`.
_UID = re.compile(r"\([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\)")
# What a program says when it gives up, in the logs of the usual runtimes.
_LAST_WORDS = re.compile(
    r"\b(?:fatal|panic|exception|traceback|unhandled|error|errno|cannot|can't|could not|refused|denied|failed|missing|not found"
    r"|no such)\b",
    re.IGNORECASE,
)
# kubelet's event on the same container as its status: `Back-off restarting failed container web in pod …`.
_BACK_OFF = re.compile(
    r"^(?:CrashLoopBackOff|BackOff): back-?off (?:\d+m?\d*s? )?restarting failed container", re.IGNORECASE
)
# kubelet's event Failed that has no more than the reason, which the container's status has, too: `Error: ImagePullBackOff`
# (tests/e2e/recorded/missing-tag.jsonl).
_BARE_REASON = re.compile(r"^Failed: Error: (?P<reason>[A-Z][A-Za-z]+)$")


def in_order(evidence: Sequence[str]) -> list[str]:
    """The lines to show: that of the log that tells most, the rest of the log, and what was seen of the objects."""
    lines = list(dict.fromkeys(_UID.sub("", line) for line in evidence))
    logs = [line for line in lines if line.startswith(LOG)]
    others = _without_repeats([line for line in lines if not line.startswith(LOG)])
    if not logs:
        return others
    first = next((line for line in reversed(logs) if _LAST_WORDS.search(line)), logs[-1])
    return [first, *(line for line in logs if line != first), *others]


def _without_repeats(lines: Sequence[str]) -> list[str]:
    repeats = [line for line in lines if _BACK_OFF.match(line)][1:]
    informative = [line for line in lines if not _BARE_REASON.match(line)]
    repeats += [
        line
        for line in lines
        if (bare := _BARE_REASON.match(line)) and any(bare["reason"] in other for other in informative)
    ]
    return [line for line in lines if line not in repeats]
