"""Azure Container Registry, by its own SDK, as the identity that azure-identity's DefaultAzureCredential finds.

The SDK does the exchange (Entra token, then the registry's refresh token, then an access token for one repository) and proves digests.
It keeps no access token between calls, so that each call would cost four requests: `_RememberToken` makes it one.
Source: azure-containerregistry 1.2.0 and azure-identity 1.27.0; https://github.com/Azure/acr `docs/AAD-OAuth.md` for the exchange.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bumper.errors import BumpError, NoAccess, Transient, Unreachable
from bumper.image import ImageReference
from bumper.ports.deadline import left_s
from bumper.ports.registry import azure_cloud_of
from bumper.ports.threads import FirstAlone, within
from bumper.systems.http.certificates import authorities
from bumper.systems.http.client import Answer, is_untrusted, untrusted
from bumper.systems.http.content import Content
from bumper.systems.registry.azure_transport import bounded_transport
from bumper.systems.registry.distribution import (
    MAX_DOCUMENT_BYTES,
    Challenge,
    Document,
    described,
    failure,
    one_line,
)
from bumper.systems.registry.http import ANSWER_LIMIT_S
from bumper.systems.registry.identity import Identity, open_identity
from bumper.systems.registry.tags import PAGE, Tags

if TYPE_CHECKING:
    from azure.containerregistry import ContainerRegistryClient
    from azure.core.exceptions import AzureError
    from azure.core.pipeline import PipelineRequest, PipelineResponse

_ROLE_HINT = (
    "give the identity the role AcrPull on the registry (Container Registry Repository Reader where the registry uses ABAC): "
    "az role assignment create --role AcrPull --assignee IDENTITY --scope REGISTRY-ID"
)


def is_azure_name(registry: str) -> bool:
    """Whether the host's name says that it is an Azure Container Registry: `*.azurecr.io`, `.cn`, `.us`."""
    return azure_cloud_of(registry) is not None


def is_azure_challenge(registry: str, challenges: tuple[Challenge, ...]) -> bool:
    """Whether the registry sends its callers to ACR's token endpoint, on its own host."""
    return any(
        challenge.parameters.get("realm")
        in (f"https://{registry}/oauth2/token", f"http://{registry}/oauth2/token")
        for challenge in challenges
    )


class AcrRegistry:
    """One Azure Container Registry. The Azure libraries load with the first question."""

    def __init__(
        self,
        registry: str,
        origin: Callable[[], str],
        *,
        door: FirstAlone | None = None,
        environ: Mapping[str, str],
        timeout_s: float,
        answer_s: float = ANSWER_LIMIT_S,
    ) -> None:
        self._registry = registry
        self._origin = origin
        self._environ = environ
        self._timeout_s = timeout_s
        self._answer_s = answer_s
        self._stack = ExitStack()
        self._opening = threading.Lock()
        # Whoever signs in runs programs for it, and gets a token for all of the registry.
        self._door = door or FirstAlone()
        self._identity: Identity | None = None
        self._memory: Any = None
        self._client: ContainerRegistryClient | None = None

    def __repr__(self) -> str:
        return f"AcrRegistry({self._registry!r})"

    def close(self) -> None:
        """Closes the connections."""
        self._stack.close()

    @property
    def credential(self) -> str:
        """Who Azure took us for."""
        return self._who

    def manifest(self, image: ImageReference) -> Document:
        """The manifest or index that `image` names by digest or by tag."""
        with self._door.entered(), self._translating(str(image)):
            client, reference = self._open(), image.digest or image.tag
            response = within(
                self._answer_s,
                lambda: client.get_manifest(image.path, reference, enforce_https=self._is_https),
                self._registry,
            )
            fields = dict(response.manifest or {})
        media_type = str(fields.get("mediaType") or response.media_type or "")
        return Document.shaped(str(image), media_type, str(response.digest or ""), fields)

    def blob(self, image: ImageReference, digest: str) -> Document:
        """The configuration of the image: a blob, so its digest is all that is known of it."""
        subject = f"{image.repository}@{digest}"
        with self._door.entered(), self._translating(subject):
            content = within(self._answer_s, lambda: self._blob(subject, image.path, digest), self._registry)
        return Document.proved(subject, Answer(200, {}, content), digest)

    def tags(self, image: ImageReference) -> Tags:
        """The tags that were pushed last. Asks for `metadata_read`, which is more than a pull may need."""
        from azure.containerregistry import ArtifactTagOrder

        with self._door.entered(), self._translating(image.repository):
            pages = self._open().list_tag_properties(
                image.path,
                results_per_page=PAGE,
                order_by=ArtifactTagOrder.LAST_UPDATED_ON_DESCENDING,
                enforce_https=self._is_https,
            )
            names = within(
                self._answer_s, lambda: [str(tag.name) for tag in next(pages.by_page(), ())], self._registry
            )
            return Tags(tuple(names), newest_first=True)

    def _blob(self, subject: str, path: str, digest: str) -> bytes:
        content = Content(subject, {}, MAX_DOCUMENT_BYTES)
        with self._open().download_blob(path, digest, enforce_https=self._is_https) as stream:
            for piece in stream:
                content.add(piece)
        return content.whole()

    @property
    def _is_https(self) -> bool:
        return self._origin().startswith("https:")

    def _open(self) -> "ContainerRegistryClient":
        with self._opening:
            if self._client is None:
                for name in ("azure", "msal"):
                    # Without any handler, logging prints warnings to stderr: a failed credential is told by our error alone.
                    logging.getLogger(name).addHandler(logging.NullHandler())
                self._identity = self._stack.enter_context(
                    open_identity(self._registry, self._environ, self._timeout_s)
                )
                self._client = self._stack.enter_context(self._connect(self._identity))
            return self._client

    def _connect(self, identity: "Identity") -> "ContainerRegistryClient":
        from azure.containerregistry import ContainerRegistryClient

        self._memory = remember_token(self._registry)
        # One transport for the exchange and the questions: one TLS handshake.
        transport = bounded_transport(
            self._registry,
            authorities(self._environ),
            timeout_s=self._timeout_s,
            uses_proxies=self._is_https,
        )
        cloud = azure_cloud_of(self._registry)
        return ContainerRegistryClient(
            self._origin(),
            identity,
            # What a registry exchanges in the clouds of states is a token for their own Resource Manager.
            **({"audience": cloud.audience} if cloud and cloud.audience else {}),
            transport=transport,
            per_retry_policies=[self._memory],
            # Trying again is the caller's business: it has a deadline and shows what it waits for.
            retry_total=0,
        )

    @contextmanager
    def _translating(self, subject: str) -> Iterator[None]:
        """Turns what the SDK raises into our errors. The last of them are how it fails on answers that it cannot read."""
        from azure.core.exceptions import AzureError

        limit_s = left_s(self._answer_s)
        try:
            yield
        except BumpError:
            raise
        except TimeoutError:
            raise Transient(f"{subject}: the answer was not complete after {round(limit_s, 1):g} s") from None
        except AzureError as error:
            raise self._translated(subject, error) from None
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise self._unreadable(subject, error) from None

    def _unreadable(self, subject: str, error: Exception) -> BumpError:
        challenge = self._memory.challenge if self._memory else ""
        if challenge:
            return NoAccess(
                f"{subject}: no access with {self._who}: the registry asks for {challenge[:200]!r}",
                hint=_ROLE_HINT,
            )
        return Unreachable(
            f"{subject}: the registry answered what azure-containerregistry cannot read: {type(error).__name__}: {error}"
        )

    @property
    def _who(self) -> str:
        return str(self._identity) if self._identity else "DefaultAzureCredential"

    def _translated(self, subject: str, error: "AzureError") -> BumpError:
        from azure.core.exceptions import HttpResponseError, IncompleteReadError

        who = self._who
        answer = _answer_in(error) if isinstance(error, HttpResponseError) else None
        if is_untrusted(error.inner_exception):
            return untrusted(subject, self._registry, one_line(error.message))
        if answer is None or isinstance(error, IncompleteReadError):
            return Transient(f"{subject}: {self._registry} cannot be reached: {one_line(error.message)}")
        if answer.status in (400, 404) and not _path_of(error).startswith("/v2/"):
            return NoAccess(
                f"{subject}: no access with {who}: the exchange answered {described(answer)}",
                hint=_ROLE_HINT,
            )
        return failure(subject, answer, tried=who, hint=_ROLE_HINT)


