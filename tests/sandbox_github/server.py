"""GitHub's REST API on loopback, as far as a deploy is told there: commits, pull requests, comments, Deployments and statuses of one
repository or more, and the Apps that may write them.

Who has no valid token is answered 401; who may only read is answered 403 for a write, as a workflow of a fork is; a repository that a
token knows nothing of is 404. A comment of more than 65,536 characters is 422. Faults can be ordered for the next requests.
"""

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from sandbox_github import records as records
from sandbox_github import rules as rules
from sandbox_github.apps import Apps
from sandbox_github.comparison import comparison
from sandbox_github.content import Comment, Objects, Pull, Repository, User
from sandbox_github.deployments import Deployment, Ledger
from sandbox_github.graphql import GraphQLApi
from sandbox_github.hosted import Hosted
from sandbox_github.wire import Answer, Exchange, Refusal, Token

__all__ = ["LONGEST_BODY", "Answer", "Exchange", "GitHubServer", "Refusal", "Token"]

LONGEST_BODY = 65_536
# Which permission a token of an App needs for what stands behind the repository's name: one of these, to read or to write.
_PERMISSIONS = {
    "commits": ("contents",),
    "compare": ("contents",),
    "deployments": ("deployments",),
    "issues": ("issues", "pull_requests"),
    "pulls": ("pull_requests",),
    "statuses": ("statuses",),
}


Route = Callable[["GitHubServer", Token, Repository, "_Asked"], Answer]


@dataclass(frozen=True)
class _Asked:
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: Any

    @property
    def text(self) -> str:
        if not isinstance(self.body, dict) or not isinstance(self.body.get("body"), str):
            raise Refusal(422, "Validation Failed", errors=[{"code": "missing_field", "field": "body"}])
        text = str(self.body["body"])
        if len(text) > LONGEST_BODY:
            problem = f"body is too long (maximum is {LONGEST_BODY} characters)"
            raise Refusal(
                422, "Validation Failed", errors=[{"code": "custom", "field": "body", "message": problem}]
            )
        return text


