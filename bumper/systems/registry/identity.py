"""Who we are to Azure: azure-identity's DefaultAzureCredential, which reads the process's own environment and signs in.

Workload identity (OIDC in a workflow or a cluster), managed identity, a service principal and `az login` all come through it.
"""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bumper.address import is_link_local, may_carry_credentials
from bumper.errors import NoAccess
from bumper.ports.registry import azure_cloud_of
from bumper.systems.http.certificates import authorities
from bumper.systems.http.document import parse
from bumper.systems.registry.azure_transport import bounded_transport

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

# Where azure-identity sends IDENTITY_HEADER or MSI_SECRET to.
_ENDPOINTS = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT")
_SIGN_IN_HINT = (
    "sign in: az login, or azure/login in a workflow with the permission id-token: write; "
    "the identity needs the role AcrPull"
)


class Identity:
    """DefaultAzureCredential, telling who it turned out to be, and apart whether Entra or the registry refused."""

    def __init__(self, credential: Any) -> None:
        self._credential = credential
        self._name = ""

    def __str__(self) -> str:
        return f"DefaultAzureCredential ({self._name})" if self._name else "DefaultAzureCredential"

    def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        """Entra's token for these scopes, by the protocol of azure-core's TokenCredential; NoAccess where Entra gives none."""
        from azure.core.exceptions import ClientAuthenticationError

        try:
            token: AccessToken = self._credential.get_token(*scopes, **options)
        except ClientAuthenticationError as error:
            raise NoAccess(
                f"DefaultAzureCredential: {_attempts(error.message)}", hint=_SIGN_IN_HINT
            ) from None
        self._name = _name_in(token.token)
        return token


def authority_of(registry: str, environ: Mapping[str, str]) -> str:
    """The host to sign in at, where the registry is in a sovereign cloud; empty where azure-identity decides by itself."""
    cloud = azure_cloud_of(registry)
    return cloud.authority if cloud and not environ.get("AZURE_AUTHORITY_HOST") else ""


@contextmanager
def open_identity(registry: str, environ: Mapping[str, str], timeout_s: float) -> Iterator[Identity]:
    """The identity that asks `registry`. Raises NoAccess where the environment's settings for it contradict themselves."""
    from azure.identity import DefaultAzureCredential

    _require_safe_endpoints(environ)
    authority = authority_of(registry, environ)
    try:
        credential = DefaultAzureCredential(
            # Its own one reads an answer without end to the end. Each credential of its chain closes it.
            transport=bounded_transport(
                "Entra", authorities(environ), timeout_s=timeout_s, uses_proxies=True, is_shared=True
            ),
            # Two quick tries of its own: its chain tells the caller no types, so that a hiccup of Entra would look final.
            retry_total=2,
            retry_backoff_max=2,
            **({"authority": authority} if authority else {}),
        )
    except ValueError as error:
        raise NoAccess(f"DefaultAzureCredential: {error}", hint=_SIGN_IN_HINT) from None
    try:
        yield Identity(credential)
    finally:
        credential.close()


def _require_safe_endpoints(environ: Mapping[str, str]) -> None:
    """Raises NoAccess where a managed identity would be asked for, with its secret, in clear text on the network.

    Azure itself names this machine, or an address that does not leave its host (App Service: 169.254.0.0/16).
    """
    for name in _ENDPOINTS:
        url = environ.get(name, "")
        if url and not may_carry_credentials(url) and not is_link_local(url):
            raise NoAccess(
                f"DefaultAzureCredential: {name} is neither https nor an address of this machine: no credential is asked for there",
                hint=f"unset {name}, or give the address that Azure sets; {_SIGN_IN_HINT}",
            )


def _attempts(message: str) -> str:
    """Each credential that was tried, with the first sentence of why not."""
    lines = [line.strip() for line in message.splitlines() if line.startswith("\t") and ": " in line]
    if not lines:
        return " ".join(message.split())[:600]
    return "; ".join(line.partition(". ")[0].rstrip(".")[:200] for line in lines)


def _name_in(token: str) -> str:
    """Who an Entra token speaks for, from its claims; empty where it has none that we know."""
    try:
        payload = token.split(".")[1]
        claims = parse(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return ""
    if not isinstance(claims, dict):
        return ""
    named = {"user": claims.get("upn"), "application": claims.get("appid"), "object": claims.get("oid")}
    return ", ".join(f"{kind} {value}" for kind, value in named.items() if value)
