"""The program: `bump`, and `python -m bumper`. Signals are heard before all else is loaded, which takes a while on a busy machine."""

import gc
import signal
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs these arguments, or those of the process, and returns the exit code."""
    _let_signals_interrupt()
    # What is imported, and what is read of a tree, stays until the end: to look for garbage among it as often as Python does takes
    # up to a fifth of the time over a large tree.
    gc.set_threshold(50_000)
    try:
        from bumper.cli import main as run
    except KeyboardInterrupt:
        from bumper.errors import EXIT_INTERRUPTED

        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
    return run(arguments)


def _let_signals_interrupt() -> None:
    # A workflow that is cancelled, a pod that is stopped, a terminal that is closed: they too are told where things stand, and nothing
    # is left behind. Who ignores a signal (nohup) goes on ignoring it.
    for stop in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(stop) is not signal.SIG_IGN:
            signal.signal(stop, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main())
