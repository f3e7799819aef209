"""Without the cluster: the real notification-controller tells GitHub, is poked by its Receiver, and `bump --follow github` listens.

GitHub is the sandbox's, which speaks as an Enterprise Server does; every exchange is held to GitHub's own description of its APIs.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from graphql_schema import problems as schema_problems
from oidc import Issuer
from openapi import problems as openapi_problems
from sandbox_github.content import User
from sandbox_github.server import GitHubServer, Token

from bumper.app.surroundings import Surroundings
from bumper.fluxtree.sites.receivers import OIDC, Receiver
from bumper.objects import ObjectKey
from bumper.onboarding.notifications import NotificationsRequest, plan
from bumper.request import Origin
from bumper.systems.flux_receiver import Proof, Webhook
from bumper.systems.git.remote import Remote
from bumper.systems.github.job_token import JobTokens

from .fleet import Site, fleet
from .looks import condition, eventually
from .repository import Repository
from .stack import FLUX_NAMESPACE, Options, Stack

OWNER, PLATFORM = "acme", "announced"
NAME = f"{OWNER}/{PLATFORM}"
FLUX_TOKEN, POKE_TOKEN = "flux-s-own", "poke-s-own"
WAITS = {"wait": True, "timeout": "30s", "retryInterval": "5s"}
POKES = {"BUMP_RECEIVER_TOKEN": POKE_TOKEN}


@dataclass
class Place:
    """One platform: its stack, its repository, and GitHub as Flux and bump see it."""

    stack: Stack
    hub: GitHubServer
    repository: Repository

    def states(self, commit: str, site: str) -> list[str]:
        """The states that Flux posted for a site's Kustomization on a commit."""
        return [
            status.state
            for status in self.hub.ledgers[NAME].statuses
            if status.sha == commit and status.context.startswith(f"kustomization/{site}/")
        ]

    def bump(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Runs the command with no access to the cluster whatsoever."""
        kept = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        known = {
            "BUMP_TOKEN": self.stack.git_token,
            "BUMP_RECEIVER_URL": self.stack.receiver,
            "GITHUB_SERVER_URL": self.stack.git.url,
            "GITHUB_API_URL": f"{self.hub.url}/api/v3",
            "HOME": str(self.stack.folder),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }
        where = ("--repo", self.repository.url, "--follow", "github")
        return subprocess.run(
            [sys.executable, "-m", "bumper", *arguments, *where],
            env={**kept, **known, **environ},
            cwd=self.stack.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def place(programs: None) -> Iterator[Place]:
    keep = os.environ.get("BUMP_E2E_LOGS")
    options = Options(notifications=True)
    with GitHubServer() as hub, Stack(options, keep=Path(keep) / "notifications" if keep else None) as stack:
        sites = [Site("told", kustomization=WAITS), Site("crashing", kustomization=WAITS), Site("quick")]
        # An interval that no test waits for: without a poke nothing is fetched.
        repository = fleet(stack, PLATFORM, sites, source={"interval": "1h"}, owner=OWNER)
        hub.host(NAME, stack.git.path(f"{NAME}.git"), os.environ)
        hub.tokens[FLUX_TOKEN] = Token(User("flux[bot]"), (NAME,))
        hub.tokens[stack.git_token] = Token(User("deployer[bot]"), (NAME,))
        place = Place(stack, hub, repository)
        _announce(place)
        yield place
        problems = [
            problem
            for exchange in hub.exchanges
            for problem in (schema_problems if exchange.path == "/graphql" else openapi_problems)(exchange)
        ]
        assert problems == []


def _announce(place: Place) -> None:
    """What `bump notifications` writes, with GitHub at its address on this machine, and the Secrets beside it."""
    stack, repository = place.stack, place.repository
    for name, token in (("github-status", FLUX_TOKEN), ("poke", POKE_TOKEN)):
        stack.api.create(
            "Secret", FLUX_NAMESPACE, {"metadata": {"name": name}, "stringData": {"token": token}}
        )
    with Remote(repository.url, token=stack.git_token, environ=os.environ) as remote:
        tree = remote.tree(remote.fetch("main"))
        addition = plan(
            repository.tip,
            tree,
            NotificationsRequest(host="flux.example.org", receiver_secret="poke"),
            Origin(),
        )
    address = f"address: {place.hub.url}/{NAME}".encode()
    files = {
        path: re.sub(rb"address: \S+", address, content or b"")
        for path, (_, content) in addition.files.items()
    }
    commit = repository.push(files, "Announce")
    repository.request_fetch(PLATFORM)
    for kind in ("Provider", "Alert", "Receiver"):
        eventually(partial(stack.api.find, kind, FLUX_NAMESPACE, "bump"), f"the {kind} is applied")
    eventually(
        lambda: (
            condition(stack.api.find("Receiver", FLUX_NAMESPACE, "bump"), "Ready").get("status") == "True"
        ),
        "the Receiver is ready",
    )
    # Applied before notification-controller knew the Alert, it told nobody.
    repository.request_reconciliation("Kustomization", "quick")
    eventually(lambda: place.states(commit, "quick"), "Flux has posted on the commit")


def test_a_healthy_bump_is_poked_and_reported(place: Place) -> None:
    place.stack.images.push("told", "2.0.0")
    began = time.monotonic()
    ended = place.bump("--site", "told", "--tag", "2.0.0", **POKES)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Ready in" in ended.stdout
    assert "found its objects healthy" not in ended.stderr
    assert "not poked" not in ended.stdout
    assert time.monotonic() - began < 60, "nobody waits for the interval of an hour"
    assert place.states(place.repository.tip, "told")[-1] == "success"


def test_a_kustomization_that_does_not_wait_is_applied_and_no_more(place: Place) -> None:
    place.stack.images.push("quick", "2.0.0")
    ended = place.bump("--site", "quick", "--tag", "2.0.0", **POKES)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Applied: Flux applied Kustomization flux-system/quick" in ended.stdout


def test_a_failed_rollout_is_told_by_this_version_of_flux(place: Place) -> None:
    place.stack.images.push("crashing", "2.0.0", behaviour="crash")
    ended = place.bump("--site", "crashing", "--tag", "2.0.0", **POKES)
    assert ended.returncode == 11, ended.stdout + ended.stderr
    assert "Failed: Kustomization flux-system/crashing: health check failed" in ended.stdout
    assert place.states(place.repository.tip, "crashing")[-1] == "failure"


def test_a_wrong_token_is_told_and_the_deploy_can_be_tracked_later(place: Place) -> None:
    place.stack.images.push("told", "3.0.0")
    wrong = {"BUMP_RECEIVER_TOKEN": "guess"}
    ended = place.bump("--site", "told", "--tag", "3.0.0", "--timeout", "3s", **wrong)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "404: no Receiver of that name and token answers there" in ended.stdout
    commit = place.repository.tip
    place.repository.request_fetch(PLATFORM)
    tracked = place.bump("track", "--site", "told", "--commit", commit, **POKES)
    assert tracked.returncode == 0, tracked.stdout + tracked.stderr


def test_a_later_commit_of_the_same_tag_speaks_for_ours(place: Place) -> None:
    place.stack.images.push("told", "4.0.0")
    pushed = place.bump("--site", "told", "--tag", "4.0.0", "--no-wait")
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    ours = place.repository.tip
    later = place.repository.push({"README.md": b"Another change\n"}, "Something else")
    place.repository.request_fetch(PLATFORM)
    tracked = place.bump("track", "--site", "told", "--commit", ours)
    assert tracked.returncode == 0, tracked.stdout + tracked.stderr
    assert place.states(ours, "told") == [], "Flux never saw our commit by itself"
    assert place.states(later, "told")[-1] == "success"


def test_a_job_pokes_without_any_secret(place: Place) -> None:
    stack, key = place.stack, ObjectKey("Receiver", FLUX_NAMESPACE, "by-job")
    with Issuer(repository_owner="ACME") as issuer, Issuer(repository_owner="mallory") as stranger:
        allowed = "claims.repository_owner.lowerAscii() == 'acme'"
        validations = [{"expression": allowed, "message": "only workflows of acme"}]
        stack.api.create(
            "Receiver",
            FLUX_NAMESPACE,
            {
                "apiVersion": "notification.toolkit.fluxcd.io/v1",
                "kind": "Receiver",
                "metadata": {"name": key.name},
                "spec": {
                    "type": OIDC,
                    "oidcProviders": [
                        {"issuerURL": provider.url, "validations": validations}
                        for provider in (issuer, stranger)
                    ],
                    "resources": [
                        {
                            "apiVersion": "source.toolkit.fluxcd.io/v1",
                            "kind": "GitRepository",
                            "name": PLATFORM,
                        }
                    ],
                },
            },
        )
        eventually(
            lambda: (
                condition(stack.api.find("Receiver", FLUX_NAMESPACE, key.name), "Ready").get("status")
                == "True"
            ),
            "the Receiver is ready",
        )
        receiver = Receiver(key, OIDC, stack.receiver, "here:1", "notification-controller")
        assert Webhook([receiver], proof(issuer.environ()), now=time.monotonic).poke() == ""
        refused = Webhook([receiver], proof(stranger.environ()), now=time.monotonic).poke()
        assert "400: the Receiver does not accept our signature or token" in refused
        commit = place.repository.push({"README.md": b"Poked\n"}, "Poked")
        assert Webhook([receiver], proof(issuer.environ()), now=time.monotonic).poke() == ""
        eventually(lambda: place.states(commit, "quick"), "Flux has fetched the commit", timeout_s=60.0)


def proof(environ: Mapping[str, str]) -> Proof:
    """What a job with these variables shows to Flux."""
    job = Surroundings.of(environ)
    tokens = JobTokens(job.job_token_url, job.job_token_bearer, now=time.monotonic)
    return Proof(job.receiver_token, tokens.ask if tokens.are_given else None)
