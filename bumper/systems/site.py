"""A site as visitors reach it: its host's addresses, and what each of them answers.

Law: nothing that could be a credential is sent, neither token nor cookie nor user name, and no proxy is asked. A connection goes to
the address that was checked, whatever DNS says a moment later; TLS is checked for the host's name all the same. An address that
is not public is asked only where somebody named it. A redirect is followed on the same host alone.

Sources: RFC 6890 (addresses of special purpose, as `ipaddress` knows them) and what later registrations add; RFC 4291, 2.4 (2000::/3
is all that is routed); RFC 6052, 2.1 (64:ff9b::/96);
https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from bumper.dataclasses import replace
from bumper.errors import NoAccess, Transient, Unreachable
from bumper.ports.site import Obstacle, Resolution, SiteAnswer
from bumper.ports.threads import side_by_side, within
from bumper.safe_text import printable
from bumper.systems.http.certificates import trusting
from bumper.systems.http.client import Answer, Client, Garbled, Late, Limits, NoTls, Question

if TYPE_CHECKING:
    import httpx

LIMITS = Limits(content_bytes=1 << 20, answer_s=10.0, wait_s=5.0)
_DNS_S = 5.0
_LEAST_S = 0.05
_MOST_ADDRESSES = 8
_MOST_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}
_TRANSLATED = IPv6Network("64:ff9b::/96")
_ROUTED = IPv6Network("2000::/3")
# What Python's own list leaves out: protocol assignments (Oracle's metadata among them), 6to4's relays, documentation.
_RESERVED = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv6Network("3fff::/20"))
# Azure's own host, at an address that looks like any other.
_METADATA = {ip_address("168.63.129.16"), ip_address("192.0.0.192")}
_AGENT = "bump (checks whether a deploy is served)"


class Site:
    """Asks sites (`ports.site.SiteAccess`). `environ` may name the authorities that are trusted, and nothing else is read of it."""

    def __init__(
        self,
        resolutions: Sequence[Resolution],
        *,
        now: Callable[[], float],
        environ: Mapping[str, str],
        limits: Limits = LIMITS,
    ) -> None:
        self._resolutions = {(each.host, each.port): each.addresses for each in resolutions}
        self._now = now
        self._environ = environ
        self._limits = limits

    def answers(self, url: str, timeout_s: float) -> tuple[SiteAnswer, ...]:
        """One answer for each address of the host, at least one, each within `timeout_s`."""
        host, port = _host_and_port(urlsplit(url))
        try:
            addresses = self._addresses(host, port, min(timeout_s, _DNS_S))
        except TimeoutError:
            return (_obstacle(host, Obstacle.DNS, f"DNS did not answer for {host} in time"),)
        except (OSError, UnicodeError) as error:
            reason = printable(getattr(error, "strerror", None) or str(error))
            return (_obstacle(host, Obstacle.DNS, f"DNS knows no address of {host}: {reason}"),)
        limit_s = min(timeout_s, self._limits.answer_s)
        limits = Limits(self._limits.content_bytes, limit_s, min(limit_s, self._limits.wait_s))
        return tuple(side_by_side([partial(self._answer, url, address, limits) for address in addresses]))

    def _addresses(self, host: str, port: int, timeout_s: float) -> tuple[str, ...]:
        if named := self._resolutions.get((host, port)):
            return named
        known = within(
            timeout_s,
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG),
        )
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in known))[:_MOST_ADDRESSES]

    def _answer(self, url: str, address: str, limits: Limits) -> SiteAnswer:
        host, _ = _host_and_port(urlsplit(url))
        is_named = any(name == host and address in known for (name, _), known in self._resolutions.items())
        if not is_named and (what := not_public(address)):
            return _obstacle(address, Obstacle.ADDRESS, f"{host} leads to {address}, {what}: not asked")
        try:
            return self._walk(url, address, limits)
        except Garbled:
            # What came is not shown: it is another's, and may be no page at all.
            detail = f"the site at {address}: the answer breaks off, or is no HTTP"
            return _obstacle(address, Obstacle.CONTENT, detail)
        except Unreachable as error:
            return _obstacle(address, _obstacle_of(error), error.message)

    def _walk(self, url: str, address: str, limits: Limits) -> SiteAnswer:
        """The answer after all redirects on the same host, which together take no longer than one answer may."""
        ends_s = self._now() + limits.answer_s
        for _ in range(_MOST_REDIRECTS + 1):
            left_s = max(_LEAST_S, ends_s - self._now())
            answer = self._ask(url, address, replace(limits, answer_s=left_s))
            location = answer.headers.get("location", "")
            if not (300 <= answer.status < 400 and location):
                return SiteAnswer(address, answer.status, answer.headers, answer.content)
            following = _following(url, location)
            if following is None:
                where = _named_host(url, location)
                detail = f"{answer.status}, redirects to {where}, which is not followed"
                return _obstacle(address, Obstacle.REDIRECT, detail)
            url = following
        return _obstacle(address, Obstacle.REDIRECT, f"more than {_MOST_REDIRECTS} redirects")

    def _ask(self, url: str, address: str, limits: Limits) -> Answer:
        import httpx

        # A client for each question: it keeps no cookie, and each connection is a new one, which may reach another server.
        transport = httpx.HTTPTransport(verify=trusting(self._environ), trust_env=False)
        client = Client(
            limits, now=self._now, headers={"User-Agent": _AGENT}, transport=_pinned(transport, address)
        )
        try:
            return client.ask(f"the site at {address}", Question("GET", url))
        finally:
            client.close()


def not_public(address: str) -> str:
    """What kind of address it is where it is none of the public network; empty for one that may be asked."""
    known = _plain(ip_address(address.partition("%")[0]))
    if known.is_loopback or known.is_unspecified:
        return "this machine itself"
    if known.is_link_local:
        return "a link-local address, as those of metadata services"
    if known in _METADATA:
        return "the address of a metadata service"
    return "" if _is_routed(known) else "a private or reserved address"


def _is_routed(address: IPv4Address | IPv6Address) -> bool:
    """Whether packets to an address leave for the public network."""
    is_open = isinstance(address, IPv4Address) or address in _ROUTED
    is_reserved = address.is_multicast or any(address in network for network in _RESERVED)
    return is_open and address.is_global and not is_reserved


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address that packets reach in the end: that inside of one that only wraps it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _pinned(transport: "httpx.HTTPTransport", address: str) -> "httpx.BaseTransport":
    """The transport with every connection led to one address; `Host` and the name that TLS is checked for stay the URL's."""
    import httpx

    class Pinned(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            host = request.url.host
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            return transport.handle_request(pinned)

        def close(self) -> None:
            transport.close()

    return Pinned()


def _following(url: str, location: str) -> str | None:
    """Where a redirect leads on the same host; None where it leads elsewhere, or away from TLS."""
    try:
        target = urljoin(url, location).partition("#")[0]
        before, after = urlsplit(url), urlsplit(target)
        if after.scheme not in _PORTS or after.username is not None or after.password is not None:
            return None
        (host, port), (next_host, next_port) = _host_and_port(before), _host_and_port(after)
    except ValueError:
        return None
    is_upgrade = (before.scheme, port, after.scheme, next_port) == ("http", 80, "https", 443)
    is_same = (before.scheme, port) == (after.scheme, next_port)
    return target if host == next_host and (is_same or is_upgrade) else None


def _named_host(url: str, location: str) -> str:
    try:
        return printable(urlsplit(urljoin(url, location)).netloc.rpartition("@")[2] or "no host")[:100]
    except ValueError:
        return "no host"


def _host_and_port(url: SplitResult) -> tuple[str, int]:
    return (url.hostname or "").lower(), url.port or _PORTS.get(url.scheme, 0)


def _obstacle_of(error: Unreachable) -> Obstacle:
    if isinstance(error, NoAccess | NoTls):
        return Obstacle.TLS
    if isinstance(error, Late):
        return Obstacle.TIMEOUT
    return Obstacle.CONNECTION if isinstance(error, Transient) else Obstacle.CONTENT


def _obstacle(address: str, kind: Obstacle, detail: str) -> SiteAnswer:
    return SiteAnswer(address, obstacle=kind, detail=detail)
