"""Whether an image is there: the manifest itself, asked of the registry that the image names.

One way in for the caller, whatever the registry: each credential that fits it is tried in turn, what `docker login` left first (it was
meant for this very registry), then the identity that Azure knows us by where it is an Azure Container Registry, then none.
"""

import re
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import product
from typing import TYPE_CHECKING, Protocol, TypeVar

from bumper.build_order import SHA_PREFIX, TAG_PREFIXES, tag_prefix
from bumper.dataclasses import dataclass, field
from bumper.errors import BumpError, ImageAmbiguous, ImageMissing, NoAccess, RepositoryMissing, Transient
from bumper.image import ImageManifest, ImageReference
from bumper.ports.run import Clock
from bumper.ports.threads import FirstAlone, held
from bumper.systems.registry.acr import AcrRegistry, is_azure_challenge, is_azure_name
from bumper.systems.registry.credentials import from_docker, from_github
from bumper.systems.registry.distribution import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Document,
    parse_challenges,
    platform_of,
)
from bumper.systems.registry.http import Connection, is_local
from bumper.systems.registry.oci import OciRegistry
from bumper.systems.registry.tags import Tags

if TYPE_CHECKING:
    import httpx

_FULL_SHA = re.compile(r"[0-9a-f]{40}")
# How many digits of a commit's SHA workflows put in a tag: git's default, what it grows to in large repositories, all.
_TAG_LENGTHS = (7, 8, 9, 10, 11, 12, 40)
_T = TypeVar("_T")


class _BackEnd(Protocol):
    @property
    def credential(self) -> str: ...

    def manifest(self, image: ImageReference) -> Document: ...

    def blob(self, image: ImageReference, digest: str) -> Document: ...

    def tags(self, image: ImageReference) -> Tags: ...


@dataclass
class _Ways:
    """The back ends that may lead into one registry, in the order to try them; `refusals` are credentials that could not be had."""

    back_ends: list[_BackEnd] = field(default_factory=list)
    refusals: list[NoAccess] = field(default_factory=list)


class Registry:
    """All registries that a run asks. `resolve`, `tag_for` and `near` may be asked from several threads at once.

    `timeout_s` bounds each wait for the network. What may heal is raised as Transient and never retried here: the caller has the
    deadline. The Azure libraries read the process's own environment, whatever `environ` holds. `transport` replaces httpx's own.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        clock: Clock,
        timeout_s: float = 10.0,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self._environ = environ
        self._clock = clock
        self._timeout_s = timeout_s
        self._transport = transport
        self._stack = ExitStack()
        self._ways: dict[str, _Ways] = {}
        self._proven: dict[str, _BackEnd] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._through: dict[str, threading.Event] = {}

    def close(self) -> None:
        """Closes every connection of the run."""
        self._stack.close()

    def resolve(self, image: ImageReference, *, behind: bool = False) -> ImageManifest:
        """What the registry holds under `image`'s digest or else its tag (`latest` where it has neither, as kubelet reads it).

        Raises ImageMissing, NoAccess or Transient; Unreachable for an answer that proves nothing. `behind`: nobody waits yet for this
        question, which is begun when somebody else's first one to that registry has found the way in.
        """
        if behind:
            self._way_in(image.registry).wait()
        if not image.tag and not image.digest:
            image = image.with_tag("latest")
        document = self._asking(image, lambda back_end: back_end.manifest(image))
        return self._described(image, document)

    def tag_for(self, repository: ImageReference, sha: str) -> ImageManifest:
        """The image that was built from the commit `sha`: of a full SHA the shortest tag that is its beginning, 7 digits or more.

        Tags with `sha-` before the digits are tried after plain ones, or first where `repository` has such a tag.
        A tag is passed over where the image's own label says that another commit with the same first digits made it. Where it has no
        such label, another image under all 40 digits makes it ambiguous. Anything but 40 hex digits is the tag itself. Raises as
        `resolve` does, and ImageMissing or ImageAmbiguous.
        """
        lengths = _TAG_LENGTHS if _FULL_SHA.fullmatch(sha) else (len(sha),)
        prefixes = sorted(TAG_PREFIXES, key=lambda prefix: prefix != tag_prefix(repository.tag))
        others: list[str] = []
        missing: ImageMissing | None = None
        for prefix, length in product(prefixes, lengths):
            try:
                image_manifest = self.resolve(repository.with_tag(prefix + sha[:length]))
            except RepositoryMissing:
                raise
            except ImageMissing as error:
                missing = missing or error
                continue
            if len(lengths) == 1 or self._is_of(image_manifest, prefix, sha, others):
                return image_manifest
        if missing and len(lengths) == 1:
            raise missing
        tried = f"{sha[:7]} to {sha[:12]} and all 40 digits, each also after sha-"
        raise ImageMissing(
            f"{repository.repository}: the registry has no tag for commit {sha}: tried {tried}"
            + "".join(f"; {other}" for other in others),
            hint="push the image, or name its tag with --tag",
        )

    def _is_of(self, image_manifest: ImageManifest, prefix: str, sha: str, others: list[str]) -> bool:
        """Whether the image was built from `sha`; where its label says that another commit made it, that is added to `others`."""
        tag, label = image_manifest.image.tag, image_manifest.revision
        # A label that does not begin with the tag was inherited from the base image: it says nothing of this commit.
        if label.startswith(tag.removeprefix(prefix)) and not sha.startswith(label):
            others.append(f"{tag} is there, but was built from {label}")
            return False
        is_proven = label and sha.startswith(label)
        if not is_proven and tag != prefix + sha:
            self._refuse_ambiguity(image_manifest, prefix + sha)
        return True

    def credential(self, image: ImageReference) -> str:
        """Where the credential was found that opened the image's repository, no part of it; empty before it was asked."""
        proven = self._proven.get(image.repository)
        return proven.credential if proven else ""

    def reach(self, registry: str) -> str:
        """What the registry's clock showed when it answered (HTTP's `Date`, empty where it does not say).

        Raises Transient where nobody answers, NoAccess where the certificate is not trusted.
        """
        connection = Connection(
            registry,
            environ=self._environ,
            now=self._clock.now,
            timeout_s=self._timeout_s,
            transport=self._transport,
        )
        try:
            return connection.ask(registry, "/v2/", {}).headers.get("date", "")
        finally:
            connection.close()

    def tags(self, image: ImageReference) -> Tags:
        """The first page of the repository's tags; raises as `resolve` does."""
        return self._asking(image, lambda back_end: back_end.tags(image))

    def near(self, image: ImageReference) -> str:
        """What the repository has instead of `image`'s tag, as a phrase; empty where the registry does not say."""
        try:
            return self._asking(image, lambda back_end: back_end.tags(image)).described(image.tag)
        except BumpError:
            return ""

    def _refuse_ambiguity(self, image_manifest: ImageManifest, whole_tag: str) -> None:
        """Raises ImageAmbiguous where the tag with all digits is there too, and is another image."""
        whole = image_manifest.image.with_tag(whole_tag)
        try:
            exact = self._asking(whole, lambda back_end: back_end.manifest(whole))
        except ImageMissing:
            return
        if exact.digest != image_manifest.image.digest:
            raise ImageAmbiguous(
                f"{image_manifest.image.repository}: two images for commit {whole_tag.removeprefix(SHA_PREFIX)}: the tag "
                f"{image_manifest.image.tag} is {image_manifest.image.digest}, "
                f"the tag {whole_tag} is {exact.digest}, and no label says which one was built from it",
                hint="name the tag with --tag",
            )

    def _described(self, image: ImageReference, document: Document) -> ImageManifest:
        """The manifest with what the image says about itself, for which its configuration is read."""
        if document.media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
            raise ImageMissing(
                f"{image}: the registry holds {document.media_type or 'something without a type'} there, "
                "which is no image that a cluster can pull",
                hint="push an image with a manifest of Docker's schema 2 or of OCI",
            )
        if document.media_type in INDEX_TYPES and not document.children:
            raise ImageMissing(
                f"{image}: the registry holds an index there that names no image",
                hint="push the image itself, for each platform that must run it",
            )
        platforms = tuple(child.platform for child in document.children if child.platform)
        config = self._configuration(image, document)
        labels = {**(config.labels if config else {}), **document.labels}
        return ImageManifest(
            ImageReference(image.repository, image.tag, document.digest),
            document.media_type,
            platforms or tuple(filter(None, [platform_of(config.fields) if config else ""])),
            labels.get("org.opencontainers.image.revision", ""),
            labels.get("org.opencontainers.image.source", ""),
            str(config.fields.get("created") or "") if config else "",
            tuple(child.digest for child in document.children),
        )

    def _configuration(self, image: ImageReference, document: Document) -> Document | None:
        """The configuration of the image, for an index that of its first image; None where there is none."""
        if document.children:
            child = ImageReference(image.repository, digest=document.children[0].digest)
            document = self._asking(child, lambda back_end: back_end.manifest(child))
        digest = document.config_digest
        return self._asking(image, lambda back_end: back_end.blob(image, digest)) if digest else None

    def _asking(self, image: ImageReference, question: Callable[[_BackEnd], _T]) -> _T:
        """The answer of the first back end that has access, which is asked first from then on."""
        try:
            return self._answered(image, question)
        except TimeoutError:
            raise Transient(
                f"{image}: {image.registry} is still asked by another question, which is late"
            ) from None

    def _answered(self, image: ImageReference, question: Callable[[_BackEnd], _T]) -> _T:
        proven = self._proven.get(image.repository)
        if proven:
            return question(proven)
        ways = self._ways_into(image.registry)
        refusals = list(ways.refusals)
        for back_end in ways.back_ends:
            try:
                answer = question(back_end)
            except NoAccess as refusal:
                refusals.append(refusal)
                continue
            self._proven[image.repository] = back_end
            return answer
        raise _combined(image, refusals)

    def _ways_into(self, registry: str) -> _Ways:
        # One thread finds them for all: programs for credentials run once.
        with held(self._locks.setdefault(registry, threading.Lock())):
            if registry not in self._ways:
                self._ways[registry] = self._found_ways(registry)
            return self._ways[registry]

    def _way_in(self, registry: str) -> threading.Event:
        """Whether the first question to this registry has found its way in."""
        return self._through.setdefault(registry, threading.Event())

    def _found_ways(self, registry: str) -> _Ways:
        ways, through = _Ways(), self._way_in(registry).set
        connection = Connection(
            registry,
            environ=self._environ,
            now=self._clock.now,
            timeout_s=self._timeout_s,
            transport=self._transport,
        )
        self._stack.callback(connection.close)
        for find in (from_docker, from_github):
            try:
                credential = find(registry, self._environ)
            except NoAccess as refusal:
                ways.refusals.append(refusal)
                continue
            if credential:
                ways.back_ends.append(OciRegistry(connection, credential, FirstAlone(through)))
        if self._is_azure(registry, connection):
            acr = AcrRegistry(
                registry,
                lambda: connection.origin,
                door=FirstAlone(through),
                environ=self._environ,
                timeout_s=self._timeout_s,
            )
            self._stack.callback(acr.close)
            ways.back_ends.append(acr)
        ways.back_ends.append(OciRegistry(connection, None, FirstAlone(through)))
        return ways

    @staticmethod
    def _is_azure(registry: str, connection: Connection) -> bool:
        # A name may be ours to trust, a challenge is not: anybody can ask for a token that opens all our Azure registries. So only
        # a registry on this machine is taken for Azure's by what it says.
        if not is_local(registry):
            return is_azure_name(registry)
        return is_azure_challenge(registry, parse_challenges(connection.knock()))


def _combined(image: ImageReference, refusals: list[NoAccess]) -> NoAccess:
    """One error for all credentials that were refused, with the hint of the first credential that a person set up."""
    if len(refusals) == 1:
        return refusals[0]
    reasons = "; ".join(refusal.message.removeprefix(f"{image}: ") for refusal in refusals)
    return NoAccess(f"{image}: {reasons}", hint=refusals[0].hint)
