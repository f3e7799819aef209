"""What a set-up writes is what its readers take: workflows, trust policies, scripts, and the page in docs/."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sandbox_github.token_service import Refusal, check, compiled
from tables import each_row

from bumper.ports.github import JOB_ISSUER
from bumper.ports.registry import AZURE_CLOUDS
from bumper.setup import azure, kubeconfig, page, reference, trust_policy, workflow
from bumper.setup.request import (
    ActionRelease,
    ClusterWay,
    Setup,
    SiteRepository,
    TokenService,
    branch_of,
    cluster_of,
    plain_name_of,
    repository_of,
    runner_of,
)

from .variants import BASE, variants

ROOT = Path(__file__).parents[2]
REUSABLE: dict[str, Any] = YAML(typ="safe").load((ROOT / ".github/workflows/deploy-site.yml").read_text())
ACTION: dict[str, Any] = YAML(typ="safe").load((ROOT / "action.yml").read_text())


def test_the_page_in_docs_is_the_same_text() -> None:
    assert (ROOT / "docs" / "setup.md").read_text(encoding="utf-8") == reference.text(), "make page writes it"


def test_the_workflow_in_docs_is_the_one_that_a_set_up_writes() -> None:
    page = (ROOT / "docs" / "action.md").read_text(encoding="utf-8")
    shown = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    repository = "DevOpsKev/kevin-ryan-platform"
    site = SiteRepository("kevinryan-io", "DevOpsKev/kevinryan-io", "kevinryanacr.azurecr.io", "kevinryan-io")
    release = ActionRelease(repository, BASE.action.sha, "the commit of a release")
    setup = replace(BASE, platform=repository, sites=(site,), action=release)
    assert shown == workflow.written(site, setup)


def jobs(setup: Setup) -> list[tuple[str, dict[str, Any]]]:
    """The text and the one job of each site's workflow."""
    texts = [workflow.written(site, setup) for site in setup.sites]
    return [(text, YAML(typ="safe").load(text)["jobs"]["deploy"]) for text in texts]


def test_a_workflow_gives_what_is_asked_for_there_and_no_more() -> None:
    called = REUSABLE["on"]["workflow_call"]
    granted = REUSABLE["jobs"]["deploy"]["permissions"]
    shapes = set()
    for setup in variants():
        for text, job in jobs(setup):
            assert "permissions: {}\n" in text
            assert not re.search(r"uses: \S+@(?![0-9a-f]{40} # )", text), "each action by its commit"
            if uses := job.get("uses"):
                assert (
                    uses == f"{setup.action.repository}/.github/workflows/deploy-site.yml@{setup.action.sha}"
                )
                assert job["with"].keys() <= called["inputs"].keys()
                assert job.get("secrets", {}).keys() <= called["secrets"].keys()
                assert job["permissions"].keys() == granted.keys(), (
                    "what the called job asks for, GitHub says"
                )
                assert ("platform" in job["with"]) is (setup.action.repository != setup.platform)
                given, secrets = job["with"], job.get("secrets", {})
            else:
                (step,) = [
                    step for step in job["steps"] if step.get("uses", "").startswith(setup.action.repository)
                ]
                assert step["with"].keys() <= ACTION["inputs"].keys()
                given, secrets = step["with"], step["with"]
                assert given["repo"] == setup.platform
                assert all("${{" not in other.get("run", "") for other in job["steps"]), (
                    "no text of an event in a shell"
                )
            needs_token = bool(setup.service) or "azure" in text or setup.has_azure_identity
            assert ("id-token" in job["permissions"]) is (needs_token or bool(uses))
            assert ("token-service" in given) is bool(setup.service)
            assert bool({"platform-token", "token"} & secrets.keys()) is not bool(setup.service)
            assert ("kubeconfig" in secrets) is (setup.cluster is ClusterWay.KUBECONFIG)
            assert (given.get("follow") == "github") is (setup.cluster is ClusterWay.NONE)
            assert (given.get("skip-ci") is True) is ("blog" in text)
            shapes.add((bool(uses), setup.cluster, bool(setup.service)))
    assert len(shapes) == 16, "both shapes for all"


