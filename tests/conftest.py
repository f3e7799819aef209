"""What several test modules share."""

# The end-to-end tests need a stack that `make e2e` builds, those of the action a runner (`make actions`); `make test` must run on a
# machine without Go.
collect_ignore = ["e2e", "actions"]
