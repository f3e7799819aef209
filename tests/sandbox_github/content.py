"""What the sandbox's GitHub holds, and the objects that it answers with: field by field as GitHub's OpenAPI description has them."""

from dataclasses import dataclass, field
from typing import Any

_TIME = "2026-01-02T03:04:05Z"
# Every address of a repository that is its own followed by this, with the templates that GitHub writes.
_REPOSITORY_ADDRESSES = {
    "archive_url": "{archive_format}{/ref}",
    "assignees_url": "assignees{/user}",
    "blobs_url": "git/blobs{/sha}",
    "branches_url": "branches{/branch}",
    "collaborators_url": "collaborators{/collaborator}",
    "comments_url": "comments{/number}",
    "commits_url": "commits{/sha}",
    "compare_url": "compare/{base}...{head}",
    "contents_url": "contents/{+path}",
    "contributors_url": "contributors",
    "deployments_url": "deployments",
    "downloads_url": "downloads",
    "events_url": "events",
    "forks_url": "forks",
    "git_commits_url": "git/commits{/sha}",
    "git_refs_url": "git/refs{/sha}",
    "git_tags_url": "git/tags{/sha}",
    "hooks_url": "hooks",
    "issue_comment_url": "issues/comments{/number}",
    "issue_events_url": "issues/events{/number}",
    "issues_url": "issues{/number}",
    "keys_url": "keys{/key_id}",
    "labels_url": "labels{/name}",
    "languages_url": "languages",
    "merges_url": "merges",
    "milestones_url": "milestones{/number}",
    "notifications_url": "notifications{?since,all,participating}",
    "pulls_url": "pulls{/number}",
    "releases_url": "releases{/id}",
    "stargazers_url": "stargazers",
    "statuses_url": "statuses/{sha}",
    "subscribers_url": "subscribers",
    "subscription_url": "subscription",
    "tags_url": "tags",
    "teams_url": "teams",
    "trees_url": "git/trees{/sha}",
}
_COUNTS = (
    "forks",
    "forks_count",
    "open_issues",
    "open_issues_count",
    "stargazers_count",
    "watchers",
    "watchers_count",
    "size",
)
_HAS = ("has_downloads", "has_issues", "has_projects", "has_wiki")
_USER_LISTS = ("followers", "organizations", "received_events", "repos", "subscriptions")


@dataclass(frozen=True)
class User:
    """`login` of a bot ends with `[bot]`."""

    login: str
    number: int = 1

    @property
    def is_bot(self) -> bool:
        return self.login.endswith("[bot]")


@dataclass(frozen=True)
class Pull:
    """A pull request. Its commits are those between base and head; `merge` is the commit that its merge made, if it was merged."""

    number: int
    commits: tuple[str, ...]
    merge: str = ""
    head_repository: str = ""
    labels: tuple[str, ...] = ()

    def holds(self, sha: str) -> bool:
        return sha in self.commits or sha == self.merge


@dataclass
class Comment:
    number: int
    pull: int
    author: User
    body: str


@dataclass
class Repository:
    """A repository's pull requests and comments; `name` is `owner/name`, `parents` the history of its commits."""

    name: str
    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    commits: set[str] = field(default_factory=set)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def find(self, name: str) -> list[str]:
        """The commits whose SHA begins with `name`."""
        known = (
            self.commits
            | set(self.parents)
            | {sha for pull in self.pulls.values() for sha in (*pull.commits, pull.merge) if sha}
        )
        return sorted(sha for sha in known if sha.startswith(name))

    def comments_of(self, pull: int) -> list[Comment]:
        return [
            self.comments[number] for number in sorted(self.comments) if self.comments[number].pull == pull
        ]


