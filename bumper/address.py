"""What an address says: which repository it names, and whether a credential may be sent there, for git and for every API.

Law: a credential goes over TLS, or to this machine itself, and nowhere else. This machine is `localhost` or an address of the loopback
network as it is written: any other name is what a resolver makes of it. What two parsers may read in two ways (a blank, a backslash, a
second `@`, an escaped host, an authority that ends without a slash) is no address at all: urllib, curl and httpx have to agree on the
host.

Sources: RFC 3986, 3.2 (authority); RFC 6761, 6.3 (localhost); RFC 1122, 3.2.1.3 (127.0.0.0/8); RFC 4291, 2.5.3 (::1).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

_REPOSITORY_URL = r"(?:(?:git\+)?[a-z+]+://)?(?:[^@/]+@)?(?P<host>[^/:@]+\.[^/:@]+|localhost)(?::[0-9]+(?=/))?[/:](?P<path>[^?#]+)"
# The same for a host whose name may be one word, as of a service in the cluster.
_NAMED_URL = r"(?:[a-z+]+://(?:[^@/]*@)?(?P<host>[^/:@]+|\[[0-9a-f:.]+\])(?::[0-9]+)?/|[^@/:]+@(?P<scp>[^/:@]+):)(?P<path>.+)"
_URL = (
    r"(?i)(?P<scheme>https?)://"
    r"(?:[^\s@/?#\\]*@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[^\s@:%\[\]\\/?#]+)"
    r"(?::(?P<port>[0-9]{0,5}))?"
    r"(?:/[^\x00-\x1f\x7f]*)?"
)
# GitHub's rules for owners and repositories, as far as shells, YAML and paths are concerned.
_GITHUB_NAME = r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}"
# Where a service takes SSH under another name than HTTPS.
_SSH_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
_DEFAULT_PORTS = {"https": "443", "http": "80"}
# What a header can carry (RFC 6750, 2.1, is narrower); no issuer makes a token that long, and servers take 8 to 64 kB of headers.
_TOKEN = re.compile(r"[\x21-\x7e]*")
_MOST_TOKEN_CHARACTERS = 16_000


def may_carry_credentials(url: str) -> bool:
    """Whether a credential may be sent to this http or https URL."""
    match = re.fullmatch(_URL, url)
    return match is not None and (match["scheme"].lower() == "https" or _is_loopback(match["host"]))


def token_of(environ: Mapping[str, str], variable: str) -> str:
    """The token in this variable, without the blanks and line ends around it that pasting leaves; empty where there is none.

    ValueError, which holds nothing of it, where no header could carry it.
    """
    token = environ.get(variable, "").strip()
    if len(token) > _MOST_TOKEN_CHARACTERS:
        raise ValueError(
            f"{variable}: found {len(token):,} characters, expected a token, which has at most {_MOST_TOKEN_CHARACTERS:,}"
        )
    if not _TOKEN.fullmatch(token):
        place = next(at for at, character in enumerate(token, 1) if not _TOKEN.fullmatch(character))
        raise ValueError(
            f"{variable}: character {place} of {len(token):,} is a blank, a line end or not ASCII, expected a token, which has none"
        )
    return token


def is_loopback(url: str) -> bool:
    """Whether this http or https URL leads to this machine itself, so that no proxy stands before it."""
    match = re.fullmatch(_URL, url)
    return match is not None and _is_loopback(match["host"])


def is_link_local(url: str) -> bool:
    """Whether this http or https URL leads to an address that no router passes on: a machine's own host, in the clouds."""
    match = re.fullmatch(_URL, url)
    address = _address(match["host"]) if match else None
    return address is not None and address.is_link_local


def origin(url: str) -> str:
    """`https://host:8443` of an http or https URL: in lower case, without user and default port; empty for anything else."""
    match = re.fullmatch(_URL, url)
    if match is None:
        return ""
    scheme, port = match["scheme"].lower(), match["port"]
    return f"{scheme}://{match['host'].lower()}" + (
        f":{port}" if port and port != _DEFAULT_PORTS[scheme] else ""
    )


def service_of(text: str) -> str:
    """The address of a service that is named by its host or by a URL, `https://HOST`; ValueError where no credential may go there."""
    address = text.strip().rstrip("/")
    address = address if "://" in address else f"https://{address}"
    if origin(address) != address.lower() or not may_carry_credentials(address):
        raise ValueError(f"{text!r} is no service; expected its host, such as octo-sts.dev")
    return address


def host_of(url: str) -> str:
    """Host and port of a URL, without any user name; the text itself where it is no URL."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or url
    except ValueError:
        return url


def repository_name(url: str) -> str:
    """`host/owner/name` of a git repository's URL in any of its forms, in lower case; empty for anything else."""
    match = re.fullmatch(_REPOSITORY_URL, url.strip().lower())
    if not match:
        return ""
    path = match["path"].strip("/").removesuffix(".git")
    return f"{match['host']}/{path}" if path else ""


def name_on(server_url: str, url: str) -> str:
    """`owner/name` of a repository on this GitHub, in the letters of its URL; empty for any other URL."""
    server = repository_name(f"{server_url}/owner/name").partition("/")[0]
    host, _, name = repository_name(url).partition("/")
    if not server or _SSH_HOSTS.get(host, host) != server:
        return ""
    path = url.strip().rstrip("/").removesuffix(".git")[-len(name) :]
    return path if is_github_name(path) else ""


def is_github_name(text: str) -> bool:
    """Whether a repository on GitHub may be called so, `owner/name`."""
    return re.fullmatch(_GITHUB_NAME, text) is not None


def repository_key(url: str) -> str:
    """What is equal for all forms of one repository's URL: any scheme, user, port and case, with or without `.git`."""
    name = repository_name(url)
    if not name:
        written = url.strip().rstrip("/").removesuffix(".git").lower()
        match = re.fullmatch(_NAMED_URL, written)
        return f"{match['host'] or match['scp']}/{match['path'].strip('/')}" if match else written
    host, _, path = name.partition("/")
    if host.endswith("dev.azure.com"):
        return f"dev.azure.com/{path.removeprefix('v3/').replace('/_git/', '/')}"
    return f"{_SSH_HOSTS.get(host, host)}/{path}"


# Few hosts are asked, and each of them before every request.
@lru_cache(maxsize=128)
def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else host.lower() == "localhost"


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that the host is; of an IPv4 address in IPv6's form the former; None for a name."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