def test_a_branch_that_looks_like_a_number_stays_one() -> None:
    for site in BASE.sites:
        text = workflow.written(site, replace(BASE, site_branch="1.10"))
        assert YAML(typ="safe", pure=True).load(text.replace("on:", "'on':", 1))["on"]["push"][
            "branches"
        ] == ["1.10"]


@pytest.mark.parametrize("prefix", ["repo:acme/web", "repo:acme@1234/web@56789"])
def test_a_trust_policy_lets_the_sites_in_and_nobody_else(prefix: str) -> None:
    setup = replace(BASE, permissions={"contents": "write", "statuses": "read"})
    policy = compiled(YAML(typ="safe").load(trust_policy.written(setup)))
    assert policy["permissions"] == setup.permissions
    job = {
        "iss": JOB_ISSUER,
        "aud": "octo-sts.dev",
        "sub": f"{prefix}:ref:refs/heads/main",
        "repository": "acme/web",
    }
    check(policy, job, "octo-sts.dev")
    others = [
        {"sub": f"{prefix}:ref:refs/heads/main2"},
        {"sub": f"{prefix}:ref:refs/heads/evil"},
        {"sub": f"{prefix}:pull_request"},
        {"sub": f"{prefix}:environment:main"},
        {"sub": f"{prefix}2:ref:refs/heads/main", "repository": "acme/web2"},
        {"sub": "repo:evil/acme/web:ref:refs/heads/main"},
        {"sub": "repo:other/shopxjs:ref:refs/heads/main", "repository": "other/shopxjs"},
        {"repository": "acme/other"},
        {"iss": "https://token.evil.example"},
        {"aud": "sts.evil.example"},
    ]
    for other in others:
        with pytest.raises(Refusal):
            check(policy, {**job, **other}, "octo-sts.dev")
    elsewhere = trust_policy.written(replace(setup, server_url="https://github.acme.example"))
    assert "issuer: https://github.acme.example/_services/token\n" in elsewhere


STANDIN = """\
#!/bin/sh
printf '%s' "$(basename "$0")" >> "$LOG"
for argument; do printf '\\037%s' "$argument" >> "$LOG"; done
printf '\\036' >> "$LOG"
case "$*" in
  $FAILS) exit 1 ;;
  "cloud show"*) echo "$CLOUD" ;;
  *roleAssignmentMode*) echo LegacyRegistryPermissions ;;
  *customization/sub*) echo 'repo:acme@1/web@2' ;;
  *"create token"*) printf '2027-01-01T00:00:00Z ey.Jh.bG' ;;
  *"config view"*server*) printf 'https://cluster.example:6443' ;;
  *"config view"*authority*) printf 'Q0E=' ;;
  "secret set KUBECONFIG"*) cat > "$LOG.kubeconfig" ;;
  *) echo "an-answer" ;;
esac
"""


def ran(script: str, folder: Path, cloud: str = "AzureCloud", fails: str = "-") -> list[list[str]]:
    """What the script calls, with stand-ins for every program of others; those whose arguments are like `fails` fail."""
    for program in ("az", "gh", "kubectl", "bump"):
        path = folder / program
        path.write_text(STANDIN)
        path.chmod(0o755)
    environ = {"PATH": f"{folder}:/usr/bin:/bin", "LOG": str(folder / "log"), "CLOUD": cloud, "FAILS": fails}
    (folder / "script.sh").write_text(script)
    subprocess.run(
        ["sh", str(folder / "script.sh")], env=environ, check=True, capture_output=True, cwd=folder
    )
    return [call.split("\x1f") for call in (folder / "log").read_text().split("\x1e") if call]


