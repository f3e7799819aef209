"""Any registry that speaks the OCI distribution API: Bearer and Basic challenges as the distribution project describes them.

Source: https://github.com/distribution/distribution `docs/content/spec/auth`, version 2.8: `token.md` and `oauth.md`.
"""

from bumper.address import host_of
from bumper.errors import NoAccess, Unreachable
from bumper.image import ImageReference, is_tag
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
    """One registry, asked with one credential or, without, as anybody. Tokens are kept for each repository until they are refused."""

    def __init__(self, connection: Connection, credential: Credential | None) -> None:
        self._connection = connection
        self._credential = credential or Credential("no credential")
        self._authorizations: dict[str, str] = {}

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
        answer = self._ask(image, path, accept)
        if answer.status == 401 and "www-authenticate" in answer.headers:
            self._authorizations[image.path] = self._authorize(image, answer.headers["www-authenticate"])
            answer = self._ask(image, path, accept)
        if answer.status in (401, 403):
            self._authorizations.pop(image.path, None)
        if answer.status != 200:
            raise failure(str(image), answer, tried=self._credential.source, hint=self._hint())
        return answer

    def _ask(self, image: ImageReference, path: str, accept: str) -> Answer:
        authorization = self._authorizations.get(image.path)
        headers = {"Accept": accept} | ({"Authorization": authorization} if authorization else {})
        return self._connection.ask(str(image), path, headers)

    def _authorize(self, image: ImageReference, challenge_header: str) -> str:
        """The value of `Authorization` that the challenge asks for. Raises NoAccess where our credential cannot satisfy it."""
        for challenge in parse_challenges(challenge_header):
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                return f"Bearer {self._credential.bearer_token or self._token(image, challenge)}"
            if challenge.scheme == "basic" and self._credential.password:
                return basic(self._credential)
        raise NoAccess(
            f"{image}: no access with {self._credential.source}: the registry asks for {challenge_header[:200]!r}",
            hint=self._hint(),
        )

    def _token(self, image: ImageReference, challenge: Challenge) -> str:
        realm = challenge.parameters["realm"]
        scope = challenge.parameters.get("scope") or f"repository:{image.path}:pull"
        query = {"service": challenge.parameters.get("service", ""), "scope": scope}
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
