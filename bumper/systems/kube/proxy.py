"""Which proxy leads to an API server, by the rules of Go's net/http, which kubectl follows.

Law: what the environment says for kubectl holds here. HTTP libraries of Python differ from it in NO_PROXY: they know no address ranges
(10.0.0.0/8), which is how a cluster's address is usually excluded. Source: golang.org/x/net v0.58, http/httpproxy/proxy.go.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from bumper.address import is_loopback


def proxy_for(server: str, environ: Mapping[str, str]) -> str:
    """The URL of the proxy that the environment names for `server`, or an empty text."""
    split_url = urlsplit(server)
    host = (split_url.hostname or "").lower()
    name = f"{split_url.scheme}_proxy"
    proxy = environ.get(name.upper()) or environ.get(name) or ""
    if not proxy or is_loopback(server):
        return ""
    port = split_url.port or (443 if split_url.scheme == "https" else 80)
    excluded = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    if any(_matches(rule.strip().lower(), host, port) for rule in excluded.split(",")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _matches(rule: str, host: str, port: int) -> bool:
    if rule == "*":
        return True
    address = _address(host)
    if address is not None and "/" in rule:
        try:
            return address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    name, port_text = _split_port(rule)
    if port_text and port_text != str(port):
        return False
    if address is not None:
        return _address(name) == address
    domain = name.removeprefix("*")
    if domain.startswith("."):
        return host.endswith(domain)
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _split_port(rule: str) -> tuple[str, str]:
    if rule.startswith("["):
        name, _, rest = rule[1:].partition("]")
        return name, rest.removeprefix(":")
    # More than one colon is an IPv6 address without a port.
    name, colon, port = rule.partition(":")
    return (rule, "") if ":" in port else (name, port if colon else "")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
