"""Which program this is: its name and version, as the file says that its package is made from, or the installed package itself."""

from pathlib import Path

from bumper.errors import UsageError

_PACKAGE = "gitops-bump"
# Where the program lies: in a checkout with the file that its package is made from.
_FOLDER = Path(__file__).parents[2]


def name_and_version(folder: Path = _FOLDER, package: str = _PACKAGE) -> str:
    """`gitops-bump 0.1.0`; UsageError where nothing says which version it is.

    A checkout comes before what is installed: its files are those that run.
    """
    if version := _of_checkout(folder, package) or _installed(package):
        return f"{package} {version}"
    raise UsageError(
        f"{folder}: no version is known: this is no checkout, and {package} is not installed",
        hint="install it, or run it from a checkout",
    )


def installed_from(package: str = _PACKAGE) -> tuple[str, str]:
    """The URL and the full SHA that it was installed from by git; two empty texts where it was not, or where a checkout runs.

    Source: PyPA, "Recording the Direct URL Origin of installed distributions".
    """
    import json
    from importlib import metadata

    try:
        record = json.loads(metadata.distribution(package).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return "", ""
    commit = record.get("vcs_info", {}).get("commit_id", "")
    return (str(record.get("url", "")), str(commit)) if commit else ("", "")


def _of_checkout(folder: Path, package: str) -> str:
    # Like the one below, needed for this answer alone and slow to import.
    import tomllib

    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return ""
    # Among installed packages such a file may be anybody's.
    return str(project.get("version", "")) if project.get("name") == package else ""


def _installed(package: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
