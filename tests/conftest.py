"""What several test modules share."""

import os
import signal

import examples
import pytest

# The end-to-end tests need a stack that `make e2e` builds, those of the action a runner (`make actions`); `make test` must run on a
# machine without Go.
collect_ignore = ["e2e", "actions"]

# A shell that starts the tests in the background makes them deaf to Ctrl-C and to a terminal that is closed, and every program that
# they start: some of those are interrupted on purpose.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

examples.register()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More workers than cores, since a test of a rollout or of a pull request waits for most of its time."""
    return 2 * (os.cpu_count() or 1)
