"""Deploy records in commit messages.

Law: a commit made by `bump` says in its trailers which site went from which image to which, so that history needs no database.
One record is one block of trailers that begins with `Bump-Site`; several sites in one commit are several blocks.
Trailers: https://git-scm.com/docs/git-interpret-trailers
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bumper.image import ImageReference


@dataclass(frozen=True)
class Deploy:
    """One site going from one image to another, in the file that was changed."""

    site: str
    path: str
    previous: ImageReference
    image: ImageReference


@dataclass(frozen=True)
class Origin:
    """Where the request came from; what is not known is empty and leaves no trailer."""

    source_repository: str = ""
    source_commit: str = ""
    workflow_run: str = ""
    requested_by: str = ""

    def trailers(self) -> list[tuple[str, str]]:
        """The trailers that hold for the whole commit."""
        return [
            ("Source-Repository", self.source_repository),
            ("Source-Commit", self.source_commit),
            ("Workflow-Run", self.workflow_run),
            ("Requested-By", self.requested_by),
        ]


def compose(deploys: Sequence[Deploy], origin: Origin, reason: str = "") -> str:
    """The commit message: subject, a sentence on each change, and the trailers."""
    first = deploys[0]
    more = f" and {len(deploys) - 1} more" if len(deploys) > 1 else ""
    sentences = [
        f"{deploy.path}: {deploy.previous.repository} goes from {_written(deploy.previous)} to {_written(deploy.image)}."
        for deploy in deploys
    ]
    trailers = [trailer for deploy in deploys for trailer in _trailers(deploy)]
    trailers += [("Reason", reason), *origin.trailers()]
    body = "\n".join(sentences)
    block = "\n".join(f"{key}: {_one_line(value)}" for key, value in trailers if value)
    return f"Deploy {first.site} {first.image.tag}{more}\n\n{body}\n\n{block}\n"


def recorded(message: str, site: str) -> ImageReference | None:
    """The image that a commit put on the site, with its digest where one was recorded; None where the message says nothing of it."""
    fields: dict[str, str] = {}
    block = ""
    for line in message.strip().rpartition("\n\n")[2].splitlines():
        key, _, value = line.partition(": ")
        block = value if key == "Bump-Site" else block
        if block == site and key.startswith("Bump-"):
            fields[key] = value
    image, tag = fields.get("Bump-Image"), fields.get("Bump-To")
    return ImageReference(image, tag, fields.get("Bump-Digest", "")) if image and tag else None


def _trailers(deploy: Deploy) -> list[tuple[str, str]]:
    return [
        ("Bump-Site", deploy.site),
        ("Bump-Image", deploy.image.repository),
        ("Bump-From", _written(deploy.previous)),
        ("Bump-To", deploy.image.tag),
        ("Bump-Digest", deploy.image.digest),
    ]


def _written(image: ImageReference) -> str:
    return image.tag or image.digest or "no tag"


def _one_line(value: str) -> str:
    # A line break in a value would start a trailer of its own.
    return " ".join(value.split())
