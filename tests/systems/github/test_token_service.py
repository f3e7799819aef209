"""A job's own token exchanged at a token service: who gets one, what a refusal says, and that it is hidden and given back."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import httpx
import pytest
from oidc import Issuer
from sandbox_github.content import User
from sandbox_github.server import GitHubServer, Token
from sandbox_github.token_service import DENIED, EXHAUSTED, INTERNAL, Refusal, TokenServer
from tables import each_row

from bumper.app.identity import Identity
from bumper.app.settings import TokenServiceSettings
from bumper.errors import BumpError, NoAccess, Transient, Unreachable, UsageError
from bumper.systems.github.job_token import JobTokens
from bumper.systems.github.minted import MintedTokens
from bumper.systems.github.token_service import TokenService

PLATFORM = "octo/platform"
SUBJECT = "repo:octo/web:ref:refs/heads/main"
TOKEN = "ghs_ex.cha-nged"


@dataclass
class Place:
    """The platform's GitHub, an issuer as GitHub Actions is one, and a token service beside them."""

    hub: GitHubServer
    issuer: Issuer
    service: TokenServer
    policies: dict[str, str]
    hidden: list[str] = field(default_factory=list)
    opened: list[Identity] = field(default_factory=list)

    def identity(self, name: str = "bump", **more: str) -> Identity:
        environ = {
            "GITHUB_API_URL": self.hub.url,
            "GITHUB_SERVER_URL": "https://github.example",
            **self.issuer.environ(),
            **more,
        }
        service = TokenServiceSettings(f"http://{self.service.domain}", name)
        self.opened.append(
            Identity(environ, time.monotonic, time.time, service=service, hide=self.hidden.append)
        )
        return self.opened[-1]

    def exchanged(self, name: str = "bump", **more: str) -> str:
        identity = self.identity(name, **more)
        token = identity.platform(lambda: f"https://github.example/{PLATFORM}.git", {"contents": "write"})
        assert callable(token)
        return token()


@pytest.fixture
def place() -> Iterator[Place]:
    policies: dict[str, str] = {}
    with GitHubServer() as hub, Issuer(sub=SUBJECT, ref="refs/heads/main", repository="octo/web") as issuer:

        def mint(repository: str, permissions: Mapping[str, str]) -> str:
            hub.tokens[TOKEN] = Token(User("octo-sts[bot]"), (repository,), permissions=dict(permissions))
            return TOKEN

        def read(repository: str, path: str) -> str | None:
            return policies.get(path.removeprefix(".github/chainguard/")) if repository == PLATFORM else None

        with TokenServer(read, mint) as service:
            policies["bump.sts.yaml"] = policy(issuer.url)
            place = Place(hub, issuer, service, policies)
            yield place
            for identity in place.opened:
                identity.close()


def policy(issuer: str, subject: str = SUBJECT) -> str:
    return f"issuer: {issuer}\nsubject: {subject}\npermissions:\n  contents: write\n"


def test_the_jobs_token_becomes_one_for_the_platform_that_is_hidden_and_given_back(place: Place) -> None:
    identity = place.identity()
    url = f"https://github.example/{PLATFORM}.git"
    token = identity.platform(lambda: url, {"contents": "write"})
    assert callable(token)
    assert place.service.queries == [], "nothing is asked before it is needed"
    assert {token(), token()} == {TOKEN}
    assert place.service.queries == [{"scope": PLATFORM, "scopes": PLATFORM, "identity": "bump"}]
    assert place.hub.tokens[TOKEN].permissions == {"contents": "write"}
    assert place.hidden == [TOKEN]
    assert TOKEN not in f"{identity!r} {token!r}"
    identity.close()
    assert place.hub.tokens == {}
    assert [(asked.method, asked.path) for asked in place.hub.exchanges] == [
        ("DELETE", "/installation/token")
    ]


@dataclass(frozen=True)
class Refused:
    """A refusal: what was changed before, the error, and what message and hint say."""

    change: Callable[[Place], object]
    error: type[BumpError]
    message: str
    hint: str
    identity: str = "bump"


