"""Commit objects: who is said to have made them, and whether they are signed.

Law: author and committer are git's own choice (GIT_AUTHOR_NAME …, user.name, user.email), or `bump` where nobody is configured;
signed is what `commit.gpgsign` asks for, or nothing is written.
"""

from collections.abc import Mapping, Sequence

from bumper.errors import UsageError
from bumper.systems.git.repository import Repository

_NOBODY = {"name": "bump", "email": "bump@localhost"}


def commit_tree(
    repository: Repository, environ: Mapping[str, str], tree: str, parents: Sequence[str], message: str
) -> str:
    """The sha of a new commit of this tree."""
    config = _configured(repository)
    sign = ["-S"] if config.get("commit.gpgsign", "").lower() in ("true", "yes", "on", "1") else []
    output = repository.run(
        *("commit-tree", tree, *(part for parent in parents for part in ("-p", parent)), *sign, "-F", "-"),
        stdin=message.encode(),
        environ=_fallback_identity(config, environ),
        may_fail=bool(sign),
    )
    if output.status:
        raise UsageError(
            f"git commit-tree: the commit was not signed: {output.stderr.strip()}",
            hint="commit.gpgsign asks for a signature: make the key usable here, or set it to false",
        )
    return output.stdout.strip()


def author(repository: Repository, environ: Mapping[str, str]) -> str:
    """`NAME <EMAIL>` of the author that such a commit would name; UsageError where nobody is configured."""
    missing = _fallback_identity(_configured(repository), environ)
    if lacking := [name for name in missing if name.startswith("GIT_AUTHOR")]:
        raise UsageError(
            f"--signoff: nobody is named as the author of the commit who could sign it off: {' and '.join(lacking)} not set",
            hint="set GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL, or git's user.name and user.email",
        )
    written = repository.run("var", "GIT_AUTHOR_IDENT", environ=missing).stdout
    return written.rpartition(">")[0] + ">"


def _configured(repository: Repository) -> dict[str, str]:
    """What git's configuration says of these names; nothing where git cannot read it, which the next command says."""
    return dict(repository.configured or ())


def _fallback_identity(config: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for what neither the environment nor git's configuration says; git itself would guess from the machine's name."""
    missing = {}
    for role in ("author", "committer"):
        for part, nobody in _NOBODY.items():
            variable = f"GIT_{role}_{part}".upper()
            configured = config.get(f"{role}.{part}") or config.get(f"user.{part}")
            if not (environ.get(variable) or configured or (part == "email" and environ.get("EMAIL"))):
                missing[variable] = nobody
    return missing
