"""GitHub's REST API on loopback, as far as a deploy is told there: commits, pull requests and comments of one repository or more.

Who has no valid token is answered 401; who may only read is answered 403 for a write, as a workflow of a fork is; a repository that a
token knows nothing of is 404. A comment of more than 65,536 characters is 422. Faults can be ordered for the next requests.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from bumper.sandbox.github_content import Comment, Objects, Pull, Repository, User

LONGEST_BODY = 65_536
_DOCS = "https://docs.github.com/rest"


@dataclass(frozen=True)
class Token:
    """Whose token it is, and which repositories it may read and write."""

    user: User
    reads: tuple[str, ...]
    writes: bool = True


class Answer(NamedTuple):
    """`body` None is no content."""

    status: int
    body: Any
    headers: Mapping[str, str] = {}


class Exchange(NamedTuple):
    """One request and its answer, as they were on the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    answer: Answer


class Refusal(Exception):
    def __init__(self, status: int, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.answer = Answer(
            status, {"message": message, "documentation_url": _DOCS, "status": str(status), **fields}
        )


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
            told = f"body is too long (maximum is {LONGEST_BODY} characters)"
            raise Refusal(
                422, "Validation Failed", errors=[{"code": "custom", "field": "body", "message": told}]
            )
        return text


class GitHubServer:
    """Serves on 127.0.0.1 and a free port. `site` is the origin of web pages, for the addresses in answers.

    `faults` are answers for the next requests, in order, before anything is looked at; None lets one request through.
    `on_write` is called before a comment is written: tests let somebody else be faster.
    """

    def __init__(self, *, site: str = "https://github.example") -> None:
        self._lock = threading.Lock()
        self._next_comment = 1000
        self._site = site
        self._thread: threading.Thread | None = None
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, Token] = {}
        self.faults: list[Answer | None] = []
        self.exchanges: list[Exchange] = []
        self.on_write: Callable[[], None] | None = None
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
        return repository

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
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        try:
            found = self._fault() or self._route(method, parts.path, query, token, body)
        except Refusal as refusal:
            found = refusal.answer
        self.exchanges.append(Exchange(method, parts.path, query, body, found))
        return found

    def _fault(self) -> Answer | None:
        with self._lock:
            return self.faults.pop(0) if self.faults else None

    def _route(self, method: str, path: str, query: Mapping[str, str], secret: str, body: Any) -> Answer:
        token = self.tokens.get(secret)
        if token is None:
            raise Refusal(401, "Bad credentials")
        if (method, path) == ("GET", "/user"):
            return self._who(token)
        for verb, pattern, route in _ROUTES:
            match = pattern.fullmatch(path)
            if verb == method and match:
                repository = self.repositories.get(match["repository"])
                if repository is None or repository.name not in token.reads:
                    raise Refusal(404, "Not Found")
                if method != "GET":
                    if not token.writes:
                        raise Refusal(403, "Resource not accessible by integration")
                    if self.on_write:
                        self.on_write()
                return route(self, token, repository, _Asked(match.groupdict(), query, body))
        raise Refusal(404, "Not Found")

    def _who(self, token: Token) -> Answer:
        if token.user.is_bot:
            raise Refusal(403, "Resource not accessible by integration")
        return Answer(200, self.objects.public_user(token.user))

    def _commit(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        found = repository.find(asked.names["ref"])
        if len(found) != 1:
            raise Refusal(422, f"No commit found for SHA: {asked.names['ref']}")
        return Answer(200, self.objects.commit(repository, found[0]))

    def _pulls(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        sha = asked.names["sha"]
        pulls = [self.objects.pull(repository, pull) for pull in repository.pulls.values() if pull.holds(sha)]
        return self._page(pulls, asked, f"/repos/{repository.name}/commits/{sha}/pulls")

    def _comments(self, token: Token, repository: Repository, asked: _Asked) -> Answer:
        pull = int(asked.names["number"])
        if pull not in repository.pulls:
            raise Refusal(404, "Not Found")
        entries = [self.objects.comment(repository, one) for one in repository.comments_of(pull)]
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


_REPOSITORY = r"/repos/(?P<repository>[^/]+/[^/]+)"
_ROUTES: list[tuple[str, re.Pattern[str], Route]] = [
    ("GET", re.compile(rf"{_REPOSITORY}/commits/(?P<ref>[^/]+)"), GitHubServer._commit),
    ("GET", re.compile(rf"{_REPOSITORY}/commits/(?P<sha>[^/]+)/pulls"), GitHubServer._pulls),
    ("GET", re.compile(rf"{_REPOSITORY}/issues/(?P<number>\d+)/comments"), GitHubServer._comments),
    ("POST", re.compile(rf"{_REPOSITORY}/issues/(?P<number>\d+)/comments"), GitHubServer._create),
    ("GET", re.compile(rf"{_REPOSITORY}/issues/comments/(?P<number>\d+)"), GitHubServer._one),
    ("PATCH", re.compile(rf"{_REPOSITORY}/issues/comments/(?P<number>\d+)"), GitHubServer._edit),
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

    def log_message(self, *_: object) -> None:
        """Silent: what was asked is kept in `exchanges`."""
