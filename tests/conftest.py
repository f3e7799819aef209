"""What several test modules share."""

# The end-to-end tests need a stack that `make e2e` builds; `make test` must run on a machine without Go.
collect_ignore = ["e2e"]
