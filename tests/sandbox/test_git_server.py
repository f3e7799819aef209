"""The sandbox's git server, asked by plain git and by plain HTTP."""

import gzip
import http.client
import subprocess
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from git_remotes import hermetic, left_running

from bumper_sandbox.git.server import GitServer

TOKEN = "sandbox-token"
FILES = {"README.md": b"# Platform\n", "k8s/web/deployment.yaml": b"a: 1\r\n", 'odd "name"\n\\.yaml': b""}
IDENTITY = ["-c", "user.name=x", "-c", "user.email=x@localhost"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(token=TOKEN, environ=hermetic(tmp_path)) as server:
        yield server


def git(server: GitServer, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environ = {**server.environ, "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(
        ["git", *IDENTITY, *arguments], env=environ, check=check, capture_output=True, text=True
    )


def with_token(url: str, token: str = TOKEN, user: str = "anybody") -> str:
    return url.replace("//", f"//{user}:{token}@")


def clone(server: GitServer, url: str, directory: Path) -> Path:
    git(server, "clone", "--quiet", with_token(url), str(directory))
    return directory


def basic(credentials: str) -> str:
    return "Basic " + b64encode(credentials.encode()).decode()


def ask(url: str, authorization: str = basic(f"x:{TOKEN}"), *, version: str = "") -> bytes:
    """The body of the first request of a fetch."""
    headers = {"Authorization": authorization, "Git-Protocol": version}
    request = urllib.request.Request(f"{url}/info/refs?service=git-upload-pack", headers=headers)
    with urllib.request.urlopen(request) as answer:
        body: bytes = answer.read()
    return body


def test_a_new_repository_has_one_commit_on_main(server: GitServer, tmp_path: Path) -> None:
    url = server.create("platform.git", FILES)
    assert url == f"{server.url}/platform.git"
    checkout = clone(server, url, tmp_path / "checkout")
    assert {name: (checkout / name).read_bytes() for name in FILES} == FILES
    assert git(server, "-C", str(checkout), "log", "--format=%s", "main").stdout == "Seed\n"


def test_a_repository_has_the_modes_and_links_asked_for(server: GitServer, tmp_path: Path) -> None:
    files = {".gitignore": b"*\n", "deep/run.sh": b"#!/bin/sh\n", "folder": b"deep", "link": b"deep/run.sh"}
    modes = {"deep/run.sh": "100755", "folder": "120000", "link": "120000"}
    url = server.create("platform.git", files, modes=modes)
    checkout = clone(server, url, tmp_path / "checkout")
    lines = git(server, "-C", str(checkout), "ls-tree", "-r", "main").stdout.splitlines()
    assert [(line[:6], line.partition("\t")[2]) for line in lines] == [
        ("100644", ".gitignore"),
        ("100755", "deep/run.sh"),
        ("120000", "folder"),
        ("120000", "link"),
    ]
    assert (checkout / "link").readlink() == Path("deep/run.sh")


def test_a_commit_of_the_servers_own_goes_on_the_tip(server: GitServer, tmp_path: Path) -> None:
    url = server.create("platform.git", FILES)
    server.commit("platform.git", {"new.yaml": b"a: 1\n"}, "Add new.yaml")
    checkout = clone(server, url, tmp_path / "checkout")
    assert (checkout / "new.yaml").read_bytes() == b"a: 1\n"
    assert {name: (checkout / name).read_bytes() for name in FILES} == FILES
    assert git(server, "-C", str(checkout), "log", "--format=%s", "main").stdout == "Add new.yaml\nSeed\n"


def test_pushes_land(server: GitServer, tmp_path: Path) -> None:
    checkout = clone(server, server.create("platform.git", FILES), tmp_path / "checkout")
    (checkout / "README.md").write_text("new\n")
    git(server, "-C", str(checkout), "commit", "--quiet", "--all", "-m", "Change")
    git(server, "-C", str(checkout), "push", "--quiet")
    shown = git(server, "-C", str(server.path("platform.git")), "log", "--format=%s", "main").stdout
    assert shown == "Change\nSeed\n"


def test_a_large_push_arrives_in_chunks(server: GitServer, tmp_path: Path) -> None:
    checkout = clone(server, server.create("platform.git", FILES), tmp_path / "checkout")
    content = bytes(range(256)) * 16_000
    (checkout / "large.bin").write_bytes(content)
    git(server, "-C", str(checkout), "add", ".")
    git(server, "-C", str(checkout), "commit", "--quiet", "-m", "Large")
    # Below this size git sends a body as one piece with its length, above it in chunks.
    git(
        server,
        "-C",
        str(checkout),
        "-c",
        "http.postBuffer=1000",
        "-c",
        "core.compression=0",
        "push",
        "--quiet",
    )
    shown = subprocess.run(
        ["git", "-C", str(server.path("platform.git")), "cat-file", "blob", "main:large.bin"],
        check=True,
        capture_output=True,
    )
    assert shown.stdout == content


def test_partial_and_shallow_clones(server: GitServer, tmp_path: Path) -> None:
    url = server.create("platform.git", FILES)
    directory = tmp_path / "partial.git"
    git(server, "clone", "--quiet", "--bare", "--depth=1", "--filter=tree:0", with_token(url), str(directory))
    listing = git(
        server, "-C", str(directory), "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"
    ).stdout
    assert listing == "commit\n"


class TestToken:
    @pytest.mark.parametrize("user", ["x-access-token", "git", ""])
    def test_any_user_with_the_token(self, server: GitServer, user: str) -> None:
        url = server.create("platform.git", FILES)
        assert "refs/heads/main" in git(server, "ls-remote", with_token(url, user=user)).stdout

    @pytest.mark.parametrize("token", ["wrong", TOKEN + "x", TOKEN[:-1]])
    def test_another_token_is_refused(self, server: GitServer, token: str) -> None:
        url = server.create("platform.git", FILES)
        refused = git(server, "ls-remote", with_token(url, token), check=False)
        assert refused.returncode
        assert "Authentication failed" in refused.stderr

    @pytest.mark.parametrize("header", ["", "Basic", "Basic %%%", f"Bearer {TOKEN}", basic("x"), basic("x:")])
    def test_no_usable_token_is_told_how_to_come_back(self, server: GitServer, header: str) -> None:
        url = server.create("platform.git", FILES)
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(url, header)
        with caught.value as answer:
            assert answer.code == 401
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="sandbox"'

    def test_it_is_not_in_its_own_description(self, server: GitServer) -> None:
        assert TOKEN not in repr(server)


class TestHTTP:
    def post(self, server: GitServer, body: bytes, headers: dict[str, str]) -> bytes:
        """The answer to a POST, whose body goes in two chunks where the headers say so."""
        fixed = {
            "Authorization": basic(f"x:{TOKEN}"),
            "Content-Type": "application/x-git-upload-pack-request",
            "Git-Protocol": "version=2",
        }
        chunked = "Transfer-Encoding" in headers
        pieces: bytes | Iterator[bytes] = iter([body[:7], body[7:]]) if chunked else body
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]))
        try:
            path = "/platform.git/git-upload-pack"
            connection.request("POST", path, pieces, {**fixed, **headers}, encode_chunked=chunked)
            return connection.getresponse().read()
        finally:
            connection.close()

    @pytest.mark.parametrize("coding", ["identity", "gzip"])
    @pytest.mark.parametrize("transfer", ["length", "chunked"])
    def test_bodies_in_every_coding(self, server: GitServer, coding: str, transfer: str) -> None:
        server.create("platform.git", FILES)
        body = b"0014command=ls-refs\n00010000"
        headers = {}
        if coding == "gzip":
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        if transfer == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        assert b" refs/heads/main\n" in self.post(server, body, headers)

    def test_the_protocol_version_is_passed_on(self, server: GitServer) -> None:
        url = server.create("platform.git", FILES)
        assert b"version 2" not in ask(url)
        assert b"version 2" in ask(url, version="version=2")

    @pytest.mark.parametrize("path", ["/nothing.git", "/../../etc", "/platform.git/../../x"])
    def test_what_is_not_there(self, server: GitServer, path: str) -> None:
        server.create("platform.git", FILES)
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(server.url + path)
        with caught.value as answer:
            assert answer.code in (400, 403, 404, 500)

    def test_requests_are_kept(self, server: GitServer) -> None:
        url = server.create("platform.git", FILES)
        body = ask(url)
        (request,) = server.requests
        assert (request.method, request.target) == ("GET", "/platform.git/info/refs?service=git-upload-pack")
        assert (request.status, request.sent) == (200, len(body))


