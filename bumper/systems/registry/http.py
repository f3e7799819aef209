"""HTTP to one registry, by httpx.

Never plain HTTP but on loopback, where HTTPS is tried first. Credentials go to the registry, or to the token server that the registry
itself names; never along on a redirect to another host.
"""

import base64
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bumper.errors import NoAccess, Transient, Unreachable
from bumper.systems.http.address import is_loopback, may_carry_credentials
from bumper.systems.registry.distribution import MAX_DOCUMENT_BYTES, Answer, one_line
from bumper.systems.registry.docker_config import Credential

if TYPE_CHECKING:
    import httpx

# httpx bounds the wait for each piece of an answer; this bounds the whole of it.
_ANSWER_LIMIT_S = 60.0


def is_local(registry: str) -> bool:
    """Whether `registry` (host and port) is this machine itself."""
    return is_loopback(f"https://{registry}")


def host_of(url: str) -> str:
    """Host and port of a URL, without any user name; the text itself where it is no URL."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or url
    except ValueError:
        return url


def certificates(environ: Mapping[str, str]) -> str | None:
    """The file of trusted certificate authorities, where SSL_CERT_FILE names one."""
    return environ.get("SSL_CERT_FILE") or None


class Connection:
    """Finds the registry's origin, reads whole answers, turns what httpx raises into our errors."""

    def __init__(
        self,
        registry: str,
        *,
        environ: Mapping[str, str],
        now: Callable[[], float],
        timeout_s: float,
        transport: "httpx.BaseTransport | None" = None,
    ) -> None:
        self.registry = registry
        self._cafile = certificates(environ)
        self._now = now
        self._timeout_s = timeout_s
        self._transport = transport
        self._stack = ExitStack()
        host = "registry-1.docker.io" if registry == "docker.io" else registry
        self._origins = [f"https://{host}", f"http://{host}"] if is_local(registry) else [f"https://{host}"]

    @property
    def origin(self) -> str:
        """Scheme, host and port; certain once an answer has come."""
        return self._origins[0]

    def close(self) -> None:
        self._stack.close()

    @cached_property
    def _client(self) -> "httpx.Client":
        import httpx

        client = httpx.Client(
            timeout=self._timeout_s,
            transport=self._transport,
            verify=ssl.create_default_context(cafile=self._cafile) if self._cafile else True,
            # Nobody's proxy can reach our loopback.
            trust_env=not is_local(self.registry),
            event_hooks={"request": [self._refuse_plain_http]},
        )
        return self._stack.enter_context(client)

    def knock(self) -> str:
        """The challenge (`WWW-Authenticate`) of those who come in; empty where the registry has none."""
        answer = self.ask(self.registry, "/v2/", {})
        return answer.headers.get("www-authenticate", "") if answer.status == 401 else ""

    def ask(self, subject: str, path: str, headers: Mapping[str, str]) -> Answer:
        """The registry's answer to a GET, redirects followed."""
        import httpx

        url = self.origin + path
        try:
            answer = self._read(subject, self._client.build_request("GET", url, headers=headers))
        except httpx.ConnectError as error:
            if len(self._origins) == 1 or is_untrusted(error):
                raise self._translated(subject, url, error) from None
            self._origins.pop(0)
            return self.ask(subject, path, headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._translated(subject, url, error) from None
        del self._origins[1:]
        return answer

    def ask_for_token(
        self, subject: str, realm: str, query: Mapping[str, str], credential: Credential
    ) -> Answer:
        """The token server's answer. A refresh token is posted and never follows a redirect."""
        import httpx

        try:
            if credential.refresh_token:
                form = {
                    "grant_type": "refresh_token",
                    "client_id": "bump",
                    "refresh_token": credential.refresh_token,
                }
                request = self._client.build_request("POST", realm, data={**query, **form})
                return self._read(subject, request, follow_redirects=False)
            headers = {"Authorization": basic(credential)} if credential.password else {}
            url = httpx.URL(realm).copy_merge_params(query)
            return self._read(subject, self._client.build_request("GET", url, headers=headers))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._translated(subject, realm, error) from None

    def _read(self, subject: str, request: "httpx.Request", *, follow_redirects: bool = True) -> Answer:
        started_s = self._now()
        response = self._client.send(request, stream=True, follow_redirects=follow_redirects)
        try:
            content = b""
            for piece in response.iter_bytes():
                content += piece
                if len(content) > MAX_DOCUMENT_BYTES:
                    raise Unreachable(f"{subject}: the answer is longer than {MAX_DOCUMENT_BYTES} bytes")
                if self._now() - started_s > _ANSWER_LIMIT_S:
                    raise Transient(f"{subject}: the answer was not complete after {_ANSWER_LIMIT_S:.0f} s")
        finally:
            response.close()
        headers = dict(response.headers)
        if response.url.netloc != request.url.netloc:
            # Another host's challenge is none of ours to answer.
            headers.pop("www-authenticate", None)
        return Answer(response.status_code, headers, content)

    def _refuse_plain_http(self, request: "httpx.Request") -> None:
        url = str(request.url)
        # A registry elsewhere must not send its callers to a port of this machine without TLS.
        stays_here = is_local(self.registry) and may_carry_credentials(url)
        if request.url.scheme != "https" and not stays_here:
            raise NoAccess(
                f"{self.registry}: leads to {request.url.scheme}://{request.url.host}, expected https",
                hint="only a registry on this machine may be asked without TLS",
            )

    def _translated(self, subject: str, url: str, error: Exception) -> Unreachable:
        import httpx

        host, what = host_of(url), one_line(str(error) or type(error).__name__)
        if is_untrusted(error):
            return untrusted(subject, host, what)
        if isinstance(error, httpx.TransportError | httpx.DecodingError):
            return Transient(f"{subject}: {host} cannot be reached: {what}")
        return Unreachable(f"{subject}: {host} leads nowhere: {what}")


def untrusted(subject: str, host: str, what: str) -> NoAccess:
    """The error for a certificate that is not trusted."""
    return NoAccess(
        f"{subject}: {host} is not trusted: {what}",
        hint="name its certificate authority with SSL_CERT_FILE=FILE",
    )


def basic(credential: Credential) -> str:
    """The value of `Authorization` for a user name and password."""
    return "Basic " + base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def is_untrusted(error: BaseException | None) -> bool:
    """Whether a certificate that no authority vouches for is what this error comes from."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
