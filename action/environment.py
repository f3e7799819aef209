"""Which of the variables that earlier steps of the job left reach `bump` and the programs that it starts.

Law: a variable that makes a program load or run something, or that sends a credential past TLS or into a file, is dropped; whoever
needs one of them has git's or the program's own configuration file. What names a file is made absolute, since no process of ours
stands in the workspace. Standard library only, and none of it that loads OpenSSL, which takes its configuration from the environment.
"""

import os
from collections.abc import Mapping
from pathlib import Path

# By the manuals of bash, ld.so, Python, pip, git, Perl, Ruby, Node.js, Java, glibc's iconv and OpenSSL.
_DROPPED_PREFIXES = (
    "BASH_", "DYLD_", "GIT_", "JAVA_TOOL_", "LD_", "NODE_", "OPENSSL_", "PERL5", "PIP_", "PYTHON", "RUBY",
)  # fmt: skip
_DROPPED = {
    "BASHOPTS", "CDPATH", "CURL_HOME", "ENV", "GCONV_PATH", "IFS", "NETRC", "PS4", "SHELLOPTS", "SSH_ASKPASS",
    "SSLKEYLOGFILE",
}  # fmt: skip
# Whose name stands in the commit, and which authorities are trusted.
_KEPT = {"GIT_SSL_CAINFO", "GIT_SSL_CAPATH"} | {
    f"GIT_{role}_{field}" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL", "DATE")
}
_PATHS = {
    "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CONFIG_DIR", "AZURE_FEDERATED_TOKEN_FILE", "BUMP_APP_PRIVATE_KEY_FILE",
    "CURL_CA_BUNDLE", "DOCKER_CONFIG", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GOOGLE_APPLICATION_CREDENTIALS",
    "KUBECONFIG", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR",
}  # fmt: skip
# Where programs look for configuration of the person who runs them.
_HOMES = ("HOME", "XDG_CONFIG_HOME")
# A folder of a checkout that looks like a bare repository is none, and no program watches files for git.
_GIT_SETTINGS = (("safe.bareRepository", "explicit"), ("core.fsmonitor", "false"))
# What pip may know: how to reach an index. Whatever answers there, hashes decide what is installed.
_PIP = {
    "PIP_CERT", "PIP_CLIENT_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_PROXY",
    "PIP_RETRIES", "PIP_TRUSTED_HOST",
    "ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "all_proxy", "https_proxy", "http_proxy", "no_proxy",
    "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE",
    "LANG", "LC_ALL", "TMPDIR",
}  # fmt: skip


def for_bump(environ: Mapping[str, str], *, empty: Path) -> dict[str, str]:
    """What `bump` and its children get. `empty` is a folder without files, the home where the given one is in the workspace."""
    workspace = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd())
    kept = {name: value for name, value in environ.items() if not _is_dropped(name)}
    kept |= {name: _absolute(kept[name], workspace) for name in _PATHS & kept.keys()}
    kept |= {name: str(empty) for name in _HOMES if _is_inside(kept.get(name, ""), workspace)}
    return {**kept, "PATH": _search_path(environ), **_git_settings()}


def for_pip(environ: Mapping[str, str], *, empty: Path) -> dict[str, str]:
    """What pip gets: nothing that a person or the workspace configured; the machine's own configuration (/etc/pip.conf) stays."""
    kept = {name: value for name, value in environ.items() if name in _PIP}
    # A machine that forbids pip outside of virtual environments does not mean a folder of ours.
    ours = {"HOME": str(empty), "PIP_REQUIRE_VIRTUALENV": "0", "PIP_ROOT_USER_ACTION": "ignore"}
    return {**kept, "PATH": _search_path(environ), **ours}


def dropped(environ: Mapping[str, str]) -> list[str]:
    """The names of the variables that hold something and that `bump` does not get, in order and printable."""
    return sorted(ascii(name)[1:-1] for name, value in environ.items() if value and _is_dropped(name))


def _is_dropped(name: str) -> bool:
    return name in _DROPPED or (name.startswith(_DROPPED_PREFIXES) and name not in _KEPT)


def _search_path(environ: Mapping[str, str]) -> str:
    """PATH without what counts from the directory that a process happens to be in."""
    places = environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(place for place in places if Path(place).is_absolute()) or os.defpath


def _absolute(paths: str, workspace: Path) -> str:
    """One path or several, as KUBECONFIG holds them."""
    return os.pathsep.join(path and str(workspace / path) for path in paths.split(os.pathsep))


def _is_inside(path: str, workspace: Path) -> bool:
    return bool(path) and (workspace / path).resolve().is_relative_to(workspace.resolve())


def _git_settings() -> dict[str, str]:
    variables = {"GIT_CONFIG_COUNT": str(len(_GIT_SETTINGS))}
    for number, (key, value) in enumerate(_GIT_SETTINGS):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables
