"""Any registry that speaks the OCI distribution API: Bearer and Basic challenges as the distribution project describes them.

Source: https://github.com/distribution/distribution `docs/content/spec/auth`, version 2.8: `token.md` and `oauth.md`;
https://github.com/containerd/containerd `core/remotes/docker/authorizer.go`, version 2.0, for a challenge that is known already.
"""

import threading

from bumper.address import host_of
from bumper.errors import BumpError, NoAccess, Transient, Unreachable
from bumper.image import ImageReference, is_tag
from bumper.ports.threads import FirstAlone, held
from bumper.systems.http.client import Answer
from bumper.systems.http.document import parse_object
from bumper.systems.registry.distribution import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Challenge,
    Document,
    described,
    failure,
    parse_challenges,
)
from bumper.systems.registry.docker_config import Credential
from bumper.systems.registry.http import Connection, basic
from bumper.systems.registry.tags import PAGE, Tags

_ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))


class OciRegistry:
    """One registry, asked with one credential or, without, as anybody, by several threads at once.

    Tokens are kept for each repository until they are refused. What the registry asked of us for one repository is brought along to
    the next one at once, as containerd does; where that does not open it, it is asked as if nothing were known.
    """

    def __init__(self, connection: Connection, credential: Credential | None, door: FirstAlone) -> None:
        self._connection = connection
        self._door = door
        self._credential = credential or Credential("no credential")
        self._authorizations: dict[str, str] = {}
        self._authorizing: dict[str, threading.Lock] = {}
        self._challenge = ""

    def __repr__(self) -> str:
        return f"OciRegistry({self._connection.registry!r}, {self._credential.source!r})"

    @property
    def credential(self) -> str:
        """Where the credential was found, as people know it."""
        return self._credential.source

    def manifest(self, image: ImageReference) -> Document:
        """The manifest or index that `image` names by digest or by tag."""
        reference = image.digest or image.tag
        answer = self._answer(image, f"/v2/{image.path}/manifests/{reference}", _ACCEPT)
        stated = answer.headers.get("docker-content-digest", "")
        return Document.proved(str(image), answer, image.digest or stated)

    def blob(self, image: ImageReference, digest: str) -> Document:
        """The configuration of the image: a blob, so its digest is all that is known of it."""
        subject = f"{image.repository}@{digest}"
        answer = self._answer(image, f"/v2/{image.path}/blobs/{digest}", "*/*")
        return Document.proved(subject, answer, digest)

    def tags(self, image: ImageReference) -> Tags:
        """The first page of the repository's tags, in the registry's own order."""
        answer = self._answer(image, f"/v2/{image.path}/tags/list?n={PAGE}", "application/json")
        names = (parse_object(answer.content) or {}).get("tags")
        if not isinstance(names, list):
            raise Unreachable(f"{image.repository}: the registry answered with something else than tags")
        tags = [name for name in names[:PAGE] if isinstance(name, str) and is_tag(name)]
        return Tags(tuple(tags), newest_first=False)

    def _answer(self, image: ImageReference, path: str, accept: str) -> Answer:
        answer, sent = self._foreseen(image, path, accept) or self._challenged(image, path, accept)
        if answer.status in (401, 403):
            self._forget(image, sent)
        if answer.status != 200:
            raise failure(str(image), answer, tried=self._credential.source, hint=self._hint())
        return answer

    def _forget(self, image: ImageReference, refused: str | None) -> None:
        """Unless another thread has got a new one since."""
        if self._authorizations.get(image.path) == refused:
            self._authorizations.pop(image.path, None)

    def _foreseen(self, image: ImageReference, path: str, accept: str) -> tuple[Answer, str | None] | None:
        """The answer where the challenge of another repository opens this one, too, and what it was asked with; None where that is
        not known, or opens nothing.
        """
        if image.path in self._authorizations or not self._challenge:
            return None
        try:
            with held(self._authorizing.setdefault(image.path, threading.Lock())):
                ours = self._authorizations.get(image.path)
                if ours is None:
                    ours = self._authorize(image, self._challenge, is_of_another=True)
                    self._authorizations[image.path] = ours
        except Transient:
            raise
        except BumpError:
            return None
        answer = self._ask(image, path, accept, ours)
        if answer.status in (400, 401, 403, 404):
            self._forget(image, ours)
            return None
        return answer, ours

    def _challenged(self, image: ImageReference, path: str, accept: str) -> tuple[Answer, str | None]:
        """The answer to a question that is authorized as the registry says, and what it was asked with."""
        # The first question goes alone until it is known what the registry asks of its callers: else all would be sent back.
        with self._door.entered():
            sent = self._authorizations.get(image.path)
            answer = self._ask(image, path, accept, sent)
            challenge = answer.headers.get("www-authenticate") if answer.status == 401 else None
            if challenge is None:
                return answer, sent
            with held(self._authorizing.setdefault(image.path, threading.Lock())):
                # Of several that were sent back at once the first one gets the token for all.
                ours = self._authorizations.get(image.path)
                if ours is None or ours == sent:
                    ours = self._authorizations[image.path] = self._authorize(image, challenge)
            self._challenge = challenge
        return self._ask(image, path, accept, ours), ours

    def _ask(self, image: ImageReference, path: str, accept: str, authorization: str | None) -> Answer:
        headers = {"Accept": accept} | ({"Authorization": authorization} if authorization else {})
        return self._connection.ask(str(image), path, headers)

    def _authorize(self, image: ImageReference, challenge_header: str, *, is_of_another: bool = False) -> str:
        """The value of `Authorization` that the challenge asks for. Raises NoAccess where our credential cannot satisfy it.

        `is_of_another`: it was given for another repository, so that the scope in it is none of this one's.
        """
        for challenge in parse_challenges(challenge_header):
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                scope = "" if is_of_another else challenge.parameters.get("scope")
                token = self._credential.bearer_token or self._token(image, challenge, scope)
                return f"Bearer {token}"
            if challenge.scheme == "basic" and self._credential.password:
                return basic(self._credential)
        raise NoAccess(
            f"{image}: no access with {self._credential.source}: the registry asks for {challenge_header[:200]!r}",
            hint=self._hint(),
        )

    def _token(self, image: ImageReference, challenge: Challenge, scope: str | None) -> str:
        realm = challenge.parameters["realm"]
        query = {
            "service": challenge.parameters.get("service", ""),
            "scope": scope or f"repository:{image.path}:pull",
        }
        subject = f"{image}: token server {host_of(realm)[:200]}"
        answer = self._connection.ask_for_token(subject, realm, query, self._credential)
        if answer.status in (400, 404):
            # What a token server calls a bad request or not found is a refusal, never a missing image.
            description = described(answer)
            raise NoAccess(f"{subject}: refused {self._credential.source}: {description}", hint=self._hint())
        if answer.status != 200:
            raise failure(subject, answer, tried=self._credential.source, hint=self._hint())
        token = _token_in(answer.content)
        if not token:
            raise NoAccess(f"{subject}: answered 200 without a token", hint=self._hint())
        return token

    def _hint(self) -> str:
        registry = self._connection.registry
        if registry == "ghcr.io":
            return "the token needs the permission packages: read, and the package must give this repository access"
        return f"log in with an account that may pull: docker login {registry}; the repository's name may be wrong, too"


def _token_in(content: bytes) -> str:
    fields = parse_object(content) or {}
    token = fields.get("token") or fields.get("access_token")
    return token if isinstance(token, str) else ""