def _path_of(error: Any) -> str:
    return urlsplit(str(error.response.request.url)).path


def _answer_in(error: Any) -> Answer | None:
    """The HTTP answer that the SDK's exception carries; None where there was none, or not the whole of it."""
    from azure.core.exceptions import AzureError

    if error.response is None:
        return None
    try:
        content = _read(error.response)
    except AzureError:
        return None
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    return Answer(error.response.status_code, headers, content)


def _read(response: Any) -> bytes:
    """The whole body; the SDK's older calls (lists) answer with azure-core's older kind of response."""
    content: bytes = response.read() if hasattr(response, "read") else response.body()
    return content


def remember_token(registry: str) -> Any:
    """A pipeline policy that puts the last access token that worked for a repository on the next request for it.

    It stands behind the SDK's own policy, which answers a 401 with the exchange: an expired token is replaced like a missing one.
    `challenge` is what the registry asked for, where that was its last answer to anybody.
    Requests to another host (blobs are redirected to storage) are left alone.
    """
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class RememberToken(SansIOHTTPPolicy[Any, Any]):
        def __init__(self) -> None:
            self._authorizations: dict[str, str] = {}
            self.challenge = ""

        def on_request(self, request: "PipelineRequest[Any]") -> None:
            repository = self._repository(request.http_request.url)
            authorization = self._authorizations.get(repository)
            if authorization and "Authorization" not in request.http_request.headers:
                request.http_request.headers["Authorization"] = authorization

        def on_response(
            self, request: "PipelineRequest[Any]", response: "PipelineResponse[Any, Any]"
        ) -> None:
            repository = self._repository(request.http_request.url)
            authorization = request.http_request.headers.get("Authorization", "")
            self.challenge = ""
            if response.http_response.status_code == 401:
                self.challenge = response.http_response.headers.get("WWW-Authenticate", "")
                self._authorizations.pop(repository, None)
                # Read to its end, the connection serves the next request as well.
                _read(response.http_response)
            elif repository and authorization:
                self._authorizations[repository] = authorization

        @staticmethod
        def _repository(url: str) -> str:
            split_url = urlsplit(url)
            is_ours = split_url.netloc == registry and split_url.path.startswith("/v2/")
            return (
                split_url.path.removeprefix("/v2/").rpartition("/")[0].rpartition("/")[0] if is_ours else ""
            )

    return RememberToken()