@dataclass(frozen=True)
class Objects:
    """Writes objects; `api` and `site` are the two origins that their addresses begin with."""

    api: str
    site: str

    def user(self, user: User) -> dict[str, Any]:
        here = f"{self.api}/users/{user.login}"
        return {
            "login": user.login,
            "id": user.number,
            "node_id": f"U_{user.number}",
            "avatar_url": f"{self.site}/avatars/{user.number}",
            "gravatar_id": "",
            "url": here,
            "html_url": f"{self.site}/{user.login}",
            "type": "Bot" if user.is_bot else "User",
            "site_admin": False,
            "following_url": f"{here}/following{{/other_user}}",
            "gists_url": f"{here}/gists{{/gist_id}}",
            "starred_url": f"{here}/starred{{/owner}}{{/repo}}",
            "events_url": f"{here}/events{{/privacy}}",
            **{f"{name}_url": f"{here}/{name}" for name in _USER_LISTS},
        }

    def public_user(self, user: User) -> dict[str, Any]:
        """What a user's own token reads of itself."""
        unknown = ("name", "company", "location", "email", "hireable", "bio")
        counts = ("public_repos", "public_gists", "followers", "following")
        return {
            **self.user(user),
            **dict.fromkeys(unknown),
            **dict.fromkeys(counts, 0),
            "blog": "",
            "created_at": _TIME,
            "updated_at": _TIME,
        }

    def repository(self, name: str) -> dict[str, Any]:
        owner, _, short = name.partition("/")
        here = f"{self.api}/repos/{name}"
        return {
            "id": 1,
            "node_id": "R_1",
            "name": short,
            "full_name": name,
            "owner": self.user(User(owner, 2)),
            "private": False,
            "html_url": f"{self.site}/{name}",
            "description": None,
            "fork": False,
            "url": here,
            **{key: f"{here}/{path}" for key, path in _REPOSITORY_ADDRESSES.items()},
            **dict.fromkeys(_COUNTS, 0),
            **dict.fromkeys(_HAS, True),
            "has_pages": False,
            "clone_url": f"{self.site}/{name}.git",
            "git_url": f"git:{self.site.partition(':')[2]}/{name}.git",
            "ssh_url": f"git@github.example:{name}.git",
            "svn_url": f"{self.site}/{name}",
            "default_branch": "main",
            "homepage": None,
            "language": None,
            "archived": False,
            "disabled": False,
            "mirror_url": None,
            "license": None,
            "pushed_at": _TIME,
            "created_at": _TIME,
            "updated_at": _TIME,
        }

    def pull(self, repository: Repository, pull: Pull) -> dict[str, Any]:
        here = f"{self.api}/repos/{repository.name}"
        page = f"{self.site}/{repository.name}/pull/{pull.number}"
        links = {
            "self": f"{here}/pulls/{pull.number}",
            "html": page,
            "issue": f"{here}/issues/{pull.number}",
            "comments": f"{here}/issues/{pull.number}/comments",
            "review_comments": f"{here}/pulls/{pull.number}/comments",
            "review_comment": f"{here}/pulls/comments{{/number}}",
            "commits": f"{here}/pulls/{pull.number}/commits",
            "statuses": f"{here}/statuses/{pull.commits[-1]}",
        }
        author = self.user(User("octocat", 3))
        merged_at = _TIME if pull.merge else None
        return {
            "url": links["self"],
            "id": pull.number,
            "node_id": f"PR_{pull.number}",
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": links["issue"],
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": links["statuses"],
            "number": pull.number,
            "state": "closed" if pull.merge else "open",
            "locked": False,
            "title": f"Change {pull.number}",
            "user": author,
            "body": None,
            "labels": [self._label(repository, name) for name in pull.labels],
            "milestone": None,
            "created_at": _TIME,
            "updated_at": _TIME,
            "closed_at": merged_at,
            "merged_at": merged_at,
            "merge_commit_sha": pull.merge or None,
            "assignee": None,
            "head": self._end(pull.head_repository or repository.name, "change", pull.commits[-1], author),
            "base": self._end(repository.name, "main", "0" * 40, author),
            "_links": {name: {"href": address} for name, address in links.items()},
            "author_association": "CONTRIBUTOR",
            "auto_merge": None,
        }

    def _label(self, repository: Repository, name: str) -> dict[str, Any]:
        return {
            "id": 1,
            "node_id": f"LA_{name}",
            "url": f"{self.api}/repos/{repository.name}/labels/{name}",
            "name": name,
            "description": "",
            "color": "ff0000",
            "default": False,
        }

    def _end(self, repository: str, ref: str, sha: str, author: dict[str, Any]) -> dict[str, Any]:
        label = f"{repository.partition('/')[0]}:{ref}"
        return {"label": label, "ref": ref, "sha": sha, "user": author, "repo": self.repository(repository)}

    def comment(self, repository: Repository, comment: Comment) -> dict[str, Any]:
        here = f"{self.api}/repos/{repository.name}/issues"
        page = f"{self.site}/{repository.name}/pull/{comment.pull}"
        return {
            "url": f"{here}/comments/{comment.number}",
            "html_url": f"{page}#issuecomment-{comment.number}",
            "issue_url": f"{here}/{comment.pull}",
            "id": comment.number,
            "node_id": f"IC_{comment.number}",
            "user": self.user(comment.author),
            "created_at": _TIME,
            "updated_at": _TIME,
            "author_association": "CONTRIBUTOR",
            "body": comment.body,
        }

    def commit(self, repository: Repository, sha: str) -> dict[str, Any]:
        here = f"{self.api}/repos/{repository.name}"
        person = {"name": "Octo Cat", "email": "octocat@github.example", "date": _TIME}
        author = self.user(User("octocat", 3))
        return {
            "sha": sha,
            "node_id": f"C_{sha}",
            "url": f"{here}/commits/{sha}",
            "html_url": f"{self.site}/{repository.name}/commit/{sha}",
            "comments_url": f"{here}/commits/{sha}/comments",
            "commit": {
                "author": person,
                "committer": person,
                "message": "Change something",
                "tree": {"sha": sha, "url": f"{here}/git/trees/{sha}"},
                "url": f"{here}/git/commits/{sha}",
                "comment_count": 0,
            },
            "author": author,
            "committer": author,
            "parents": [],
        }
