"""Reading and committing: real git against a real server."""

from pathlib import Path

import pytest
from git_remotes import (
    FILES,
    WEB,
    commit_directly,
    content,
    git,
    left_running,
    objects,
    remote,
)

from bumper.errors import NoAccess, Refused, Transient, Unreachable, UsageError
from bumper.ports.git import MOST_FILE_BYTES, Entry
from bumper.systems.git.repository import MOST_AT_ONCE, in_turns
from bumper_sandbox.git.server import GitServer

pytestmark = pytest.mark.usefixtures("way")
# One question for files: git greets the server each time.
ASKED = {"smart-http": ["POST"], "git": ["GET", "POST"]}
# In the words of smart HTTP and of git.
LATE = r"the answer was not complete after 0\.3 s|git fetch had not ended after 0\.3 s"


@pytest.fixture
def platform(server: GitServer) -> Path:
    return server.path("platform.git")


class TestReading:
    def test_the_tip_is_the_servers(self, server: GitServer, platform: Path) -> None:
        with remote(server) as ours:
            assert ours.fetch("main") == git(platform, "rev-parse", "main")

    def test_directories_are_listed_level_by_level(self, server: GitServer) -> None:
        with remote(server) as ours:
            tree = ours.tree(ours.fetch("main"))
            assert tree.list("") == tree.list(".") == (Entry("README.md", False), Entry("k8s", True))
            assert tree.list("k8s") == tree.list("./k8s/") == (Entry("blog", True), Entry("web", True))
            assert tree.list("k8s/web") == (Entry("deployment.yaml", False), Entry("service.yaml", False))

    def test_what_is_longer_than_a_manifest_is_cut_off(self, server: GitServer) -> None:
        server.commit("platform.git", {"k8s/web/long.yaml": b"a" * (MOST_FILE_BYTES + 5)}, "Grow")
        with remote(server) as ours:
            content = ours.tree(ours.fetch("main")).read(["k8s/web/long.yaml"])["k8s/web/long.yaml"]
            assert content == b"a" * (MOST_FILE_BYTES + 1)

    def test_a_message_that_is_longer_is_refused(self, server: GitServer) -> None:
        server.commit("platform.git", {"README.md": b"new"}, "a" * MOST_FILE_BYTES)
        with (
            remote(server) as ours,
            pytest.raises(Unreachable, match=r"the commit \w+ has 10,000,\d+ bytes, expected at most"),
        ):
            ours.fetch("main")

    def test_objects_that_no_git_wrote_are_refused_in_words(self, server: GitServer, platform: Path) -> None:
        """As a server may send them: a partial clone checks none of what it takes."""
        root = git(platform, "rev-parse", "main^{tree}")

        def made(kind: str, content: bytes) -> str:
            return git(platform, "hash-object", "-w", "--literally", "-t", kind, "--stdin", stdin=content)

        of_nobody = made("commit", f"tree {root}\n\nBegin\n".encode())
        git(platform, "update-ref", "refs/heads/main", of_nobody)
        with remote(server) as ours:
            assert ours.fetch("main") == of_nobody
            assert (ours.author(of_nobody), ours.subject(of_nobody)) == ("", "Begin")
            assert ours.tree(of_nobody).list("k8s")
            doubled = ours._repository.store("tree", 2 * (b"100644 a\0" + bytes.fromhex(root)))
            with pytest.raises(
                Unreachable, match=f"{doubled} is no object as git writes it: found the name 'a'"
            ):
                ours._objects.tree(doubled)

    def test_git_that_fails_here_is_said_with_its_words(self, server: GitServer) -> None:
        with remote(server) as ours, pytest.raises(UsageError, match=r"git commit-tree: .*valid object name"):
            ours._repository.run("commit-tree", "nothing")

    def test_a_renewed_one_has_nothing_of_before(self, server: GitServer) -> None:
        with remote(server) as ours:
            before = ours.fetch("main")
            server.commit("platform.git", {"README.md": b"new"}, "Grow")
            assert ours.contains(ours.fetch("main"), before) is True
            ours.renew()
            assert ours.tree(ours.fetch("main")).read(["README.md"]) == {"README.md": b"new"}
            assert ours._commits.keys() == {ours.fetch("main")}
            assert ours._histories == {}

    @pytest.mark.parametrize("directory", ["nothing", "k8s/nothing/deep", "README.md", "README.md/x"])
    def test_what_is_no_directory_lists_nothing(self, server: GitServer, directory: str) -> None:
        with remote(server) as ours:
            assert ours.tree(ours.fetch("main")).list(directory) == ()

    def test_files_are_read_in_one_request_and_absent_ones_left_out(
        self, server: GitServer, way: str
    ) -> None:
        with remote(server) as ours:
            tree = ours.tree(ours.fetch("main"))
            server.requests.clear()
            assert tree.read([WEB, "./README.md", "nothing", "k8s", "k8s/web/"]) == {
                WEB: FILES[WEB],
                "./README.md": FILES["README.md"],
            }
            assert [request.method for request in server.requests] == ASKED[way]

    def test_many_files_are_read_at_once(self, server: GitServer) -> None:
        many = {f"many/{n}.yaml": bytes([n % 256]) * n + b"\n" * (n % 3) for n in range(150)}
        server.create("many.git", many)
        with remote(server, "many.git") as ours:
            assert ours.tree(ours.fetch("main")).read(many) == many
            present = next(iter(objects(ours, "blob")))
            assert ours._repository.contents(["0" * 40, present]).keys() == {present}
        sizes = {"a": MOST_AT_ONCE - 1, "b": 2, "c": 3, "d": MOST_AT_ONCE}
        assert list(in_turns(sizes)) == [["a"], ["b", "c"], ["d"]]

    def test_what_was_read_is_not_fetched_again(self, server: GitServer, platform: Path) -> None:
        with remote(server) as ours:
            ours.tree(ours.fetch("main")).read([WEB])
            commit_directly(platform, "main", branch="main")
            tree = ours.tree(ours.fetch("main"))
            server.requests.clear()
            assert tree.read([WEB]) == {WEB: FILES[WEB]}
            assert server.requests == []

    def test_the_manifests_of_a_small_tree_come_with_the_first_of_them(
        self, server: GitServer, way: str
    ) -> None:
        with remote(server) as ours:
            tree = ours.tree(ours.fetch("main"))
            tree.read([WEB])
            server.requests.clear()
            assert tree.read(["k8s/web/service.yaml", "k8s/blog/deployment.yaml"])
            assert server.requests == []
            assert tree.read(["README.md"])
            assert [request.method for request in server.requests] == ASKED[way]

    @pytest.mark.slow
    def test_no_blob_is_fetched_that_nobody_asked_for(self, server: GitServer) -> None:
        many = {f"apps/{n // 50}/{n}.yaml": f"replicas: {n}\n".encode() for n in range(4_000)}
        server.create("large.git", {**FILES, **many})
        with remote(server, "large.git") as ours:
            tip = ours.fetch("main")
            assert objects(ours, "blob") == set()
            tree = ours.tree(tip)
            assert len(tree.list("apps")) == 80
            tree.read(["apps/7/351.yaml"])
            ours.push(ours.commit(tip, {"apps/7/352.yaml": b"new\n"}, "Deploy"), "main")
            # One was read, one was written; the one that was written over has never been here.
            assert len(objects(ours, "blob")) == 2
        assert content(server.path("large.git"), "apps/7/352.yaml") == b"new\n"
        assert content(server.path("large.git"), "apps/7/353.yaml") == b"replicas: 353\n"

    def test_a_server_without_filters_gives_the_same(self, server: GitServer) -> None:
        server.settings["uploadpack.allowFilter"] = "false"
        with remote(server) as ours:
            tip = ours.fetch("main")
            assert len(objects(ours, "blob")) == len(FILES)
            assert ours.tree(tip).read(FILES) == FILES
            commit = ours.commit(tip, {WEB: b"new\n"}, "Deploy")
            ours.push(commit, "main")
            assert ours.contains(commit, tip) is True
        assert content(server.path("platform.git"), WEB) == b"new\n"

    def test_links_are_listed_and_not_read_and_submodules_are_not_there(self, server: GitServer) -> None:
        files = {"link.yaml": b"real.yaml", "real.yaml": b"a: 1\n"}
        server.create("odd.git", files, modes={"link.yaml": "120000"})
        repository = server.path("odd.git")
        entry = f"160000 commit {'1' * 40}\tvendor\n"
        tree = git(
            repository,
            "mktree",
            "--missing",
            stdin=(git(repository, "ls-tree", "main") + "\n" + entry).encode(),
        )
        git(
            repository,
            "update-ref",
            "refs/heads/main",
            git(repository, "commit-tree", tree, "-m", "Add a submodule"),
        )
        with remote(server, "odd.git") as ours:
            read = ours.tree(ours.fetch("main"))
            assert read.list("") == (Entry("link.yaml", False, is_link=True), Entry("real.yaml", False))
            assert read.read(["link.yaml", "vendor", "real.yaml"]) == {"real.yaml": b"a: 1\n"}
            for path, kind in {"link.yaml": "symbolic link", "vendor": "submodule"}.items():
                with pytest.raises(Refused, match=f"{path}: found a {kind}, expected a file"):
                    ours.commit(ours.fetch("main"), {path: b""}, "Deploy")

    def test_names_beyond_ascii(self, server: GitServer) -> None:
        odd = {'k8s/größe "x"/a\tb.yaml': b"a: 1\n"}
        server.create("odd.git", odd)
        with remote(server, "odd.git") as ours:
            tip = ours.fetch("main")
            assert ours.tree(tip).read(odd) == odd
            ours.push(ours.commit(tip, dict.fromkeys(odd, b"a: 2\n"), "Deploy"), "main")
        assert content(server.path("odd.git"), *odd) == b"a: 2\n"

    def test_any_commit_of_the_server_can_be_read(self, server: GitServer, platform: Path) -> None:
        first = git(platform, "rev-parse", "main")
        with remote(server) as writer:
            writer.push(
                writer.commit(writer.fetch("main"), {WEB: b"new\n"}, "Deploy web\nnow\n\nBody"), "main"
            )
        with remote(server) as ours:
            tip = ours.fetch("main")
            assert ours.tree(first).read([WEB]) == {WEB: FILES[WEB]}
            assert ours.tree(tip).read([WEB]) == {WEB: b"new\n"}
            assert (ours.subject(tip), ours.author(tip)) == ("Deploy web now", "bump")
            assert (ours.subject(first), ours.author(first)) == ("Seed", "Sandbox")

    def test_a_commit_that_is_gone(self, server: GitServer) -> None:
        with remote(server) as ours, pytest.raises(Unreachable, match="the commit is not there"):
            ours.tree("1" * 40)

    def test_a_branch_with_slashes(self, server: GitServer, platform: Path) -> None:
        git(platform, "branch", "env/prod/eu-1", "main")
        with remote(server) as ours:
            commit = ours.commit(ours.fetch("env/prod/eu-1"), {WEB: b"new\n"}, "Deploy")
            assert str(ours.push(commit, "env/prod/eu-1")) == f"env/prod/eu-1@sha1:{commit}"
        assert content(platform, WEB, "env/prod/eu-1") == b"new\n"
        assert content(platform, WEB) == FILES[WEB]

    @pytest.mark.parametrize("branch", ["nothing", "a..b", "", "-x", "*"])
    def test_a_branch_that_is_not_there_names_those_that_are(
        self, server: GitServer, platform: Path, branch: str
    ) -> None:
        git(platform, "branch", "next", "main")
        with remote(server) as ours, pytest.raises(UsageError) as caught:
            ours.fetch(branch)
        assert caught.value.message == f"{server.url}/platform.git: no branch {branch!r}"
        assert caught.value.hint == "name one of those there by --branch: main, next"

    def test_a_repository_without_commits(self, server: GitServer) -> None:
        git(server.path("platform.git"), "update-ref", "-d", "refs/heads/main")
        with remote(server) as ours, pytest.raises(UsageError) as caught:
            ours.fetch("main")
        assert caught.value.hint == "the repository has no branch yet"


