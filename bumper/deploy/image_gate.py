"""The registry gate: a commit is made only for an image that exists, can run where it must, and was built from the commit asked for.

Law: the manifest itself decides, never a list of tags. What heals is waited for up to a deadline; what the image says against
itself is refused at once.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple, Self

from bumper.build_order import tag_prefix
from bumper.deploy import image_policy
from bumper.deploy.image_policy import Nodes
from bumper.errors import BumpError, ImageMissing, RepositoryMissing, Transient
from bumper.fluxtree.sites.find import Target
from bumper.history import record
from bumper.image import ImageManifest, ImageReference
from bumper.ports.deadline import until
from bumper.ports.git import Repository
from bumper.ports.registry import Registry
from bumper.ports.run import Clock, Progress
from bumper.ports.threads import side_by_side
from bumper.request import Request, Wanted
from bumper.retry import attempts

_FULL_SHA, _SHORT_SHA = 40, 7
# What may be different when it is asked again.
_HEALS = (ImageMissing, Transient)
_REMEDY = (
    "push it, name a tag that is there, or wait longer for the build that pushes it: --wait-for-image 5m"
)


class _Question(NamedTuple):
    """What the registry is asked for one site; several sites may have the same."""

    image: ImageReference
    commit: str = ""

    @classmethod
    def of(cls, wanted: Wanted, deployed: ImageReference) -> Self:
        if wanted.is_commit:
            # Of the tag that is deployed it only matters how tags begin here.
            return cls(deployed.with_tag(tag_prefix(deployed.tag)), wanted.version)
        return cls(deployed.with_tag(wanted.version))

    def ask(self, registry: Registry) -> ImageManifest:
        return registry.tag_for(self.image, self.commit) if self.commit else registry.resolve(self.image)


def resolve(
    request: Request,
    targets: Mapping[str, Target],
    registry: Registry,
    clock: Clock,
    progress: Progress,
    nodes: Callable[[], Sequence[Nodes]] = tuple,
) -> dict[str, ImageManifest]:
    """The manifest that the registry holds for each site, waiting up to the deadline for images that are still being pushed.

    Each look asks for all images that are not there yet, side by side, and once for what several sites want. Refused is what cannot
    run where it must, or says that something else was built into it.
    """
    deadline_s = clock.now() + request.deadlines.image_s
    # Without a wait there is one look, which may take as long as the registry's own limit has it.
    look_until_s = deadline_s if request.deadlines.image_s else math.inf
    manifests: dict[str, ImageManifest] = {}
    answers: Mapping[str, ImageManifest | BumpError] = {}
    for wanted in request.wanted:
        target = targets[wanted.key]
        progress.moving(target.site.label, "image", f"asking {target.image.registry}")
    try:
        for attempt in attempts(clock, deadline_s, _HEALS, max_wait_s=3.0):
            with attempt:
                pending = [wanted for wanted in request.wanted if wanted.key not in manifests]
                with until(clock, look_until_s):
                    answers = _answers(pending, targets, registry)
                for wanted in pending:
                    answer, label = answers.get(wanted.key), targets[wanted.key].site.label
                    if isinstance(answer, ImageManifest):
                        for notice in _admitted(request, wanted, answer, nodes):
                            progress.notice(f"{label}: {notice}")
                        progress.done(label, "image", _found(answer))
                        manifests[wanted.key] = answer
                    elif isinstance(answer, _HEALS):
                        progress.moving(label, "image", f"{answer.message}; looking again")
                _raise_first([answers[wanted.key] for wanted in pending if wanted.key in answers])
    except ImageMissing as error:
        missing = next(wanted for wanted in request.wanted if answers.get(wanted.key) is error)
        image = targets[missing.key].image.with_tag(missing.version)
        raise _with_what_is_near(error, image, registry) from None
    return manifests


def _answers(
    pending: Sequence[Wanted], targets: Mapping[str, Target], registry: Registry
) -> dict[str, ImageManifest | BumpError]:
    """What the registry says of each site's image, by its key. None is asked for any more after an error that is not its own."""
    answers: dict[_Question, ImageManifest | BumpError] = {}
    questions = {wanted.key: _Question.of(wanted, targets[wanted.key].image) for wanted in pending}

    def ask(question: _Question) -> None:
        try:
            answers[question] = question.ask(registry)
        except ImageMissing as error:
            answers[question] = error
        except BumpError as error:
            answers[question] = error
            raise

    with suppress(BumpError):
        side_by_side([partial(ask, question) for question in dict.fromkeys(questions.values())])
    return {key: answers[question] for key, question in questions.items() if question in answers}


