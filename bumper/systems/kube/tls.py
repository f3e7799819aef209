"""TLS to an API server, as its kubeconfig wants it."""

import ssl
from collections.abc import Mapping
from typing import Any

from bumper.errors import UsageError
from bumper.systems.folder import Folder
from bumper.systems.http.certificates import authorities
from bumper.systems.kube.config import Endpoint


class _NamedContext(ssl.SSLContext):
    """Checks for a name of its own choice. httpx's `sni_hostname` does the same, but is lost behind a proxy (httpcore 1.0.9)."""

    server_name = ""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: Any = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self.server_name or server_hostname, session)


def context(endpoint: Endpoint, certificate: bytes, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Trusts the endpoint's authority, else those of the environment; shows `certificate` (PEM, chain and key; may be empty).

    Python's default context is not used: since 3.13 it refuses authorities without key identifiers, which older clusters have.
    """
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = endpoint.tls_server_name
    if endpoint.is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif endpoint.authority:
        try:
            context.load_verify_locations(cadata=endpoint.authority.decode("ascii", errors="ignore"))
        except (ssl.SSLError, ValueError):
            raise UsageError(f"{endpoint.server}: certificate-authority holds no PEM certificate") from None
    else:
        authorities(environ).load(context)
    if certificate:
        _show(context, certificate, endpoint.server)
    return context


def _show(context: ssl.SSLContext, certificate: bytes, server: str) -> None:
    # OpenSSL reads a key from a file only: a file that its owner alone can read, for as long as this takes.
    with Folder.new() as folder:
        file = folder.write("key.pem", certificate)
        try:
            # Without a password function OpenSSL would ask at the terminal for that of an encrypted key.
            context.load_cert_chain(file, password=lambda: b"")
        except (ssl.SSLError, ValueError):
            raise UsageError(
                f"{server}: the client certificate and its key cannot be used",
                hint="expected PEM, the key without a password",
            ) from None