class GitHubServer:
    """Serves on 127.0.0.1 and a free port. `site` is the origin of web pages, for the addresses in answers.

    `faults` are answers for the next requests, in order, before anything is looked at; None lets one request through.
    `on_write` is called before anything is written: tests let somebody else be faster. `wall` is epoch seconds, by which tokens end.
    """

    def __init__(
        self, *, site: str = "https://github.example", wall: Callable[[], float] = time.time
    ) -> None:
        self._lock = threading.Lock()
        self._next_comment = 1000
        self._site = site
        self._thread: threading.Thread | None = None
        self.wall = wall
        self.apps = Apps()
        self.ledgers: dict[str, Ledger] = {}
        self.repositories: dict[str, Repository] = {}
        self.settings: dict[str, rules.Settings] = defaultdict(rules.Settings)
        self.tokens: dict[str, Token] = {}
        self.faults: list[Answer | None] = []
        self.exchanges: list[Exchange] = []
        self.on_write: Callable[[], None] | None = None
        self.graphql = GraphQLApi(site)
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.owner = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def objects(self) -> Objects:
        return Objects(self.url, self._site)

    def add(self, name: str, *pulls: Pull, commits: tuple[str, ...] = ()) -> Repository:
        repository = Repository(name, {pull.number: pull for pull in pulls}, commits=set(commits))
        self.repositories[name] = repository
        self.ledgers[name] = Ledger(repository.find)
        return repository

    def host(self, name: str, path: Path, environ: Mapping[str, str]) -> Hosted:
        """Serves a bare repository: commits and pull requests by GraphQL, the statuses of its commits by both APIs."""
        hosted = Hosted(name, path, environ)
        self.graphql.hosting.repositories[name] = hosted
        self.repositories.setdefault(name, Repository(name))
        self.ledgers[name] = hosted.ledger
        return hosted

    def write(self, repository: Repository, pull: int, author: User, body: str) -> Comment:
        """Adds a comment, as a person does on the page."""
        with self._lock:
            self._next_comment += 1
            comment = Comment(self._next_comment, pull, author, body)
            repository.comments[comment.number] = comment
            return comment

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="github")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        if self._thread:
            self._thread.join()
        self._http.server_close()

    def answer(self, method: str, target: str, token: str, body: Any) -> Answer:
        """The answer to one request, which is kept."""
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            answer = self._fault() or self._route(method, _path(url.path), query, token, body)
        except Refusal as refusal:
            answer = refusal.answer
        self.exchanges.append(Exchange(method, _path(url.path), query, body, answer))
        return answer

    def _fault(self) -> Answer | None:
        with self._lock:
            return self.faults.pop(0) if self.faults else None

    def _route(self, method: str, path: str, query: Mapping[str, str], secret: str, body: Any) -> Answer:
        if (match := _APP.fullmatch(path)) and match.lastgroup:
            return self._of_an_app(method, match, secret, body)
        token = self.tokens.get(secret)
        if token is None or token.ends_s <= self.wall():
            raise Refusal(401, "Bad credentials")
        if (method, path) == ("DELETE", "/installation/token"):
            del self.tokens[secret]
            return Answer(204, None)
        if (method, path) == ("GET", "/user"):
            return self._who(token)
        if (method, path) == ("POST", "/graphql"):
            return Answer(*self.graphql.answer(body, token.user.login, token.reads, writes=token.writes))
        for verb, pattern, route in _ROUTES:
            match = pattern.fullmatch(path)
            if verb == method and match:
                repository = self.repositories.get(match["repository"])
                if repository is None or repository.name not in token.reads:
                    raise Refusal(404, "Not Found")
                _permit(token, path.removeprefix(f"/repos/{repository.name}/"), method)
                if method != "GET" and self.on_write:
                    self.on_write()
                return route(self, token, repository, _Asked(match.groupdict(), query, body))
        raise Refusal(404, "Not Found")

    def _of_an_app(self, method: str, match: re.Match[str], assertion: str, body: Any) -> Answer:
        app = self.apps.acting(assertion, self.wall())
        if method == "GET" and match["repository"]:
            where = self.apps.installed(app, match["repository"])
            return Answer(200, records.installation(self.objects, app, where))
        if method == "POST" and match["installation"]:
            secret, token = self.apps.mint(app, int(match["installation"]), body, self.wall())
            self.tokens[secret] = token
            return Answer(201, records.installation_token(self.objects, secret, token))
        raise Refusal(404, "Not Found")

    def _settings(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        settings = self.settings[repository.name]
        return Answer(200, rules.repository(self.objects, repository.name, settings, writes=token.writes))

    def _rules(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        branch = unquote(asked.names["branch"])
        entries = rules.rules_of(repository.name, branch, self.settings[repository.name])
        return self._page(entries, asked, f"/repos/{repository.name}/rules/branches/{asked.names['branch']}")

    def _ruleset(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        number = int(asked.names["number"])
        ruleset = rules.ruleset(repository.name, number, self.settings[repository.name])
        if ruleset is None:
            raise Refusal(404, "Not Found")
        return Answer(200, ruleset)

    def _deploy(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        made = self.ledgers[repository.name].deploy(asked.body, token.user)
        if not isinstance(made, Deployment):
            return made
        return Answer(201, records.deployment(self.objects, repository.name, made))

    def _deployments(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        deployments = self.ledgers[repository.name].listed(asked.query)
        entries = [
            records.deployment(self.objects, repository.name, deployment) for deployment in deployments
        ]
        return self._page(entries, asked, f"/repos/{repository.name}/deployments")

    def _advance(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        ledger, number = self.ledgers[repository.name], int(asked.names["number"])
        status = ledger.advance(number, asked.body, token.user)
        return Answer(
            201, records.deployment_status(self.objects, repository.name, status, ledger.deployment(number))
        )

    def _states(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        deployment = self.ledgers[repository.name].deployment(int(asked.names["number"]))
        entries = [
            records.deployment_status(self.objects, repository.name, status, deployment)
            for status in reversed(deployment.statuses)
        ]
        return self._page(
            entries, asked, f"/repos/{repository.name}/deployments/{deployment.number}/statuses"
        )

    def _tell(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        status = self.ledgers[repository.name].tell(asked.names["sha"], asked.body, token.user)
        return Answer(201, records.commit_status(self.objects, repository.name, status))

    def _statuses(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        sha, here = asked.names["sha"], repository.name
        statuses = [status for status in reversed(self.ledgers[here].statuses) if status.sha == sha]
        entries = [records.commit_status(self.objects, here, status) for status in statuses]
        return self._page(entries, asked, f"/repos/{here}/commits/{sha}/statuses")

    def _who(self, token: Token) -> Answer:
        if token.user.is_bot:
            raise Refusal(403, "Resource not accessible by integration")
        return Answer(200, self.objects.public_user(token.user))

    def _commit(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        commits = repository.find(asked.names["ref"])
        if len(commits) != 1:
            raise Refusal(422, f"No commit found for SHA: {asked.names['ref']}")
        return Answer(200, self.objects.commit(repository, commits[0]))

    def _compare(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        ends = [repository.find(asked.names[end]) for end in ("base", "head")]
        if any(len(commits) != 1 for commits in ends):
            raise Refusal(404, "Not Found")
        page = int(asked.query.get("page", "1"))
        compared = comparison(self.objects, repository, ends[0][0], ends[1][0], page)
        if compared is None:
            raise Refusal(404, "Not Found")
        return Answer(200, compared)

    def _pulls(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        sha = asked.names["sha"]
        pulls = [self.objects.pull(repository, pull) for pull in repository.pulls.values() if pull.holds(sha)]
        return self._page(pulls, asked, f"/repos/{repository.name}/commits/{sha}/pulls")

    def _comments(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        pull = int(asked.names["number"])
        if pull not in repository.pulls:
            raise Refusal(404, "Not Found")
        entries = [self.objects.comment(repository, comment) for comment in repository.comments_of(pull)]
        return self._page(entries, asked, f"/repos/{repository.name}/issues/{pull}/comments")

    def _create(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        pull = int(asked.names["number"])
        if pull not in repository.pulls:
            raise Refusal(404, "Not Found")
        comment = self.write(repository, pull, token.user, asked.text)
        return Answer(201, self.objects.comment(repository, comment))

    def _one(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        return Answer(200, self.objects.comment(repository, self._found(repository, asked)))

    def _edit(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        comment = self._found(repository, asked)
        comment.body = asked.text
        return Answer(200, self.objects.comment(repository, comment))

    def _delete(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        del repository.comments[self._found(repository, asked).number]
        return Answer(204, None)

    def _found(self, repository: Repository, asked: _Asked) -> Comment:
        comment = repository.comments.get(int(asked.names["number"]))
        if comment is None:
            raise Refusal(404, "Not Found")
        return comment

    def _page(self, entries: list[Any], asked: _Asked, path: str) -> Answer:
        size, page = int(asked.query.get("per_page", "30")), int(asked.query.get("page", "1"))
        last = max(1, -(-len(entries) // size))
        address = f"{self.url}{path}?per_page={size}&page="
        links = (
            [f'<{address}{page + 1}>; rel="next"', f'<{address}{last}>; rel="last"'] if page < last else []
        )
        headers = {"Link": ", ".join(links)} if links else {}
        return Answer(200, entries[(page - 1) * size : page * size], headers)


def _path(path: str) -> str:
    """The path as github.com has it; an Enterprise Server has both APIs below /api."""
    return (
        path.removeprefix("/api/v3")
        if path.startswith("/api/v3/")
        else path.replace("/api/graphql", "/graphql")
    )


def _permit(token: Token, path: str, method: str) -> None:
    # Settings and rules are metadata, which every token may read.
    accepted = _PERMISSIONS.get("pulls" if path.endswith("/pulls") else path.partition("/")[0], ())
    level = "read" if method == "GET" else "write"
    if not token.may(accepted, level):
        headers = {"X-Accepted-GitHub-Permissions": "; ".join(f"{name}={level}" for name in accepted)}
        raise Refusal(403, "Resource not accessible by integration", headers=headers)


_REPOSITORY = r"/repos/(?P<repository>[^/]+/[^/]+)"
_APP = re.compile(rf"{_REPOSITORY}/installation|/app/installations/(?P<installation>\d+)/access_tokens")
_ROUTES: list[tuple[str, re.Pattern[str], Route]] = [
    ("GET", re.compile(_REPOSITORY), GitHubServer._settings),
    ("GET", re.compile(rf"{_REPOSITORY}/rules/branches/(?P<branch>[^/]+)"), GitHubServer._rules),
    ("GET", re.compile(rf"{_REPOSITORY}/rulesets/(?P<number>\d+)"), GitHubServer._ruleset),
    ("GET", re.compile(rf"{_REPOSITORY}/commits/(?P<ref>[^/]+)"), GitHubServer._commit),
    ("GET", re.compile(rf"{_REPOSITORY}/commits/(?P<sha>[^/]+)/pulls"), GitHubServer._pulls),
    ("GET", re.compile(rf"{_REPOSITORY}/commits/(?P<sha>[^/]+)/statuses"), GitHubServer._statuses),
    (
        "GET",
        re.compile(rf"{_REPOSITORY}/compare/(?P<base>[^/]+)\.\.\.(?P<head>[^/]+)"),
        GitHubServer._compare,
    ),
    ("GET", re.compile(rf"{_REPOSITORY}/issues/(?P<number>\d+)/comments"), GitHubServer._comments),
    ("POST", re.compile(rf"{_REPOSITORY}/issues/(?P<number>\d+)/comments"), GitHubServer._create),
    ("GET", re.compile(rf"{_REPOSITORY}/issues/comments/(?P<number>\d+)"), GitHubServer._one),
    ("PATCH", re.compile(rf"{_REPOSITORY}/issues/comments/(?P<number>\d+)"), GitHubServer._edit),
    ("GET", re.compile(rf"{_REPOSITORY}/deployments"), GitHubServer._deployments),
    ("POST", re.compile(rf"{_REPOSITORY}/deployments"), GitHubServer._deploy),
    ("GET", re.compile(rf"{_REPOSITORY}/deployments/(?P<number>\d+)/statuses"), GitHubServer._states),
    ("POST", re.compile(rf"{_REPOSITORY}/deployments/(?P<number>\d+)/statuses"), GitHubServer._advance),
    ("POST", re.compile(rf"{_REPOSITORY}/statuses/(?P<sha>[^/]+)"), GitHubServer._tell),
    ("DELETE", re.compile(rf"{_REPOSITORY}/issues/comments/(?P<number>\d+)"), GitHubServer._delete),
]


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    owner: GitHubServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # A connection that a client keeps open must not keep the server from ending.
    timeout = 1.0

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PATCH = do_DELETE = do_GET

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = self.headers.get("Authorization", "").partition(" ")[2]
        answer = self.server.owner.answer(self.command, self.path, token, json.loads(raw) if raw else None)
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.body is not None:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.owner.wall() if timestamp is None else int(timestamp))

    def log_message(self, *_: object) -> None:
        """Silent: what was asked is kept in `exchanges`."""