def _raise_first(answers: Iterable[ImageManifest | BumpError]) -> None:
    """Raises the first error, if there is any: of those that waiting does not heal, else of all."""
    errors = [answer for answer in answers if isinstance(answer, BumpError)]
    for error in [*(each for each in errors if not isinstance(each, _HEALS)), *errors]:
        raise error


def unasked(request: Request, targets: Mapping[str, Target]) -> dict[str, ImageManifest]:
    """What the manifests would be as far as it is known without the registry: of a full SHA the tag has its first digits, after
    `sha-` where the tag that is deployed has that, too."""
    return {
        wanted.key: ImageManifest(_likely_image(wanted, targets[wanted.key].image), media_type="")
        for wanted in request.wanted
    }


def _likely_image(wanted: Wanted, deployed: ImageReference) -> ImageReference:
    if not wanted.is_commit:
        return deployed.with_tag(wanted.version)
    digits = wanted.version[:_SHORT_SHA] if len(wanted.version) == _FULL_SHA else wanted.version
    return deployed.with_tag(tag_prefix(deployed.tag) + digits)


def _with_what_is_near(error: ImageMissing, image: ImageReference, registry: Registry) -> ImageMissing:
    # Only now, when the manifest itself was not found to the end: a list of tags may lag, and decides nothing.
    near = "" if isinstance(error, RepositoryMissing) else registry.near(image)
    message = f"{error.message}; {near}" if near else error.message
    return type(error)(message, hint=_REMEDY)


def _admitted(
    request: Request, wanted: Wanted, image_manifest: ImageManifest, nodes: Callable[[], Sequence[Nodes]]
) -> list[str]:
    """What should be known of an image that may run there; raises what it says against itself."""
    if wanted.is_commit:
        image_policy.require_provenance(image_manifest, wanted.version, request.source)
    image_policy.require_platforms(image_manifest, request.platforms)
    return list(image_policy.compare_nodes(image_manifest, () if request.platforms else nodes()))


def tell_moved_tags(
    tip: str,
    targets: Mapping[str, Target],
    manifests: Mapping[str, ImageManifest],
    repository: Repository,
    progress: Progress,
) -> None:
    """Says of each tag that is deployed again when it is another image by now, as far as the file and the tip's trailers tell."""
    for key, target in targets.items():
        now, field, site = manifests[key].image, target.field, target.site
        deployed, where = target.image, f"{field.path}:{field.span.line}"
        if deployed.tag == now.tag and not deployed.digest:
            recorded = record.recorded(repository.message(tip), site.name, site.identity)
            deployed, where = recorded or deployed, f"commit {tip[:7]}"
        if deployed.tag == now.tag and deployed.digest and deployed.digest != now.digest:
            progress.notice(
                f"{site.label}: the tag {now.tag} was moved since it was deployed: {where} says {deployed.digest}, the registry has "
                f"{now.digest}"
                + (
                    ""
                    if target.image.digest
                    else "; nodes that have the old image keep it, unless --pin is used"
                )
            )


def _found(image_manifest: ImageManifest) -> str:
    digest = f"{image_manifest.image.digest[:14]}…" if image_manifest.image.digest else ""
    return "   ".join(
        filter(
            None,
            [
                str(image_manifest.image.with_tag(image_manifest.image.tag)),
                digest,
                " ".join(image_manifest.platforms[:3]),
            ],
        )
    )