REFUSALS = {
    "another repository": Refused(
        lambda place: place.issuer.claims.update(sub="repo:octo/evil:ref:refs/heads/main"),
        NoAccess,
        f'403 trust policy: subject "repo:octo/evil:ref:refs/heads/main" did not match "{SUBJECT}"',
        ".github/chainguard/bump.sts.yaml of octo/platform must match this job, which is repo:octo/evil:ref:refs/heads/main",
    ),
    "an issuer whose keys are others": Refused(
        lambda place: place.issuer.claims.update(iss="http://127.0.0.1:9"), Unreachable, "400 unable to fetch", "octo-sts does"
    ),
    "a token that has ended": Refused(
        lambda place: setattr(place.issuer, "lasts_s", -1), NoAccess, "401 unable to verify", "it must accept tokens that http://127"
    ),
    "no policy": Refused(
        lambda place: place.policies.clear(),
        NoAccess,
        '404 unable to find trust policy for "bump"',
        "must stand on its default branch (bump setup writes it), and the service's App be installed on octo/platform",
    ),
    "a policy of another name": Refused(
        lambda place: None, NoAccess, '404 unable to find trust policy for "other"', "other.sts.yaml", "other"
    ),
    "a policy with a field that is none": Refused(
        lambda place: place.policies.update({"bump.sts.yaml": "issuers: x\n"}), NoAccess, "404 unable to compile", "bump.sts.yaml"
    ),
    "permissions that the App has not": Refused(
        lambda place: place.service.faults.append(Refusal(DENIED, "token exchange failure (StatusUnprocessableEntity)")),
        NoAccess,
        "403 token exchange failure",
        "permissions that the service's App has",
    ),
    "too many": Refused(
        lambda place: place.service.faults.append(Refusal(EXHAUSTED, "rate limit")), Transient, "429 rate limit", ""
    ),
    "an outage": Refused(
        lambda place: place.service.faults.append(Refusal(INTERNAL, "failed to get token")), Transient, "500 failed", ""
    ),
}  # fmt: skip


def test_a_refusal_says_what_the_service_said_and_what_to_do(place: Place) -> None:
    unchanged, policies = dict(place.issuer.claims), dict(place.policies)
    for name, case in REFUSALS.items():
        case.change(place)
        with pytest.raises(case.error) as refused:
            place.exchanged(case.identity)
        assert case.message in refused.value.message, name
        assert refused.value.message.startswith(f"token service {place.service.domain}: "), name
        assert case.hint in refused.value.hint, name
        place.issuer.claims, place.issuer.lasts_s = dict(unchanged), 300
        place.policies.update(policies)
    assert place.hidden == []


def test_where_there_is_no_token_of_the_job_that_is_said(place: Place) -> None:
    with pytest.raises(NoAccess, match="the job has no OIDC token to exchange") as refused:
        place.exchanged(ACTIONS_ID_TOKEN_REQUEST_URL="")
    assert "permissions: id-token: write" in refused.value.hint
    with pytest.raises(NoAccess, match=r"gave no OIDC token for the job \(403\): it needs permissions"):
        place.exchanged(ACTIONS_ID_TOKEN_REQUEST_TOKEN="another")
    assert place.service.queries == []


def test_two_ways_to_a_token_and_a_platform_elsewhere_are_refused(place: Place) -> None:
    with pytest.raises(UsageError, match="BUMP_TOKEN and --token-service both say"):
        place.exchanged(BUMP_TOKEN="mine")
    with pytest.raises(UsageError, match=r"gitlab\.example is not at home on https://github\.example"):
        place.identity().platform(lambda: "https://gitlab.example/octo/platform.git", {})
    assert place.service.queries == []


@each_row(
    ("answer", "message"),
    [
        (httpx.Response(200, json={}), "holds no token"),
        (httpx.Response(200, json={"token": "a\nb"}), "holds no token"),
        (httpx.Response(200, json={"token": "a" * 5000}), "5000 characters"),
        (httpx.Response(200, text="<html>"), "holds no token"),
        (httpx.Response(302, headers={"Location": "https://evil.example"}), "302"),
        (httpx.Response(403, text="nope"), "403"),
        (
            httpx.Response(401, json={"message": "bearer token 'a.b.c' has ended"}),
            r"401 bearer token '\*\*\*' has ended",
        ),
    ],
)
def test_an_answer_of_another_kind_is_an_error_without_the_jobs_token(
    answer: httpx.Response, message: str
) -> None:
    asked: list[httpx.Request] = []

    def service(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"value": "a.b.c"}) if request.url.host == "job.example" else answer

    transport = httpx.MockTransport(service)
    job = JobTokens("https://job.example/?v=2", "s3cret", now=time.monotonic, transport=transport)
    tokens = MintedTokens(now=time.monotonic, api_url="https://api.example", transport=transport)
    sts = TokenService("https://sts.example", "bump", job, tokens, now=time.monotonic, transport=transport)
    with pytest.raises(BumpError, match=message) as refused:
        sts.token(PLATFORM)()
    assert [request.url.host for request in asked] == ["job.example", "sts.example"]
    assert dict(asked[0].url.params) == {"v": "2", "audience": "sts.example"}
    assert asked[1].headers["authorization"] == "Bearer a.b.c"
    text = refused.value.message + refused.value.hint
    assert "a.b.c" not in text
    assert "s3cret" not in text
