"""The message of a commit that deploys: a subject for people, a sentence on each change, and trailers for programs.

Law: `records(compose(x)) == x`, whatever stands in it: no value breaks out of its own trailer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bumper.history.trailers import one_line
from bumper.image import ImageReference

NO_TAG = "no tag"  # no image can have a tag with a space


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


def compose(
    deploys: Sequence[Deploy], origin: Origin, reason: str = "", *, rollback_of: str = "", forced: str = ""
) -> str:
    """The commit message: subject, a sentence on each change, and the trailers.

    `rollback_of` is the full SHA of the deploy that is taken back, `forced` names the guards that were overridden: `older, held`.
    """
    sentences = [
        f"{deploy.path}: {deploy.previous.repository} goes from {_tag(deploy.previous)} to {_tag(deploy.image)}."
        for deploy in deploys
    ]
    trailers = [trailer for deploy in deploys for trailer in _trailers(deploy)]
    trailers += [
        ("Reason", reason),
        ("Rollback-Of", rollback_of),
        ("Bump-Forced", forced),
        *origin.trailers(),
    ]
    return worded(_subject(deploys, is_rollback=bool(rollback_of)), sentences, trailers)


def worded(subject: str, sentences: Sequence[str], trailers: Sequence[tuple[str, str]]) -> str:
    """A whole message. A trailer without a value is left out."""
    lines = [(key, one_line(value)) for key, value in trailers]
    body = "\n".join(one_line(sentence) for sentence in sentences)
    block = "\n".join(f"{key}: {value}" for key, value in lines if value)
    return f"{one_line(subject)}\n\n{body}\n\n{block}\n"


def _subject(deploys: Sequence[Deploy], *, is_rollback: bool) -> str:
    first = deploys[0]
    more = f" and {len(deploys) - 1} more" if len(deploys) > 1 else ""
    if is_rollback:
        return f"Roll {first.site} back to {first.image.tag}{more}"
    return f"Deploy {first.site} {first.image.tag}{more}"


def _trailers(deploy: Deploy) -> list[tuple[str, str]]:
    return [
        ("Bump-Site", deploy.site),
        ("Bump-Image", deploy.image.repository),
        ("Bump-From", _tag(deploy.previous)),
        ("Bump-To", deploy.image.tag),
        ("Bump-Digest", deploy.image.digest),
    ]


def _tag(image: ImageReference) -> str:
    return image.tag or image.digest or NO_TAG
