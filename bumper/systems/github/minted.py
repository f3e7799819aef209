"""Tokens that are made for this run: each when it is first used, a new one before it ends, and all given back when the run is over.

Law: whoever prints the run's log hears of a token before anybody else does, so that the log can hide it. Lifetimes are monotonic
seconds. Source: GitHub's documentation, "Revoke an installation access token".
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from bumper.dataclasses import dataclass
from bumper.errors import BumpError
from bumper.systems.github.api import Api, Token

if TYPE_CHECKING:
    import httpx

# A call of git or a slow answer must end before the token does.
_MARGIN_S = 300.0
_GOODBYE_S = 3.0


@dataclass(frozen=True, repr=False)
class Minted:
    """A token and when it ends, in monotonic seconds."""

    token: str
    ends_s: float

    @property
    def renew_s(self) -> float:
        return self.ends_s - _MARGIN_S


class MintedTokens:
    """All of one run. They may be used from several threads. `hide` is told each token as soon as it is there."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        api_url: str,
        environ: Mapping[str, str] | None = None,
        transport: "httpx.BaseTransport | None" = None,
        hide: Callable[[str], None] = lambda token: None,
    ) -> None:
        self._now = now
        self._api_url = api_url
        self._environ = environ
        self._transport = transport
        self._hide = hide
        self._lock = threading.Lock()
        self._minted: list[Minted] = []

    def token(self, mint: Callable[[], Minted]) -> Token:
        """What to ask for a token each time that one is needed. Nothing is minted before the first call."""
        held: list[Minted] = []

        def current() -> str:
            with self._lock:
                if not held or self._now() > held[0].renew_s:
                    held[:] = [mint()]
                    self._minted.append(held[0])
                    self._hide(held[0].token)
                return held[0].token

        return current

    def close(self) -> None:
        """Gives back every token that may still be valid. A token that GitHub does not take back ends by itself within the hour."""
        for minted in list(self._minted):
            if self._now() < minted.ends_s:
                self._give_back(minted.token)
        self._minted.clear()

    def _give_back(self, token: str) -> None:
        goodbye = Api(
            self._api_url,
            token=token,
            now=self._now,
            timeout_s=_GOODBYE_S,
            environ=self._environ,
            transport=self._transport,
        )
        with suppress(BumpError):
            goodbye.delete("/installation/token")
        goodbye.close()
