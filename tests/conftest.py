"""What several test modules share."""

import signal

import examples

# The end-to-end tests need a stack that `make e2e` builds, those of the action a runner (`make actions`); `make test` must run on a
# machine without Go.
collect_ignore = ["e2e", "actions"]

# A shell that starts the tests in the background makes them deaf to Ctrl-C and to a terminal that is closed, and every program that
# they start: some of those are interrupted on purpose.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

examples.register()
