"""Whose certificates are trusted, where a system brings no authority of its own.

Law: what the environment names (SSL_CERT_FILE, SSL_CERT_DIR), else the system's own folder where it holds certificates, else the list
that certifi brings. The system's folder is looked into for the authority at hand alone; certifi's list is read as a whole, which costs
as much as the rest of a small push. So nothing is read before the first handshake.

Source: OpenSSL, `SSL_CTX_load_verify_locations` (files of a folder are found by the hash of their subject: `9d66eef0.0`).
"""

import functools
import re
import ssl
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bumper.errors import UsageError
from bumper.ports.threads import within

# A pipe that nobody writes to has no end.
_LOAD_S = 10.0
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


class Authorities(NamedTuple):
    """A file and a folder of trusted certificate authorities; either may be empty, not both."""

    file: str
    folder: str

    def load(self, context: ssl.SSLContext) -> None:
        """Trusts them in `context`. `UsageError` where they cannot be read."""
        try:
            within(_LOAD_S, lambda: context.load_verify_locations(self.file or None, self.folder or None))
        except TimeoutError:
            raise UsageError(
                f"{self.file}: has no end after {_LOAD_S:.0f} s, expected certificate authorities",
                hint="SSL_CERT_FILE names a file of certificates in PEM form",
            ) from None
        except OSError as error:
            raise UsageError(
                f"{self.file}: found no certificate authorities: {error.strerror or error}",
                hint="SSL_CERT_FILE names a file of certificates in PEM form",
            ) from None


def authorities(environ: Mapping[str, str]) -> Authorities:
    """The authorities that this environment trusts."""
    named = Authorities(environ.get("SSL_CERT_FILE") or "", environ.get("SSL_CERT_DIR") or "")
    return named if any(named) else _of_this_machine()


def trusting(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The context for TLS to whoever the authorities of this environment vouch for: one for the whole process."""
    return _context(authorities(environ))


@functools.cache
def _of_this_machine() -> Authorities:
    folder = ssl.get_default_verify_paths().openssl_capath
    if _holds_certificates(folder):
        return Authorities("", folder)
    import certifi

    return Authorities(certifi.where(), "")


def _holds_certificates(folder: str) -> bool:
    try:
        return any(_HASHED.fullmatch(file.name) for file in Path(folder).iterdir())
    except OSError:
        return False


@functools.cache
def _context(trusted: Authorities) -> "_LateContext":
    context = _LateContext(ssl.PROTOCOL_TLS_CLIENT)
    context.trusted = trusted
    if sys.version_info >= (3, 13):
        # As strict as Python's own default is from then on.
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


class _LateContext(ssl.SSLContext):
    """Checks certificates from its beginning, and reads whom to trust when TLS is spoken for the first time."""

    trusted: Authorities
    is_loaded = False
    _loading = threading.Lock()

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        self._load()
        return super().wrap_socket(*arguments, **options)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        self._load()
        return super().wrap_bio(*arguments, **options)

    def _load(self) -> None:
        with self._loading:
            if not self.is_loaded:
                self.trusted.load(self)
                self.is_loaded = True
