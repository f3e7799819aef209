"""A GitHub App's identity: tokens of its installations, minted from the App's private key.

Law: a token is asked for one repository and for the permissions that are needed there, never for more. Lifetimes are counted by
GitHub's clock and on ours from the moment of the answer: the two clocks are never compared, except to tell GitHub a time that it
believes. No key or token stands in a text.
Source: GitHub's documentation, "Authenticating with a GitHub App", and its OpenAPI description.
"""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bumper.errors import NoAccess, Unreachable, UsageError
from bumper.systems.github.api import Api, Invalid, Missing, Token, Unknown
from bumper.systems.github.minted import Minted, MintedTokens
from bumper.systems.http.document import shaped

if TYPE_CHECKING:
    import httpx
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# GitHub refuses an assertion from its own future and an assertion that ends more than ten minutes ahead.
_BACKDATED_S, _VALID_S = 60, 540
# GitHub's Date is whole seconds, and an answer takes some.
_SAME_CLOCK_S = 30.0
_TIMEOUT_S = 10.0
_KEY = "BUMP_APP_PRIVATE_KEY or BUMP_APP_PRIVATE_KEY_FILE must hold the App's private key in PEM form, as GitHub gave it"


class App:
    """One App. `issuer` is its client ID or App ID, `key` the PEM text of its private key.

    `now` is monotonic seconds, `wall` epoch seconds of this machine. `hide` is told each token as soon as it is there.
    """

    def __init__(
        self,
        issuer: str,
        key: str,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
        api_url: str,
        environ: Mapping[str, str] | None = None,
        transport: "httpx.BaseTransport | None" = None,
        hide: Callable[[str], None] = lambda token: None,
    ) -> None:
        """Does not use the network. `UsageError` where the key is no RSA key."""
        self._issuer = issuer
        self._key = _private_key(key)
        self._now = now
        self._wall = wall
        self._ahead_s = 0.0
        self._api = Api(
            api_url,
            token=self._assertion,
            now=now,
            timeout_s=_TIMEOUT_S,
            environ=environ,
            transport=transport,
        )
        self._tokens = MintedTokens(now=now, api_url=api_url, environ=environ, transport=transport, hide=hide)

    def __repr__(self) -> str:
        return f"App({self._issuer!r})"

    def token(self, repository: str, permissions: Mapping[str, str], installation: str = "") -> Token:
        """What to ask for a token each time that one is needed. Nothing is minted before the first call.

        `repository` is `owner/name`, permissions are in GitHub's words (`{"contents": "write"}`). Without `installation` GitHub is
        asked for it.
        """
        return self._tokens.token(lambda: self._mint(repository, permissions, installation))

    def close(self) -> None:
        """Gives back every token that may still be valid."""
        self._tokens.close()
        self._api.close()

    def _mint(self, repository: str, permissions: Mapping[str, str], installation: str) -> Minted:
        owner, _, name = repository.partition("/")
        installation = installation or self._find(owner, name)
        body = {"repositories": [name], "permissions": dict(permissions)}
        asked = ", ".join(f"{name}: {level}" for name, level in permissions.items())
        try:
            answer = self._ask(
                lambda: self._api.post(f"/app/installations/{installation}/access_tokens", body)
            )
        except Missing as error:
            raise NoAccess(
                f"{error.message}: the App {self._issuer} has no installation {installation}",
                hint="BUMP_APP_INSTALLATION_ID is the number at the end of the installation's address; without it GitHub is asked",
            ) from None
        except Invalid as error:
            raise NoAccess(
                f"{error.message} ({asked} on {repository})",
                hint="grant these permissions to the App in its settings, accept them for the installation, and let it "
                f"have {repository}",
            ) from None
        return self._received(answer)

    def _received(self, answer: Any) -> Minted:
        try:
            token, ends_s = (
                str(answer["token"]),
                datetime.fromisoformat(str(answer["expires_at"])).timestamp(),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise Unreachable("GitHub: the answer holds no token with an end, expected both") from None
        # By the clock that wrote the end; where no Date was sent, by ours as GitHub would have it.
        sent_s = self._api.dated_s if self._api.dated_s is not None else self._wall() + self._ahead_s
        return Minted(token, self._now() + ends_s - sent_s)

    def _find(self, owner: str, name: str) -> str:
        try:
            path = f"/repos/{owner}/{name}/installation"
            return str(shaped(f"GitHub: {path}", self._ask(lambda: self._api.get(path)), {"id": int})["id"])
        except Missing:
            raise NoAccess(
                f"GitHub: the App {self._issuer} is not installed on {owner}/{name}",
                hint=f"install it for {owner} and let it have {name}, or use BUMP_TOKEN",
            ) from None

    def _ask(self, ask: Callable[[], Any]) -> Any:
        """The answer; where this machine's clock is wrong, once more by GitHub's."""
        try:
            return ask()
        except NoAccess as error:
            if not self._corrects_clock():
                raise self._refusal(error) from None
        try:
            return ask()
        except NoAccess as error:
            raise self._refusal(error) from None

    def _corrects_clock(self) -> bool:
        dated_s = self._api.dated_s
        if dated_s is None or abs(dated_s - self._wall() - self._ahead_s) < _SAME_CLOCK_S:
            return False
        self._ahead_s = dated_s - self._wall()
        return True

    def _refusal(self, error: NoAccess) -> NoAccess:
        if not isinstance(error, Unknown):
            return NoAccess(error.message, hint="the App's installation may be suspended: see its settings")
        return NoAccess(
            f"{error.message}: the App {self._issuer} is not known by this key",
            hint=f"BUMP_APP_ID must be the App's client ID or App ID; {_KEY}",
        )

    def _assertion(self) -> str:
        """A JSON Web Token, signed as RS256, that says who we are for the next minutes."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        time_s = int(self._wall() + self._ahead_s)
        claims = {"iat": time_s - _BACKDATED_S, "exp": time_s + _VALID_S, "iss": self._issuer}
        signed = ".".join(
            _encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims)
        )
        return f"{signed}.{_encoded(self._key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _private_key(text: str) -> "RSAPrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # Where a variable can hold one line only, people write its ends as \n.
    content = text.strip().replace("\\n", "\n").encode()
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError("the GitHub App's private key: found no readable PEM text", hint=_KEY) from None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError("the GitHub App's private key: found another kind of key, expected RSA", hint=_KEY)
    return key


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