def test_the_commands_for_azure_are_whole_and_trust_each_repository_alone(tmp_path: Path) -> None:
    setup = replace(BASE, cluster=ClusterWay.AKS, aks=("group (test)", "prod"))
    calls = ran(azure.script(setup), tmp_path)
    credentials = [
        json.loads(call[call.index("--parameters") + 1]) for call in calls if "federated-credential" in call
    ]
    assert [credential["name"] for credential in credentials] == [
        "acme-web-main", "other-shop-js-main", "acme-platform-main",
    ]  # fmt: skip
    assert {credential["subject"] for credential in credentials} == {"repo:acme@1/web@2:ref:refs/heads/main"}
    assert credentials[0]["audiences"] == ["api://AzureADTokenExchange"]
    roles = [call[call.index("--role") + 1] for call in calls if "assignment" in call]
    assert roles == ["AcrPush", "Azure Kubernetes Service Cluster User Role"]
    assert ["az", "aks", "show", "--resource-group", "group (test)", "--name", "prod"] in [
        call[:7] for call in calls
    ]
    assert any(call[:4] == ["bump", "doctor", "--rbac", "--user"] for call in calls)


def test_commands_for_azure_that_end_halfway_say_what_they_left(tmp_path: Path) -> None:
    setup = replace(BASE, cluster=ClusterWay.AKS, aks=("acme", "prod"))
    left = "It ended halfway. Before it is run again: az ad app delete --id an-answer\n"
    for fails, expected in (("role assignment*", left), ("ad app create*", "")):
        with pytest.raises(subprocess.CalledProcessError) as ended:
            ran(azure.script(setup), tmp_path, fails=fails)
        assert ended.value.stderr.decode() == expected


def test_each_cloud_of_azure_is_spoken_to_in_its_own_words(tmp_path: Path) -> None:
    for number, cloud in enumerate(AZURE_CLOUDS):
        registry = f"acme{cloud.registries}"
        site = SiteRepository("web", "acme/web", registry, "web")
        setup = replace(BASE, sites=(site,), action=ActionRelease(BASE.platform, BASE.action.sha))
        folder = tmp_path / str(number)
        folder.mkdir()
        calls = ran(azure.script(setup), folder, cloud.name)
        given = [
            json.loads(call[call.index("--parameters") + 1])
            for call in calls
            if "federated-credential" in call
        ]
        assert [(each["name"], each["audiences"]) for each in given] == [
            ("acme-web-main", [cloud.exchange]), ("acme-platform-main", [cloud.exchange]),
        ]  # fmt: skip
        environments = [call[-1] for call in calls if "AZURE_ENVIRONMENT" in call]
        assert environments == ([cloud.login] if cloud.login else []), (
            "the platform's own workflows read no registry"
        )
        other = AZURE_CLOUDS[number - 1].name
        with pytest.raises(subprocess.CalledProcessError):
            ran(azure.script(setup), folder, other)
        # A workflow with steps, since the action comes from a private repository.
        steps = workflow.written(site, replace(setup, service=TokenService("octo-sts.dev", "bump")))
        login = next(
            step
            for step in YAML(typ="safe").load(steps)["jobs"]["deploy"]["steps"]
            if "azure/login" in step.get("uses", "")
        )
        inputs = (login["with"].get("environment", ""), login["with"].get("audience", cloud.exchange))
        assert inputs == (cloud.login, cloud.exchange)
        step = next(
            step for step in REUSABLE["jobs"]["deploy"]["steps"] if "azure/login" in step.get("uses", "")
        )
        assert not cloud.login or f"'{cloud.registries}') && '{cloud.login}'" in step["with"]["environment"]
        assert f"'{cloud.exchange}'" in step["with"]["audience"]


