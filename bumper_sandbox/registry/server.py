"""A registry on loopback: the OCI distribution API over real HTTP, behind Azure Container Registry's token exchange.

Its clients are real ones (the Azure SDK, httpx, `docker push`), so that it keeps to what is published; tests put the same questions to
Debian's docker-registry. What ACR adds: the challenge that names `/oauth2/token` on its own host, `/oauth2/exchange`, and beside the
registry the endpoint of a managed identity, whose address and header `environ()` gives.
Source: https://github.com/opencontainers/distribution-spec 1.1; https://github.com/Azure/acr `docs/AAD-OAuth.md`.
"""

import base64
import hmac
import re
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from bumper_sandbox.registry.content import RegistryContent
from bumper_sandbox.registry.listener import Listener
from bumper_sandbox.registry.routes import Reply, Routes
from bumper_sandbox.registry.tokens import LIFETIME_S, Tokens

Authentication = Literal["acr", "basic", "none"]
_IDENTITY_PATH = "/msi/token"
_REPOSITORY = re.compile(r"/(?:v2|acr/v1)/(?P<name>.+?)/(?:manifests|blobs|tags|(?P<metadata>_tags))(?:/|$)")


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose path matches `path` (a regular expression for the whole of it).

    With a `status` the answer is this one; without, it is the real one with `headers` laid over it. Where `cut`, only half of the body
    comes before the connection ends.
    """

    path: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    cut: bool = False
    times: int = 1


@dataclass(frozen=True)
class Asked:
    """One request as it was answered. `authorization` is its scheme alone (`Bearer`), empty where it brought none.

    `depth` is the length of the longest row of requests, each begun after the end of the one before it, that this one ends.
    """

    method: str
    path: str
    status: int
    authorization: str
    depth: int = 1


class RegistryServer:
    """Runs between `start` and `stop`, or as a context manager.

    `actions` are what the identity and all users may do: without `pull` the role is missing. `asked` lists the requests so far. Every
    answer comes `delay_s` later.
    """

    def __init__(
        self,
        *,
        authentication: Authentication = "acr",
        users: Mapping[str, str] | None = None,
        actions: frozenset[str] = frozenset({"pull", "push", "metadata_read"}),
        anonymous_pull: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.content = RegistryContent()
        self.push = self.content.push
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.delay_s = 0.0
        self._deepest = 0
        self.authentication = authentication
        self.users = dict(users or {})
        self.anonymous_pull = anonymous_pull
        self.tokens = Tokens(set(actions))
        self.routes = Routes(self.content)
        self.identity_header = secrets.token_hex(16)
        self._tls = tls
        self._listener: Listener | None = None

    @property
    def host(self) -> str:
        """`127.0.0.1:<port>`: what stands before the repository in an image reference."""
        assert self._listener, "the registry is not running"
        return f"127.0.0.1:{self._listener.port}"

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}"

    def environ(self) -> dict[str, str]:
        """The environment in which DefaultAzureCredential finds the sandbox's managed identity, and looks for no other."""
        return {
            "IDENTITY_ENDPOINT": f"{self.origin}{_IDENTITY_PATH}",
            "IDENTITY_HEADER": self.identity_header,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        }

    def start(self) -> Self:
        self._listener = Listener(self.answer, self._tls)
        return self

    def stop(self) -> None:
        if self._listener:
            self._listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        """The answer to one request, with the fault that is due."""
        depth = 1 + self._deepest
        time.sleep(self.delay_s)
        url = urlsplit(target)
        path = unquote(url.path)
        query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        reply = self._laid_over(path, self._reply(method, path, query, headers, content))
        self._deepest = max(self._deepest, depth)
        self.asked.append(
            Asked(method, path, reply.status, headers.get("authorization", "").partition(" ")[0], depth)
        )
        return reply

    def _laid_over(self, path: str, reply: Reply) -> Reply:
        fault = next((each for each in self.faults if each.times and re.fullmatch(each.path, path)), None)
        if fault is None:
            return reply
        fault.times -= 1
        if fault.status is not None:
            return Reply(fault.status, fault.headers, fault.content, cut=fault.cut)
        return replace(reply, headers={**reply.headers, **fault.headers}, cut=fault.cut)

    def _reply(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], content: bytes
    ) -> Reply:
        if path == _IDENTITY_PATH:
            return self._identity(query, headers)
        if path in ("/oauth2/exchange", "/oauth2/token") and self.authentication == "acr":
            form = {name: values[-1] for name, values in parse_qs(content.decode()).items()}
            return self._exchange(path, form) if method == "POST" else self._granted(query, headers)
        refusal = self._refusal(method, path, headers.get("authorization", ""))
        return refusal or self.routes.reply(method, path, query, headers, content)

    def _refusal(self, method: str, path: str, authorization: str) -> Reply | None:
        """401 for whoever may not do that; None for whoever may."""
        match = _REPOSITORY.match(path)
        repository = match["name"] if match else ""
        is_metadata = match is not None and match["metadata"] is not None
        action = "metadata_read" if is_metadata else "pull" if method in ("GET", "HEAD") else "push"
        if self.authentication == "none" or self._may(authorization, repository, action):
            return None
        detail = [{"Type": "repository", "Name": repository, "Action": action}] if repository else None
        return Reply.error(
            401,
            "UNAUTHORIZED",
            "authentication required",
            detail=detail,
            headers={"WWW-Authenticate": self._challenge(repository, action, authorization)},
        )

    def _may(self, authorization: str, repository: str, action: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        if self.authentication == "basic":
            return scheme == "Basic" and self._knows(token)
        if scheme != "Bearer":
            return False
        return self.tokens.allows(token, repository, action) if repository else self.tokens.is_access(token)

    def _challenge(self, repository: str, action: str, authorization: str) -> str:
        if self.authentication == "basic":
            return 'Basic realm="sandbox"'
        challenge = f'Bearer realm="{self.origin}/oauth2/token",service="{self.host}"'
        if repository:
            actions = "pull,push" if action == "push" else action
            challenge += f',scope="repository:{repository}:{actions}"'
        return challenge + (',error="insufficient_scope"' if authorization else "")

    def _knows(self, encoded: str) -> bool:
        name, _, password = base64.b64decode(encoded).decode().partition(":")
        return hmac.compare_digest(self.users.get(name, secrets.token_hex(16)), password)

    def _identity(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        """App Service's managed identity endpoint, api-version 2019-08-01."""
        if not hmac.compare_digest(headers.get("x-identity-header", ""), self.identity_header):
            return Reply.json(
                401, {"statusCode": 401, "message": "The X-IDENTITY-HEADER is missing or wrong."}
            )
        resource = query.get("resource", "")
        expires_s = int(time.time()) + LIFETIME_S
        token = self.tokens.identity(resource)
        fields = {
            "access_token": token,
            "expires_on": str(expires_s),
            "resource": resource,
            "token_type": "Bearer",
        }
        return Reply.json(200, fields)

    def _exchange(self, path: str, form: Mapping[str, str]) -> Reply:
        """ACR's two exchanges: Entra's token for a refresh token, and that for an access token."""
        if path == "/oauth2/exchange" and form.get("grant_type") == "access_token":
            refresh = self.tokens.refresh(form.get("access_token", ""))
            return Reply.json(200, {"refresh_token": refresh}) if refresh else _unauthorized()
        if path == "/oauth2/token" and form.get("grant_type") == "refresh_token":
            access = self.tokens.access(form.get("refresh_token", ""), form.get("scope", ""))
            return Reply.json(200, {"access_token": access}) if access else _unauthorized()
        return _unauthorized()

    def _granted(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        """The distribution project's token endpoint, for an admin user's name and password, or for anybody."""
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        scope = query.get("scope", "")
        if not scheme and self.anonymous_pull and scope.endswith(":pull"):
            return Reply.json(200, {"access_token": self.tokens.granted(scope)})
        if scheme != "Basic" or not self._knows(encoded):
            return _unauthorized()
        return Reply.json(200, {"access_token": self.tokens.granted(scope)})


def _unauthorized() -> Reply:
    return Reply.error(401, "UNAUTHORIZED", "authentication required")
