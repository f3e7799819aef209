"""Where we stand: the checkout around a directory, and what its own configuration says about the way to its origin.

Law: a repository of this machine is read, and nothing that its own configuration names is run: it may be somebody else's. Inside of a
checkout no folder is taken for a bare repository, since a commit may bring one, with a configuration of its own.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from bumper.address import is_github_name
from bumper.errors import UsageError
from bumper.systems.file import is_directory, nearest_with
from bumper.systems.git.address import environment, is_url
from bumper.systems.git.program import LOCAL_S, Output, Program, pairs, program, run

# What git would run for a question that writes nothing (git-config(1)): what watches files, and what checks a signature for `show`.
_INERT = (("core.fsmonitor", "false"), ("core.hooksPath", os.devnull), ("log.showSignature", "false"))


def checkout_root(directory: Path, environ: Mapping[str, str], *, timeout_s: float = LOCAL_S) -> Path | None:
    """The top of the git checkout that `directory` is in, None outside of any."""
    output = ask(directory, environ, "rev-parse", "--show-toplevel", timeout_s=timeout_s)
    return Path(output.stdout.removesuffix("\n")) if output.status == 0 else None


def origin_of(directory: Path, environ: Mapping[str, str]) -> str | None:
    """The URL of `origin` as configured, None where there is none. May hold a credential: `Remote` takes it, nobody prints it."""
    output = ask(directory, environ, "config", "--get", "remote.origin.url")
    url = output.stdout.removesuffix("\n")
    if output.status or not url:
        return None
    # A relative path counts from the top of the checkout.
    return url if is_url(url) else str((checkout_root(directory, environ) or directory) / url)


def way_from(
    directory: Path, environ: Mapping[str, str], *, to_origin: bool = True
) -> tuple[str, list[tuple[str, str]]]:
    """The URL that a directory stands for, and the settings of its own configuration for the way there: its origin, or itself.

    They may hold a credential, as actions/checkout leaves it, and go where the token goes: into the environment of git's processes.
    """
    if not is_directory(directory):
        server = environ.get("GITHUB_SERVER_URL") or "https://github.com"
        is_name = is_github_name(str(directory))
        raise UsageError(
            f"{directory}: neither a URL nor a directory",
            hint=f"--repo {server}/{directory}.git" if is_name else "check --repo",
        )
    bare = ask(directory, environ, "rev-parse", "--is-bare-repository")
    if bare.status:
        raise UsageError(f"{directory}: not a git repository", hint="check --repo")
    if bare.stdout.strip() == "true":
        return str(directory.resolve()), []
    if not to_origin:
        return str(checkout_root(directory, environ) or directory.resolve()), []
    origin = origin_of(directory, environ)
    if origin is None:
        raise UsageError(
            f"{directory}: has no remote called origin", hint="name the repository with --repo URL"
        )
    pattern = r"^(http|credential|url)\.|^core\.sshcommand$"
    config = ask(directory, environ, "config", "--local", "--includes", "-z", "--get-regexp", pattern)
    return origin, pairs(config.stdout)


def local(directory: Path, environ: Mapping[str, str]) -> Program:
    """The git program in a directory of this machine that somebody else may have filled."""
    # Git finds the checkout all the same, and ends where it would have taken a folder in it for a repository (2.38).
    bare = (("safe.bareRepository", "explicit"),) if nearest_with(".git", directory.resolve()) else ()
    return program(directory, {**environ, **environment((*_INERT, *bare), environ)})


def ask(directory: Path, environ: Mapping[str, str], *arguments: str, timeout_s: float = LOCAL_S) -> Output:
    """Git's answer in `directory`, failures included; names of files keep their bytes. UsageError where it does not trust it."""
    output = run(local(directory, environ), *arguments, names_files=True, timeout_s=timeout_s)
    if "dubious ownership" in output.stderr:
        raise UsageError(
            f"{directory}: git does not trust this checkout, since another user owns it",
            hint=f"git config --global --add safe.directory {directory}",
        )
    if "cannot use bare repository" in output.stderr:
        raise UsageError(
            f"{directory}: is a folder of a checkout that looks like a bare repository, and is not used as one",
            hint="stand in another folder of the checkout, or name the repository with --repo URL",
        )
    return output
