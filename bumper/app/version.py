"""Which program this is: its name and version, and where it was installed from."""

NAME = "gitops-bump"
# Here and not in pyproject.toml, which takes it from this line: a checkout and an installed package know it without reading anything.
VERSION = "0.1.0"


def name_and_version() -> str:
    """`gitops-bump 0.1.0`."""
    return f"{NAME} {VERSION}"


def installed_from() -> tuple[str, str]:
    """The URL and the full SHA that it was installed from by git; two empty texts where it was not, or where a checkout runs.

    Source: PyPA, "Recording the Direct URL Origin of installed distributions".
    """
    import json
    from importlib import metadata

    try:
        record = json.loads(metadata.distribution(NAME).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return "", ""
    commit = record.get("vcs_info", {}).get("commit_id", "")
    return (str(record.get("url", "")), str(commit)) if commit else ("", "")
