"""A machine that starts no further thread.

No limit of the system refuses some threads of a test and grants others: it counts those of the user, and none of root's. So what
starts a thread is replaced.
"""

import threading
from collections.abc import Callable

import pytest


def refuse_threads(monkeypatch: pytest.MonkeyPatch, is_refused: Callable[[threading.Thread], bool]) -> None:
    """Those for which it holds do not start, in the words of Python."""
    start = threading.Thread.start

    def granted(thread: threading.Thread) -> None:
        if is_refused(thread):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", granted)