class TestFaults:
    def test_an_outage(self, server: GitServer) -> None:
        url = server.create("platform.git", FILES)
        server.faults.outage = True
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(url)
        with caught.value as answer:
            assert answer.code == 503
        server.faults.outage = False
        assert ask(url)

    def test_a_push_whose_answer_is_lost_has_landed(self, server: GitServer, tmp_path: Path) -> None:
        checkout = clone(server, server.create("platform.git", FILES), tmp_path / "checkout")
        git(server, "-C", str(checkout), "commit", "--quiet", "--allow-empty", "-m", "Change")
        server.faults.lost_push_answers = 1
        assert git(server, "-C", str(checkout), "push", check=False).returncode
        repository = server.path("platform.git")
        assert git(server, "-C", str(repository), "log", "--format=%s", "main").stdout == "Change\nSeed\n"
        assert server.faults.lost_push_answers == 0


class TestTheEnd:
    def test_stopping_ends_answers_that_are_under_way_and_leaves_nothing(self, tmp_path: Path) -> None:
        """A request waits in a fault, another one in a hook of git's, a third connection is open and idle."""
        before = threading.active_count()
        server = GitServer(token=TOKEN, environ=hermetic(tmp_path)).start()
        url = server.create("platform.git", FILES)
        folder = server.path("")
        checkout = clone(server, url, tmp_path / "checkout")
        git(server, "-C", str(checkout), "commit", "--quiet", "--allow-empty", "-m", "Change")
        entered = tmp_path / "entered"
        hook = server.path("platform.git") / "hooks" / "pre-receive"
        hook.parent.mkdir()
        hook.write_text(f"#!/bin/sh\ntouch {entered}\nexec tail -f {entered}\n")
        hook.chmod(0o755)
        idle = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]))
        idle.connect()
        push = threading.Thread(
            target=git, args=(server, "-C", str(checkout), "push"), kwargs={"check": False}
        )
        push.start()
        while not entered.exists():
            time.sleep(0.01)
        server.faults.delay_s = 600
        slow = threading.Thread(
            target=git, args=(server, "ls-remote", with_token(url)), kwargs={"check": False}
        )
        slow.start()
        server.stop()
        push.join()
        slow.join()
        idle.close()
        assert threading.active_count() == before
        assert not folder.exists()
        assert left_running(str(tmp_path)) + left_running(server.url) == []
        with pytest.raises(urllib.error.URLError):
            ask(url)

    def test_a_server_that_was_never_started(self, tmp_path: Path) -> None:
        server = GitServer(token=TOKEN, environ=hermetic(tmp_path))
        folder = server.path("")
        assert folder.exists()
        server.stop()
        assert not folder.exists()

    def test_stopping_twice_is_harmless(self, tmp_path: Path) -> None:
        server = GitServer(token=TOKEN, environ=hermetic(tmp_path)).start()
        server.stop()
        server.stop()
        assert not server.path("").exists()
