"""The platform repository behind a branch: read, commit and push without a checkout.

Law: no blob is fetched that nobody asked for, no byte of a file passes a filter, and the branch only ever moves from the commit
that was planned on (compare and swap). What git cannot tell is None, never "no".
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bumper.errors import BumpError, Denied, LostRace, Transient, Unanswered, Unreachable, UsageError
from bumper.history import ending
from bumper.ports.git import History
from bumper.revision import Revision
from bumper.systems.git import notes
from bumper.systems.git.address import Address, is_url, require_known_transport, require_safe
from bumper.systems.git.checkout import way_from
from bumper.systems.git.commits import author, commit_tree
from bumper.systems.git.log import Branch, lend
from bumper.systems.git.objects import CommitObject, parse_commit
from bumper.systems.git.rejections import MissingRef, NotSent, PerhapsSent
from bumper.systems.git.repository import Repository
from bumper.systems.git.tree import Objects, Tree, write

# How many ancestors of a commit are known without a further fetch: a Flux that lags behind speaks of one of them.
_RECENT = 100


class Remote:
    """One repository, by its URL or by a directory: a checkout stands for its `origin`, a bare repository for itself.

    A context manager. One call at a time.
    """

    def __init__(
        self,
        url_or_dir: str,
        *,
        token: str | Callable[[], str] = "",
        environ: Mapping[str, str],
        timeout_s: float = 60.0,
        remark: str = "",
        reads_directory: bool = False,
        now: Callable[[], float] | None = None,
        is_to_push: bool = False,
    ) -> None:
        """Does not use the network. `timeout_s` bounds each call of git that does. Without the monotonic seconds of `now` git alone
        speaks to the server. `is_to_push` says that what is read first is read to be written.

        A token that expires is a function: it is called before each of those calls. `remark` is what else to say where access is
        refused. With `reads_directory` a checkout stands for itself, too. `UsageError` where a credential would go in clear text.
        """
        if is_url(url_or_dir):
            url, settings = url_or_dir, list[tuple[str, str]]()
        else:
            url, settings = way_from(Path(url_or_dir), environ, to_origin=not reads_directory)
        require_known_transport(url)
        self._address = Address.parse(url, token if isinstance(token, str) else "", remark)
        self._renewed = None if isinstance(token, str) else lambda: Address.parse(url, token(), remark)
        if self._renewed and self._address.is_in_clear_text:
            require_safe(self.url, what="a token")
        self._environ = environ
        self._settings = settings
        self._timeout_s = timeout_s
        self._now = now
        self._is_to_push = is_to_push
        self._begin()
        self._checkout = None if is_url(url_or_dir) else Path(url_or_dir)
        self._unanswered: set[str] = set()

    def __repr__(self) -> str:
        return f"Remote({self._address.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it is, without any secret."""
        return self._address.url

    def _begin(self) -> None:
        self._repository = self._new_repository()
        self._objects = Objects(self._repository)
        self._commits: dict[str, CommitObject] = {}
        self._histories: dict[str, Repository] = {}
        self._branch_histories: dict[str, Branch] = {}

    def renew(self) -> None:
        """Forgets everything that was fetched, as if nothing had been asked yet."""
        self.close()
        self._begin()

    def close(self) -> None:
        """Removes everything that was fetched."""
        for repository in (self._repository, *self._histories.values()):
            repository.close()

    def fetch(self, branch: str) -> str:
        """The sha of the branch's tip, with its trees and no blob."""
        try:
            tip = self._repository.fetch_tip(f"refs/heads/{branch}")
        except MissingRef:
            raise UsageError(f"{self._address}: no branch {branch!r}", hint=self._branches()) from None
        return self._remember(tip)

    def tree(self, commit: str) -> Tree:
        """The files of any commit that the server has."""
        return Tree(self._objects, self._commit(commit).tree, self.url)

    def subject(self, commit: str) -> str:
        """The first paragraph of the commit's message, on one line."""
        return self._commit(commit).subject

    def message(self, commit: str) -> str:
        """The commit's whole message."""
        return self._commit(commit).message

    def author(self, commit: str) -> str:
        """The name of the commit's author."""
        return self._commit(commit).author

    def parents(self, commit: str) -> Sequence[str]:
        """The commits that it was made on, its branch's own first."""
        return self._commit(commit).parents

    def author_of_commits(self) -> str:
        """`NAME <EMAIL>` of the author that `commit` would name; UsageError where nobody is configured."""
        return author(self._repository, self._environ)

    def commit(self, parent: str, changes: Mapping[str, bytes | None], message: str) -> str:
        """The sha of a new commit, not pushed, that replaces or adds these files. A file keeps its mode, a new one is plain; None
        takes a file away, and with the last one its directory.

        Author and committer are git's own choice (GIT_AUTHOR_NAME …, user.name, user.email), or `bump` where nobody is configured.
        Signed where `commit.gpgsign` is set. `Refused` where a path is a link, a submodule or a directory.
        """
        tree = write(self._objects, self._commit(parent).tree, changes)
        made = commit_tree(self._repository, self._environ, tree, [parent], message)
        return self._remember(made)

    def write(self, parent: str, changes: Mapping[str, bytes | None], message: str, branch: str) -> Revision:
        """Commits the changes and pushes the commit: `commit` and `push` in one (`ports.Writer`)."""
        return self.push(self.commit(parent, changes, message), branch)

    def push(self, commit: str, branch: str) -> Revision:
        """Moves the branch from the commit's parent to the commit; returns the revision that Flux will speak of.

        `LostRace` where the branch is elsewhere by now, `Denied` with the server's words where a rule forbids it, `Unanswered` where
        it cannot be told whether the push landed.
        """
        expected = self._commit(commit).parents[0]
        try:
            error = self._repository.push(commit, f"refs/heads/{branch}", expected)
        except Transient as late:
            error = late
        if error is None:
            return Revision(branch, commit)
        if isinstance(error, PerhapsSent) or not isinstance(error, LostRace | Denied):
            self._unanswered.add(commit)
        if self._has_landed(commit, branch, error):
            return Revision(branch, commit)
        if isinstance(error, Transient) and commit in self._unanswered:
            raise Unanswered(error, lambda: commit if self._holds(branch, commit) else "") from None
        raise error

    def history(self, branch: str) -> History:
        """The deploys on a branch. Of a checkout that is at hand only what it does not have is fetched, and not into it."""
        if branch not in self._branch_histories:
            self._branch_histories[branch] = Branch(lambda: self._logged(branch), branch, self._branches)
        return self._branch_histories[branch]

    def note(
        self,
        site: str,
        commit: str,
        lines: Sequence[str],
        first: Sequence[str] = (),
        *,
        only_news: bool = False,
    ) -> None:
        """Adds the lines that are not there yet to the site's note on the commit, and pushes it: one try of `notes.append`."""
        ref, objects = ending.ref(site), self._objects
        notes.append(self._repository, objects, self._environ, ref, commit, lines, first, only_news=only_news)

    def ask_to_push(self, commit: str, branch: str) -> None:
        """Raises what a push would be refused with at the door, or passes; nothing is sent and nothing moves.

        The server is asked who may push before it is told what. The rules of the branch and the server's hooks come after that, and
        are not asked.
        """
        error = self._repository.ask_to_push(commit, f"refs/heads/{branch}")
        # Git saw by itself that the branch had moved on: we were let in to see it.
        if error and not isinstance(error, LostRace):
            raise error

    def contains(self, descendant: str, ancestor: str) -> bool | None:
        """Whether `ancestor` is `descendant` or before it, by any way through merges; None where git cannot tell."""
        if descendant == ancestor:
            return True
        try:
            history = self._history(ancestor)
            status = _is_ancestor(history, ancestor, descendant)
            if status is None:
                history.fetch(f"{descendant}:refs/bump/{descendant}", keep="tree:0")
                status = _is_ancestor(history, ancestor, descendant)
        except Unreachable:
            return None
        return status

    def _logged(self, branch: str) -> Repository:
        """Where the history of a branch is fetched to."""
        key = f"history of {branch}"
        if key not in self._histories:
            self._histories[key] = self._new_repository()
            if self._checkout:
                lend(self._checkout, self._environ, self._histories[key])
        return self._histories[key]

    def _new_repository(self) -> Repository:
        return Repository(
            self._address,
            self._environ,
            self._settings,
            self._timeout_s,
            self._renewed,
            self._now,
            is_to_push=self._is_to_push,
        )

    def _remember(self, name: str) -> str:
        sha, commit = self._repository.parsed(name, parse_commit)
        self._commits[sha] = commit
        return sha

    def _commit(self, sha: str) -> CommitObject:
        """The commit, fetched with its trees unless it is here. Its parents stay away: the repository is shallow."""
        if sha not in self._commits:
            self._repository.fetch_commit(sha)
            self._remember(sha)
        return self._commits[sha]

    def _branches(self) -> str:
        names = self._repository.branches()
        return (
            f"name one of those there by --branch: {', '.join(names)}"
            if names
            else "the repository has no branch yet"
        )

    def _has_landed(self, commit: str, branch: str, error: BumpError) -> bool:
        """Whether the branch has the commit although the push failed: the answer may have been lost, not the push.

        On a connection that died curl sends a push once more by itself, which then loses the race against its own first try.
        """
        unanswered = commit in self._unanswered
        if isinstance(error, NotSent | Denied) and not unanswered:
            return False
        try:
            tip = self.fetch(branch)
            if commit in (tip, *self._commit(tip).parents):
                return True
            return unanswered and self.contains(tip, commit) is True
        except (Unreachable, UsageError):
            return False

    def _holds(self, branch: str, commit: str) -> bool:
        """Whether the branch has the commit. A server that does not know it can't tell that either, and has it not."""
        return self.contains(self.fetch(branch), commit) is True

    def _history(self, ancestor: str) -> Repository:
        """A repository of commits alone in which `ancestor` is the shallow end, or rather its recent ancestors are.

        What is cut off below them cannot lie on a way from a descendant down to `ancestor`; a tip fetched with a depth could, so
        this is not the repository that tips are fetched to.
        """
        if ancestor not in self._histories:
            repository = self._new_repository()
            try:
                repository.fetch(f"{ancestor}:refs/bump/ancestor", depth=_RECENT, keep="tree:0")
            except BaseException:
                repository.close()
                raise
            self._histories[ancestor] = repository
        return self._histories[ancestor]


def _is_ancestor(history: Repository, ancestor: str, descendant: str) -> bool | None:
    """None where the descendant is not here yet."""
    status = history.run("merge-base", "--is-ancestor", ancestor, descendant, may_fail=True).status
    return {0: True, 1: False}.get(status)
