"""From the request to the commit on the branch, and what may refuse it."""