def test_the_platforms_own_workflows_reach_the_cluster_in_each_way_that_a_set_up_offers() -> None:
    for name in ("bump", "promote", "sweep"):
        text = (ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8")
        (job,) = YAML(typ="safe").load(text)["jobs"].values()
        assert "vars.BUMP_RUNS_ON" in job["runs-on"]
        assert job["permissions"]["id-token"] == "write"
        steps = {step["name"]: step for step in job["steps"]}
        login = steps["Log in to Azure"]["with"]
        assert all(cloud.exchange in login["audience"] for cloud in AZURE_CLOUDS)
        assert "vars.AZURE_ENVIRONMENT" in login["environment"]
        called = next(
            step for step in REUSABLE["jobs"]["deploy"]["steps"] if step["name"] == "Reach the cluster"
        )
        reach = steps["Reach the cluster"]
        assert (reach["if"], reach["run"]) == ("vars.AKS_CLUSTER != ''", called["run"])
        assert ("vars.BUMP_FOLLOW" in text) is (name != "sweep"), "a sweep looks at the cluster"
    variables = {
        ClusterWay.AKS: {"AKS_RESOURCE_GROUP", "AKS_CLUSTER"}, ClusterWay.RUNNER: {"BUMP_RUNS_ON"}, ClusterWay.NONE: {"BUMP_FOLLOW"},
    }  # fmt: skip
    for setup in variants():
        shown = page.text(page.sections(setup, page.Manifests()), 100)
        expected = variables.get(setup.cluster, set()) if setup.brings_workflows else set()
        assert set(re.findall(r"gh variable set (AKS_\w+|BUMP_\w+)", shown)) == expected


def test_the_kubeconfig_is_stored_and_left_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("mine")
    calls = ran(kubeconfig.script(BASE), tmp_path)
    stored = YAML(typ="safe").load((tmp_path / "log.kubeconfig").read_text())
    assert stored["users"] == [{"name": "bump", "user": {"token": "ey.Jh.bG"}}]
    assert stored["clusters"][0]["cluster"] == {
        "server": "https://cluster.example:6443", "certificate-authority-data": "Q0E=",
    }  # fmt: skip
    asked = next(call for call in calls if "token" in call)
    assert {"--duration=8760h", "--bound-object-kind=Secret", "--bound-object-name=bump-token"} <= set(asked)
    own = replace(BASE, action=ActionRelease(BASE.platform, BASE.action.sha), sites=BASE.sites[:1])
    assert "KUBECONFIG --repo acme/platform " in kubeconfig.script(own), "its own workflows follow, too"
    stores = [call[-1] for call in calls if call[:4] == ["gh", "secret", "set", "KUBECONFIG"]]
    assert stores == list(BASE.repositories)
    assert (tmp_path / "kubeconfig").read_text() == "mine", "no file of that name is touched"


def test_what_a_shell_or_a_path_could_take_apart_is_refused() -> None:
    assert plain_name_of("acme.azurecr.io:5000/team/web_1") == "acme.azurecr.io:5000/team/web_1"
    for text in (
        "",
        "../../x",
        "a/../b",
        "$(id)",
        "${REGISTRY}/web",
        "a b",
        "a\nb",
        "a;b",
        "-x",
        "web'",
        "Web",
    ):
        with pytest.raises(ValueError, match="expected"):
            plain_name_of(text)
    for read, text in (
        (repository_of, "a/b;c"),
        (repository_of, "a/.."),
        (repository_of, "a/.git"),
        (repository_of, "https://gitlab.com/a/b"),
        (repository_of, "https://github.com/a"),
        (repository_of, "https://github.com/orgs/a/repositories"),
        (branch_of, "-x"),
        (branch_of, "a'b"),
        (runner_of, "x\ny"),
        (cluster_of, "a"),
    ):
        with pytest.raises(ValueError, match="expected"):
            read(text)


@each_row(
    ("text", "server"),
    [
        ("Acme/web", "https://github.com"),
        (" Acme/web.git ", "https://github.com"),
        ("https://github.com/Acme/web", "https://github.com"),
        ("https://github.com/Acme/web/?tab=readme-ov-file#install", "https://github.com"),
        ("https://github.com/Acme/web.git", "https://github.com"),
        ("git@github.com:Acme/web.git", "https://github.com"),
        ("ssh://git@github.com/Acme/web.git", "https://github.com"),
        ("ssh://git@ssh.github.com:443/Acme/web.git", "https://github.com"),
        ("Acme/web", "https://git.acme.example"),
        ("https://git.acme.example/Acme/web", "https://git.acme.example"),
        ("git@git.acme.example:Acme/web.git", "https://git.acme.example"),
    ],
)
def test_a_repository_is_named_as_people_paste_it(text: str, server: str) -> None:
    assert repository_of(text, server) == "Acme/web"
