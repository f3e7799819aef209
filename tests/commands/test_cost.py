"""What a push costs, in things that can be counted on any machine: processes, requests, connections, bytes. Never in time."""

import subprocess
import sys
from pathlib import Path

import commandline
import pytest
from git_remotes import TOKEN, hermetic
from trees import deployment, flux, sync

from bumper_sandbox.git.server import GitServer
from bumper_sandbox.registry.server import RegistryServer

# Of a tree with more manifests than are fetched all at once.
SITES = 260
# What is measured: version, configuration, checkout and commit; the two greetings, trees, two batches of files, the push.
MOST_COMMANDS, MOST_REQUESTS, MOST_OF_REGISTRY = 4, 6, 4
MOST_CONNECTIONS, MOST_BYTES = 2, 120_000
# Of a push of one site that follows nothing: modules of ours, and those that only who follows has a use for.
MOST_MODULES = 199
OF_FOLLOWERS = (
    *("bumper.rollout.rules", "bumper.follow.cluster", "bumper.follow.commit_statuses"),
    *("bumper.recording.recorder", "bumper.systems.kube", "bumper.systems.github", "decimal"),
)


@pytest.mark.slow
def test_a_push_costs_as_much_for_many_sites_as_for_a_few(tmp_path: Path, subtests: pytest.Subtests) -> None:
    environ = hermetic(tmp_path)
    with RegistryServer(authentication="none") as registry, GitServer(token=TOKEN, environ=environ) as git:
        names = [f"site-{number:03}" for number in range(SITES)]
        files = {"k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system")}
        for name in names:
            files[f"k8s/flux-system/{name}.yaml"] = flux(name, f"./k8s/{name}")
            files[f"k8s/{name}/kustomization.yaml"] = "resources: [deployment.yaml]\n"
            files[f"k8s/{name}/deployment.yaml"] = deployment(name, f"{registry.host}/{name}:0")
        url = git.create("platform.git", {path: text.encode() for path, text in files.items()})
        costs = []
        for number, several in enumerate((names[:1], names[:2], names[:12])):
            tag, trace = f"c057{number:03}", tmp_path / f"trace-{number}"
            for name in several:
                registry.push(name, tag)
            git.requests.clear()
            before, accepted = len(registry.asked), git.accepted
            code, _, stderr = commandline.bump(
                *(option for name in several for option in ("--set", f"{name}={tag}")),
                *("--repo", url, "--no-wait"),
                environ={**environ, "BUMP_TOKEN": TOKEN, "GIT_TRACE": str(trace)},
                cwd=tmp_path,
            )
            assert code == 0, stderr
            ran = trace.read_text(encoding="utf-8").count("trace: built-in: ")
            sent = sum(request.sent for request in git.requests)
            asked = (len(registry.asked) - before) / len(several)
            costs.append((ran, len(git.requests), git.accepted - accepted, sent, asked))
    commands, requests, connections, received, asked_a_site = zip(*costs, strict=True)
    with subtests.test("git commands"):
        assert max(commands) <= MOST_COMMANDS, commands
    with subtests.test("requests to git: as many for twelve sites as for one"):
        assert max(requests) <= MOST_REQUESTS, requests
        assert len(set(requests)) == 1
    with subtests.test("requests to the registry, a site"):
        assert max(asked_a_site) <= MOST_OF_REGISTRY, asked_a_site
    with subtests.test("connections to git"):
        assert max(connections) <= MOST_CONNECTIONS, connections
    with subtests.test("bytes of git: those of the trees, and each manifest once"):
        assert max(received) <= MOST_BYTES, received


def test_a_push_that_follows_nothing_loads_nothing_that_follows(tmp_path: Path) -> None:
    environ = hermetic(tmp_path)
    script = "import sys\nfrom bumper.cli import main\ncode = main(sys.argv[2:])\n"
    script += "ours = sum(name.startswith('bumper') for name in sys.modules)\n"
    script += "print(code, ours, *sorted(set(sys.argv[1].split()) & set(sys.modules)))"
    with RegistryServer(authentication="none") as registry, GitServer(token=TOKEN, environ=environ) as git:
        files = {
            "k8s/flux-system/gotk-sync.yaml": sync("./k8s/flux-system"),
            "k8s/flux-system/web.yaml": flux("web", "./k8s/web"),
            "k8s/web/kustomization.yaml": "resources: [deployment.yaml]\n",
            "k8s/web/deployment.yaml": deployment("web", f"{registry.host}/web:0"),
        }
        url = git.create("platform.git", {path: text.encode() for path, text in files.items()})
        registry.push("web", "c057000")
        arguments = ("--set", "web=c057000", "--repo", url, "--no-wait")
        done = subprocess.run(
            [sys.executable, "-c", script, " ".join(OF_FOLLOWERS), *arguments],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={**environ, "BUMP_TOKEN": TOKEN},
        )
    code, ours, *of_followers = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stderr
    assert of_followers == []
    assert int(ours) <= MOST_MODULES
