"""The last lines of containers that crashed, and of init containers that run: what the others of their pod wait for.

Law: a crash is read once, what runs at each look, and neither holds up a look: what cannot be read is left out and tried again at the
next.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from bumper.dataclasses import dataclass
from bumper.errors import BumpError
from bumper.objects import Object, ObjectKey, at
from bumper.systems.kube.api import Api
from bumper.systems.kube.refusals import Forbidden

LINES = 20
# A broken rollout crashes in many pods that all say the same: what is left waits for the next look.
_READ_AT_ONCE = 8


@dataclass(frozen=True, order=True)
class _Crash:
    """One end of a container. `is_back` when the next instance runs already: then the lines are of the instance before.

    `is_running` for an init container that has not ended yet.
    """

    namespace: str
    pod: str
    uid: str
    container: str
    restarts: int
    is_back: bool
    is_running: bool = False


class Logs:
    """Keeps what it read for as long as the crash is the container's last."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._crashes: dict[ObjectKey, set[_Crash]] = {}
        self._kept: dict[_Crash, str] = {}
        self._forbidden: set[str] = set()

    async def read(self, pods: Mapping[ObjectKey, Iterable[Object]]) -> None:
        """Reads what new crashes in the pods of these workloads left behind; what is kept of other workloads stays."""
        looked = {
            workload: {crash for pod in owned for crash in _crashes(pod)} for workload, owned in pods.items()
        }
        self._crashes = {
            workload: crashes for workload, crashes in {**self._crashes, **looked}.items() if crashes
        }
        known = set().union(*self._crashes.values())
        self._kept = {crash: lines for crash, lines in self._kept.items() if crash in known}
        crashes = set().union(*looked.values())
        settled = {crash for crash in self._kept if not crash.is_running}
        unread = sorted(crashes - settled)[:_READ_AT_ONCE]
        for crash, lines in zip(unread, await asyncio.gather(*map(self._lines, unread)), strict=True):
            if lines:
                self._kept[crash] = lines

    def of(self, pods: Iterable[Object]) -> dict[str, str]:
        """The last lines of each crashed container, keyed `pod/container`."""
        crashes = [crash for pod in pods for crash in _crashes(pod)]
        return {
            f"{crash.pod}/{crash.container}": self._kept[crash] for crash in crashes if crash in self._kept
        }

    def notices(self) -> tuple[str, ...]:
        """One line for each namespace whose logs may not be read."""
        return tuple(
            f"no permission to read the logs of pods in namespace {place}"
            for place in sorted(self._forbidden)
        )

    async def _lines(self, crash: _Crash) -> str:
        # kubelet 1.36.1, kubelet_pods.go: without `previous` these are of the running instance, else of the instance that ended last.
        for previous in (crash.is_back, not crash.is_back):
            try:
                lines = await self._api.log(
                    crash.namespace, crash.pod, crash.container, lines=LINES, previous=previous
                )
            except Forbidden:
                self._forbidden.add(crash.namespace)
                return ""
            except BumpError:
                lines = ""
            if lines.strip():
                return lines
        return ""


def _crashes(pod: Object) -> Iterator[_Crash]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        for status in at(pod, "status", kind) or ():
            ended = at(status, "state", "terminated") or at(status, "lastState", "terminated")
            is_looping = at(status, "state", "waiting", "reason") == "CrashLoopBackOff"
            is_init = kind == "initContainerStatuses" and status.get("ready") is not True
            is_running = is_init and at(status, "state", "running") is not None and not ended
            if is_running or is_looping or (ended and ended.get("exitCode") != 0):
                yield _Crash(
                    namespace=at(pod, "metadata", "namespace") or "",
                    pod=at(pod, "metadata", "name") or "",
                    uid=at(pod, "metadata", "uid") or "",
                    container=status.get("name") or "",
                    restarts=status.get("restartCount") or 0,
                    is_back=at(status, "state", "running") is not None and not is_running,
                    is_running=is_running,
                )
