"""The HTTP that the Azure SDK speaks, within our limits: it reads an answer as a whole, however long it is when it is unpacked.

Law: what is posted follows no redirect. It holds a token of Entra or a refresh token, and azure-core 1.41 would post it to any host;
of what is read (blobs are redirected to storage) it leaves the token behind by itself.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bumper.errors import Unreachable
from bumper.ports.threads import AT_ONCE
from bumper.systems.http.certificates import Authorities
from bumper.systems.registry.distribution import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport


def bounded_transport(
    registry: str, trusted: Authorities, *, timeout_s: float, uses_proxies: bool, is_shared: bool = False
) -> "RequestsTransport":
    """A transport for the SDK's pipeline. Raises Unreachable where an answer is longer than `MAX_DOCUMENT_BYTES`.

    `is_shared`: whoever closes it leaves its connections to the others.
    """
    import requests
    from azure.core.pipeline.transport import RequestsTransport

    session = requests.Session()
    session.trust_env = uses_proxies
    for scheme in ("https://", "http://"):
        session.mount(scheme, _bounded_adapter(registry))
    return RequestsTransport(
        session=session,
        session_owner=not is_shared,
        connection_timeout=timeout_s,
        read_timeout=timeout_s,
        connection_verify=trusted.file or trusted.folder,
    )


def _bounded_adapter(registry: str) -> Any:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    class Response(requests.Response):
        def iter_content(self, chunk_size: int | None = 1, decode_unicode: Any = False) -> Iterator[Any]:
            size = 0
            for piece in super().iter_content(chunk_size, decode_unicode):
                size += len(piece)
                if size > MAX_DOCUMENT_BYTES:
                    self.close()
                    raise Unreachable(f"{registry}: the answer is longer than {MAX_DOCUMENT_BYTES} bytes")
                yield piece

    class Adapter(HTTPAdapter):
        def build_response(self, req: Any, resp: Any) -> requests.Response:
            response = Response()
            vars(response).update(vars(super().build_response(req, resp)))
            if req.method not in ("GET", "HEAD"):
                response.headers.pop("Location", None)
            return response

    # As the SDK's own: whoever asks has the deadline, and follows where it wants to.
    return Adapter(
        max_retries=Retry(total=False, redirect=False, raise_on_status=False), pool_maxsize=AT_ONCE
    )
