"""What the user's own settings of git make of the way to the remote, looked at before a credential goes there.

Law: git alone decides what its settings mean, so git is asked. Refused are settings that lead from TLS to clear text, and those that
switch off the check of the certificate where a credential goes along: whoever stands on the way could read it.

Sources: git-config(1), `http.<url>.*`, `url.<base>.insteadOf`; http.c (any value of GIT_SSL_NO_VERIFY, even none, switches off);
curl reads ~/.netrc where git has no credential (CURLOPT_NETRC, which http.c sets).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from netrc import NetrcParseError, netrc
from pathlib import Path
from urllib.parse import urlsplit

from bumper.address import may_carry_credentials, origin
from bumper.dataclasses import dataclass
from bumper.errors import UsageError
from bumper.systems.file import content, is_there
from bumper.systems.git.address import Address

_MOST_NETRC_BYTES = 1_000_000
_NO_VERIFY = "GIT_SSL_NO_VERIFY"
_ENCRYPTED = "expected https (http only to this machine)"


@dataclass(frozen=True)
class Transport:
    """The way of git to one address. `ask` runs git with the settings for it and returns what it prints; `remote` is its name.

    `configured` gives git's configuration without what we set, None where git cannot read it: nothing is asked that nobody has set.
    """

    address: Address
    remote: str
    configured: Callable[[], Iterable[tuple[str, str]] | None]
    ask: Callable[..., str]
    environ: Mapping[str, str]

    def require_encrypted(self, *, carries: bool) -> str:
        """`UsageError` where git would show a credential to whoever stands on the way; `carries`: one of ours goes along.

        Returns what else to say where access is refused. Does not use the network.
        """
        scheme = urlsplit(self.address.url).scheme
        if scheme not in ("http", "https"):
            return ""
        if self.address.is_in_clear_text:
            self._refuse_netrc()
        if scheme == "https":
            self._refuse_unverified(carries=carries)
        urls = self._urls()
        for url in urls:
            self._refuse_clear_text(url)
        return self._detour(urls) if carries else ""

    def _refuse_netrc(self) -> None:
        path = Path(self.environ.get("HOME", "")) / ".netrc"
        if not self.environ.get("HOME") or not is_there(path):
            return
        try:
            content(path, _MOST_NETRC_BYTES)
            is_kept = bool(netrc(path).authenticators(urlsplit(self.address.url).hostname or ""))
        except (OSError, NetrcParseError, UnicodeDecodeError):
            is_kept = True  # curl may read what we can't
        if is_kept:
            raise UsageError(
                f"{self.address}: git would send the password that {path} keeps for this host in clear text: {_ENCRYPTED}",
                hint="name the repository by its https address with --repo, or take the host out of the file",
            )

    def _refuse_unverified(self, *, carries: bool) -> None:
        is_off = _NO_VERIFY in self.environ or self._setting("--type=bool", "http.sslVerify") == "false"
        if is_off and (carries or "authorization" in self._setting("http.extraHeader").lower()):
            setting = f"{_NO_VERIFY} is set" if _NO_VERIFY in self.environ else "http.sslVerify is false"
            raise UsageError(
                f"{self.address}: {setting}, so that git would send a credential to a server that nobody vouches for: "
                "expected that its certificate is checked",
                hint="leave the check on and name the server's authority with git's http.sslCAInfo or GIT_SSL_CAINFO; "
                "git config --show-origin --get-regexp sslverify shows where the setting stands",
            )

    def _setting(self, *arguments: str) -> str:
        """The value that holds for this address; empty where there is none."""
        *kind, name = arguments
        if not self._has("http."):
            return ""
        return self.ask("config", *kind, "--get-urlmatch", name, self.address.url).strip()

    def _urls(self) -> list[str]:
        """Where git fetches from and pushes to, once its settings (`insteadOf`, `pushInsteadOf`) have rewritten the address."""
        if not self._has("url."):
            return [self.address.url]
        line = re.compile(rf"^{re.escape(self.remote)}\t(.*) \((?:fetch|push)\)", re.MULTILINE)
        return list(dict.fromkeys(line.findall(self.ask("remote", "--verbose"))))

    def _has(self, section: str) -> bool:
        configured = self.configured()
        return configured is None or any(key.startswith(section) for key, _ in configured)

    def _refuse_clear_text(self, url: str) -> None:
        rewritten = urlsplit(url)
        is_worse = not self.address.is_in_clear_text or rewritten.password
        if rewritten.scheme == "http" and is_worse and not may_carry_credentials(url):
            raise UsageError(
                f"{self.address}: git's settings lead to {origin(url) or 'http'}, in clear text: {_ENCRYPTED}",
                hint="git config --show-origin --get-regexp insteadof shows where the setting stands",
            )

    def _detour(self, urls: list[str]) -> str:
        home = origin(self.address.url)
        others = [origin(url) for url in urls if origin(url) not in ("", home)]
        return (
            f"git's settings (insteadOf) lead to {', '.join(others)}, where the token is not sent"
            if others
            else ""
        )