class TestServersThatDoNotAnswer:
    def test_an_outage_is_transient(self, server: GitServer) -> None:
        server.faults.outage = True
        with remote(server) as ours, pytest.raises(Transient, match="503"):
            ours.fetch("main")

    def test_nobody_listens(self, server: GitServer) -> None:
        server.stop()
        with remote(server) as ours, pytest.raises(Transient, match=r"[Cc]onnect"):
            ours.fetch("main")

    def test_a_slow_answer_ends_at_the_time_limit_and_leaves_no_process(self, server: GitServer) -> None:
        server.faults.delay_s = 60
        with (
            remote(server, timeout_s=0.3) as ours,
            pytest.raises(Transient, match=LATE),
        ):
            ours.fetch("main")
        assert left_running(server.url) == []
        assert server.requests == [], "we did not wait for the answer"

    def test_no_such_repository(self, server: GitServer) -> None:
        with (
            remote(server, "nothing.git") as ours,
            pytest.raises(NoAccess, match="no such repository, or no access to it"),
        ):
            ours.fetch("main")


class TestCommitting:
    def test_every_byte_arrives(self, server: GitServer, platform: Path, tmp_path: Path) -> None:
        """Neither autocrlf nor an attribute nor a clean filter of this machine touches the content."""
        (tmp_path / ".gitconfig").write_text(
            '[core]\n autocrlf = true\n[filter "up"]\n clean = tr a-z A-Z\n required\n'
        )
        with remote(server) as ours:
            tip = ours.fetch("main")
            attributes = b"* text eol=lf\n*.yaml filter=up ident working-tree-encoding=UTF-16\n"
            odd = b"\xef\xbb\xbfa: 1\r\nb: 2\n\tc: $Id$ \xff\r"
            ours.push(ours.commit(tip, {".gitattributes": attributes, WEB: odd}, "Deploy"), "main")
        assert content(platform, WEB) == odd
        assert content(platform, ".gitattributes") == attributes

    def test_nothing_else_changes(self, server: GitServer, platform: Path) -> None:
        with remote(server) as ours:
            ours.push(
                ours.commit(ours.fetch("main"), {WEB: b"new\n", "k8s/docs/a/b.yaml": b"x\n"}, "Deploy"),
                "main",
            )
        assert git(platform, "diff-tree", "-r", "--no-commit-id", "--name-status", "main").splitlines() == [
            "A\tk8s/docs/a/b.yaml",
            f"M\t{WEB}",
        ]
        assert git(platform, "fsck", "--strict") == ""

    def test_a_file_keeps_its_mode(self, server: GitServer) -> None:
        server.create("modes.git", {"run.sh": b"old\n", "a.yaml": b"old\n"}, modes={"run.sh": "100755"})
        with remote(server, "modes.git") as ours:
            changes = {"run.sh": b"new\n", "a.yaml": b"new\n", "b.yaml": b"new\n"}
            ours.push(ours.commit(ours.fetch("main"), changes, "Deploy"), "main")
        lines = git(server.path("modes.git"), "ls-tree", "main").splitlines()
        assert [(line[:6], line.partition("\t")[2]) for line in lines] == [
            ("100644", "a.yaml"),
            ("100644", "b.yaml"),
            ("100755", "run.sh"),
        ]

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("k8s", "k8s: found a directory, expected a file"),
            ("README.md/x", "README.md: found a file, expected a directory"),
        ],
    )
    def test_files_and_directories_do_not_replace_each_other(
        self, server: GitServer, path: str, message: str
    ) -> None:
        with remote(server) as ours, pytest.raises(Refused, match=message):
            ours.commit(ours.fetch("main"), {path: b""}, "Deploy")

    @pytest.mark.parametrize("path", ["../x", "k8s//x", "/x", "k8s/.git/config", ""])
    def test_paths_that_git_would_refuse(self, server: GitServer, path: str) -> None:
        with remote(server) as ours, pytest.raises(ValueError, match="not a name that git takes"):
            ours.commit(ours.fetch("main"), {path: b""}, "Deploy")

    def test_the_message_arrives_with_its_trailers(self, server: GitServer, platform: Path) -> None:
        message = "Deploy web größe\n\nweb: a → b\n\nBump-Site: web\nBump-To: b\n"
        with remote(server) as ours:
            ours.push(ours.commit(ours.fetch("main"), {WEB: b"new\n"}, message), "main")
        assert git(platform, "log", "-1", "--format=%B") == message.strip()
        assert git(platform, "log", "-1", "--format=%(trailers:key=Bump-To,valueonly)") == "b"

    def test_the_same_content_makes_the_same_commit(self, server: GitServer) -> None:
        dates = {"GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000"}
        environ = {**server.environ, **dates}
        made = []
        for _ in range(2):
            with remote(server, environ=environ) as ours:
                tip = ours.fetch("main")
                made.append(ours.commit(tip, {WEB: b"new\n", "a.yaml": b"1\n"}, "Deploy"))
                assert ours.commit(tip, {"a.yaml": b"1\n", WEB: b"new\n"}, "Deploy") == made[-1]
        assert made[0] == made[1]

    @pytest.mark.slow
    def test_who_commits(self, server: GitServer, platform: Path, tmp_path: Path) -> None:
        def who(more: dict[str, str]) -> str:
            with remote(server, environ={**server.environ, **more}) as ours:
                ours.push(ours.commit(ours.fetch("main"), {WEB: str(more).encode()}, "Deploy"), "main")
            return git(platform, "log", "-1", "--format=%an <%ae> %cn <%ce>")

        assert who({}) == "bump <bump@localhost> bump <bump@localhost>"
        author = {"GIT_AUTHOR_NAME": "Kim", "GIT_AUTHOR_EMAIL": "kim@example.org"}
        assert who(author) == "Kim <kim@example.org> bump <bump@localhost>"
        (tmp_path / ".gitconfig").write_text("[user]\n name = Lee\n email = lee@example.org\n")
        assert who({}) == "Lee <lee@example.org> Lee <lee@example.org>"
        assert who(author) == "Kim <kim@example.org> Lee <lee@example.org>"

    def test_a_commit_is_signed_where_git_is_told_to(
        self, server: GitServer, platform: Path, tmp_path: Path
    ) -> None:
        gpg = tmp_path / "gpg"
        gpg.write_text(
            "#!/bin/sh\ncat >/dev/null\nprintf '\\n[GNUPG:] SIG_CREATED \\n' >&2\n"
            "printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nabcd\\n-----END PGP SIGNATURE-----\\n'\n"
        )
        gpg.chmod(0o755)
        settings = f"[commit]\n gpgSign = true\n[user]\n signingKey = x\n[gpg]\n program = {gpg}\n"
        (tmp_path / ".gitconfig").write_text(settings)
        with remote(server) as ours:
            commit = ours.commit(ours.fetch("main"), {WEB: b"new\n"}, "Deploy")
            ours.push(commit, "main")
            assert "BEGIN PGP SIGNATURE" in git(platform, "cat-file", "commit", commit)
            assert ours.subject(commit) == "Deploy"
            gpg.write_text("#!/bin/sh\necho no secret key >&2\nexit 2\n")
            with pytest.raises(UsageError, match="was not signed: error: gpg failed to sign the data"):
                ours.commit(ours.fetch("main"), {WEB: b"newer\n"}, "Deploy")
