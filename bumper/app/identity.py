"""Whom GitHub sees: a token that was given for the purpose, one that a token service exchanges, a GitHub App, or the job's own token.

Law: each repository gets a token of its own, and neither an App's token nor `GITHUB_TOKEN` goes to another host than the GitHub that
gave it: whoever names a platform repository elsewhere must not get it. The platform repository is written with `BUMP_TOKEN`, which is
meant for it wherever it is, or with what the token service gives that was named, else the App's, else `GITHUB_TOKEN`: the job's own
token can push to no other repository. In the site's own repository it is `GITHUB_TOKEN`, else the App's: what an App says may start
workflows, what the job says does not.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bumper.address import host_of, origin, repository_name, token_of
from bumper.app.settings import TokenServiceSettings
from bumper.app.surroundings import Surroundings
from bumper.errors import UsageError

if TYPE_CHECKING:
    from bumper.systems.github.api import Token
    from bumper.systems.github.app import App
    from bumper.systems.github.job_token import JobTokens
    from bumper.systems.github.token_service import TokenService

PUBLIC_API = "https://api.github.com"
_PUBLIC_SERVER = "https://github.com"
_MOST_KEY_BYTES = 100_000
_KEY, _KEY_FILE = "BUMP_APP_PRIVATE_KEY", "BUMP_APP_PRIVATE_KEY_FILE"


class Identity:
    """The tokens of one run. `now` is monotonic seconds, `wall` epoch seconds.

    `service` gives the token for the platform repository, where one was named. `hide` is told each token that is made for this run.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        now: Callable[[], float],
        wall: Callable[[], float],
        *,
        service: TokenServiceSettings | None = None,
        hide: Callable[[str], None] = lambda token: None,
    ) -> None:
        self._environ = environ
        self._now = now
        self._wall = wall
        self._service_settings = service
        self._hide = hide
        self._app: App | None = None
        self._service: TokenService | None = None
        self._tokens: dict[tuple[str, frozenset[tuple[str, str]]], Token] = {}

    def __repr__(self) -> str:
        return "Identity()"

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that the tokens come from."""
        return self._environ

    @property
    def api_url(self) -> str:
        return self._environ.get("GITHUB_API_URL") or PUBLIC_API

    def platform(self, url: Callable[[], str], permissions: Mapping[str, str]) -> "str | Token":
        """The token for the platform repository; empty where none is for its host. Its git URL is asked for where that counts."""
        if self._service_settings:
            return self._exchanged(self._service_settings, url())
        if token := self._token("BUMP_TOKEN"):
            return token
        if self._has_app and (name := self._name_here(url())):
            return self._of_app(name, permissions, self._environ.get("BUMP_APP_INSTALLATION_ID", ""))
        token = self._token("GITHUB_TOKEN")
        return token if token and _is_at(self._server, url()) else ""

    def withheld(self, url: Callable[[], str]) -> str:
        """Why the platform repository gets no token although there is one; empty where it gets one, or there is none at all."""
        if self._service_settings or self._token("BUMP_TOKEN") or not self._token("GITHUB_TOKEN"):
            return ""
        if _is_at(self._server, url()) or (self._has_app and self._name_here(url())):
            return ""
        return f"GITHUB_TOKEN is for {self._server} alone and was not sent"

    def source(
        self, repository: str, permissions: Mapping[str, str], *, prefers_app: bool = False
    ) -> "str | Token":
        """The token for a site's own repository, `owner/name`; empty where there is none.

        With `prefers_app` an App's goes before that of the job, which is for the workflow's own repository alone.
        """
        token = self._token("GITHUB_TOKEN")
        if token and not (prefers_app and self._has_app):
            return token
        return self._of_app(repository, permissions) if self._has_app and repository else ""

    def job_tokens(self) -> "JobTokens":
        """Where the job's own OIDC tokens come from."""
        from bumper.systems.github.job_token import JobTokens

        surroundings = Surroundings.of(self._environ)
        return JobTokens(
            surroundings.job_token_url, surroundings.job_token_bearer, now=self._now, environ=self._environ
        )

    def close(self) -> None:
        """Gives back what was minted for this run."""
        for opened in (self._app, self._service):
            if opened:
                opened.close()

    def _token(self, variable: str) -> str:
        try:
            return token_of(self._environ, variable)
        except ValueError as error:
            raise UsageError(str(error), hint="copy the token anew, alone and as a whole") from None

    def _exchanged(self, settings: TokenServiceSettings, url: str) -> "str | Token":
        if self._token("BUMP_TOKEN"):
            raise UsageError(
                "BUMP_TOKEN and --token-service both say which token the platform repository gets",
                hint="leave one out: with --token-service no token is stored",
            )
        name = self._name_here(url)
        if not name:
            raise UsageError(
                f"--token-service: {host_of(url)} is not at home on {self._server}, whose tokens the service gives",
                hint="name the platform repository there with --repo, or use BUMP_TOKEN",
            )
        key = (name.lower(), frozenset[tuple[str, str]]())
        if key not in self._tokens:
            self._tokens[key] = self._opened_service(settings).token(name)
        return self._tokens[key]

    def _opened_service(self, settings: TokenServiceSettings) -> "TokenService":
        from bumper.systems.github.minted import MintedTokens
        from bumper.systems.github.token_service import TokenService

        if self._service is None:
            tokens = MintedTokens(now=self._now, api_url=self.api_url, environ=self._environ, hide=self._hide)
            self._service = TokenService(
                settings.url,
                settings.identity,
                self.job_tokens(),
                tokens,
                now=self._now,
                environ=self._environ,
            )
        return self._service

    @property
    def _has_app(self) -> bool:
        return any(self._environ.get(name) for name in ("BUMP_APP_ID", _KEY, _KEY_FILE))

    def _of_app(self, repository: str, permissions: Mapping[str, str], installation: str = "") -> "Token":
        key = (repository.lower(), frozenset(permissions.items()))
        if key not in self._tokens:
            self._tokens[key] = self._opened().token(repository, permissions, installation)
        return self._tokens[key]

    def _opened(self) -> "App":
        from bumper.systems.github.app import App

        if self._app is None:
            issuer = self._environ.get("BUMP_APP_ID", "")
            if not issuer:
                raise UsageError(
                    f"{_KEY} is set, and BUMP_APP_ID is not",
                    hint="BUMP_APP_ID is the App's client ID or App ID",
                )
            self._app = App(
                issuer,
                self._key(),
                now=self._now,
                wall=self._wall,
                api_url=self.api_url,
                environ=self._environ,
                hide=self._hide,
            )
        return self._app

    def _key(self) -> str:
        if text := self._environ.get(_KEY):
            return text
        path = self._environ.get(_KEY_FILE)
        if not path:
            raise UsageError(
                "BUMP_APP_ID is set, and the App's private key is not",
                hint=f"{_KEY} holds its PEM text, or {_KEY_FILE} names its file",
            )
        from bumper.systems.file import content

        try:
            return content(Path(path), _MOST_KEY_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            raise UsageError(f"{_KEY_FILE}: {path}: {why}", hint="it names a PEM file") from None

    @property
    def _server(self) -> str:
        return (self._environ.get("GITHUB_SERVER_URL") or _PUBLIC_SERVER).rstrip("/")

    def _name_here(self, url: str) -> str:
        """`owner/name` where this is the GitHub that the App belongs to; empty elsewhere."""
        from bumper.systems.github.branch import rest_url
        from bumper.systems.github.graphql import Home

        try:
            home = Home.find(url, self._server, self.api_url)
        except UsageError:
            return ""
        is_here = _is_at(self._server, url) or _is_at(_PUBLIC_SERVER, url)
        return home.name if is_here and rest_url(home) == self.api_url.rstrip("/") else ""


def _is_at(server: str, url: str) -> bool:
    """Whether the git URL is of this server: the same host and port, or by ssh the same host."""
    if there := origin(url):
        # By http it is the same host, and refused for what it is.
        return origin(server) in (there, there.replace("http:", "https:", 1))
    host = repository_name(f"{server}/owner/name").removesuffix("owner/name")
    return bool(host) and not url.startswith(("http:", "https:")) and repository_name(url).startswith(host)
