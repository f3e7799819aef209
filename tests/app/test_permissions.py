"""What a GitHub App is asked for in the platform repository, by command line: seen by the GitHub that gives the tokens."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from git_remotes import TOKEN, hermetic
from platforms import files
from sandbox_github.apps import Installation, RegisteredApp
from sandbox_github.server import GitHubServer

from bumper import cli
from bumper.app.context import Context
from bumper_sandbox.git.server import GitServer

PLATFORM = "octo/platform"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
# Nothing listens there: what is asked for is known before the registry and the cluster are.
REGISTRY = CLUSTER = "127.0.0.1:9"
KUBECONFIG = f"""\
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: here}}}}]
clusters: [{{name: here, cluster: {{server: 'http://{CLUSTER}'}}}}]
users: [{{name: here, user: {{token: none}}}}]
"""
READ, WRITE = {"contents": "read"}, {"contents": "write"}
PULL = WRITE | {"pull_requests": "write"}
STATUSES = {"statuses": "read"}
DEPLOY = "--site web --tag 2.0 --wait-for-image 0"
ROWS = [
    (f"{DEPLOY} --no-wait", WRITE),
    (f"{DEPLOY} --no-wait --commit-via api", WRITE),
    (f"{DEPLOY} --no-wait --commit-via pr", PULL),
    (f"{DEPLOY} --no-wait --follow github", WRITE),
    (f"{DEPLOY} --follow github", WRITE | STATUSES),
    (f"{DEPLOY} --follow github --commit-via pr", PULL | STATUSES),
    (f"{DEPLOY} --dry-run", READ),
    (f"{DEPLOY} --dry-run --follow github --commit-via pr", READ),
    ("rollback --site web --no-wait", WRITE),
    ("rollback --site web --no-wait --commit-via pr", PULL),
    ("rollback --site web --dry-run --commit-via pr", READ),
    ("hold --site web --reason freeze", WRITE),
    ("hold --site web --reason freeze --commit-via pr --merge-timeout 0", PULL),
    ("hold --site web --reason freeze --dry-run", READ),
    ("release --site web", WRITE),
    ("release --site web --dry-run --commit-via pr", READ),
    ("adopt web --image web", WRITE),
    ("adopt web --image web --pull-request", PULL),
    ("adopt web --image web --pull-request --dry-run", READ),
    ("notifications", WRITE),
    ("notifications --dry-run", READ),
    ("new-site shop --host shop.example --no-wait", WRITE),
    ("new-site shop --host shop.example --no-wait --commit-via pr --merge-timeout 0", PULL),
    ("new-site shop --host shop.example --pull-request", PULL),
    ("new-site shop --host shop.example --pull-request --dry-run", READ),
    ("new-site shop --host shop.example --dry-run", READ),
    ("remove-site web --yes --no-wait", WRITE),
    ("remove-site web --yes --no-wait --commit-via pr --merge-timeout 0", PULL),
    ("remove-site web --dry-run", READ),
    ("track --site web --follow github --timeout 0", WRITE | STATUSES),
    ("track --site web --follow github --timeout 0 --no-notes", READ | STATUSES),
    ("track --site web --timeout 0 --no-notes", READ),
    ("status", READ),
    ("history", READ),
    ("doctor --timeout 1", WRITE),
    ("doctor --timeout 1 --commit-via pr", PULL),
    ("doctor --rbac --commit-via pr", READ),
]


@dataclass
class Platform:
    """A repository that opens to nothing but an App's tokens, and the GitHub that gives them."""

    hub: GitHubServer
    git: GitServer
    url: str
    folder: Path

    def asked_by(self, line: str) -> list[dict[str, str]]:
        """The permissions of each token that the command line asks for."""
        environ = hermetic(self.folder) | {
            "BUMP_APP_ID": "4711",
            "BUMP_APP_PRIVATE_KEY": PEM,
            "GITHUB_API_URL": self.hub.url,
            "GITHUB_SERVER_URL": self.git.url,
            "KUBECONFIG": str(self.folder / "kubeconfig"),
        }
        context = Context(environ, self.folder, io.StringIO(), io.StringIO())
        cli.main([*line.split(), "--repo", self.url], context)
        minted = [exchange for exchange in self.hub.exchanges if exchange.path.endswith("/access_tokens")]
        return [exchange.body["permissions"] for exchange in minted if exchange.answer.status == 201]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    environ = hermetic(tmp_path)
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    with GitHubServer() as hub, GitServer(token=TOKEN, environ=environ) as git:
        hub.add(PLATFORM)
        app = RegisteredApp(4711, "Iv23liABC", "bump-app", KEY.public_key())
        granted = dict.fromkeys(("contents", "pull_requests", "statuses", "deployments"), "write")
        app.installations.append(Installation(99, (PLATFORM,), granted))
        hub.apps.registered.append(app)
        git.admit(lambda secret: secret in hub.tokens)
        yield Platform(hub, git, git.create(f"{PLATFORM}.git", files(REGISTRY, "web", "api")), tmp_path)
        assert hub.tokens == {}, "every token was given back"


def all_rows() -> Iterator[object]:
    """Quick are the first row of each verb and the first of each set of permissions."""
    seen: set[object] = set()
    for line, permissions in ROWS:
        new = {line.split()[0], frozenset(permissions.items())} - seen
        yield pytest.param(line, permissions, id=line, marks=() if new else pytest.mark.slow)
        seen |= new


@pytest.mark.parametrize(("line", "permissions"), list(all_rows()))
def test_a_command_asks_for_what_it_needs_and_no_more(
    platform: Platform, line: str, permissions: dict[str, str]
) -> None:
    assert platform.asked_by(line) == [permissions]
