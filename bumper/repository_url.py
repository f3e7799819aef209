"""The name of a git repository, whatever form its URL has."""

import re

_REPOSITORY_URL = re.compile(
    r"(?:(?:git\+)?[a-z+]+://)?(?:[^@/]+@)?(?P<host>[^/:@]+\.[^/:@]+|localhost)(?::[0-9]+(?=/))?[/:](?P<path>[^?#]+)"
)


def repository_name(url: str) -> str:
    """`host/owner/name` of a git repository's URL in any of its forms, in lower case; empty for anything else."""
    match = _REPOSITORY_URL.fullmatch(url.strip().lower())
    if not match:
        return ""
    path = match["path"].strip("/").removesuffix(".git")
    return f"{match['host']}/{path}" if path else ""
