"""A site's workflow, in its final form: a call of deploy-site.yml where that does all of it, else a job with the action as a step.

Law: whoever copies it gets the least permissions, and every action by its commit. Inputs are those of deploy-site.yml and action.yml.
"""

from collections.abc import Mapping
from shlex import quote

from bumper.manifest.spelling import Hand, Literal, Value, block, flow
from bumper.setup.request import ClusterWay, Setup, SiteRepository

CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2"
AZURE_LOGIN = "azure/login@532459ea530d8321f2fb9bb10d1e0bcf23869a43 # v3.0.0"
_GHCR = "ghcr.io"
_PLATFORM_SECRET, _KUBECONFIG_SECRET = "${{ secrets.BUMP_TOKEN }}", "${{ secrets.KUBECONFIG }}"
# Who a job is in Azure, by the inputs of azure/login; deploy-site.yml has the same ones behind `azure-`.
_AZURE_IDENTITY = {
    name: f"${{{{ vars.AZURE_{name.upper().replace('-', '_')} }}}}"
    for name in ("client-id", "tenant-id", "subscription-id")
}
_HEAD = """\
name: Deploy
on:
  push:
    branches: {branches}
permissions: {{}}
"""
_BUILD = """\
      - name: Build and push
        env:
          IMAGE: {image}
          SHA: ${{{{ github.sha }}}}
{credentials}        run: |
          {login}
          docker buildx build --push --tag "$IMAGE:${{SHA:0:7}}" \\
            --label "org.opencontainers.image.revision=$SHA" \\
            --label "org.opencontainers.image.source=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" .
"""


def path(site: SiteRepository, setup: Setup) -> str:
    """Where it stands in the site's repository; a repository of several sites has a file for each."""
    shared = [other for other in setup.sites if other.repository == site.repository]
    return f".github/workflows/deploy{'' if len(shared) == 1 else '-' + site.site}.yml"


def written(site: SiteRepository, setup: Setup) -> str:
    """The file."""
    return _called(site, setup) if is_called(site, setup) else _with_steps(site, setup)


def is_called(site: SiteRepository, setup: Setup) -> bool:
    """Whether deploy-site.yml does all of it: it builds for Azure, and brings the action with the token that is stored.

    Without one it can bring a public action only.
    """
    return site.is_azure and (setup.service is None or _is_action_public(setup))


def _is_action_public(setup: Setup) -> bool:
    return setup.action.repository.lower() != setup.platform.lower() or setup.is_private is False


def _called(site: SiteRepository, setup: Setup) -> str:
    action = setup.action
    inputs: dict[str, Value] = {
        "site": site.site,
        "registry": site.registry,
        "image": _unless(site.image, site.site),
    }
    if action.repository.lower() != setup.platform.lower():
        inputs["platform"] = setup.platform
    inputs |= {f"azure-{name}": variable for name, variable in _AZURE_IDENTITY.items()}
    inputs |= _cluster_inputs(setup) | _token_inputs(setup) | _commit_inputs(site, setup)
    secrets: dict[str, Value] = {} if setup.service else {"platform-token": _PLATFORM_SECRET}
    if setup.cluster is ClusterWay.KUBECONFIG:
        secrets["kubeconfig"] = _KUBECONFIG_SECRET
    return (
        _HEAD.format(branches=flow([setup.site_branch], Hand()))
        + "jobs:\n  deploy:\n    permissions:\n"
        + _lines(_permissions(site, setup), 6)
        + f"    uses: {action.repository}/.github/workflows/deploy-site.yml@{action.sha} # {setup.action.name}\n"
        + "    with:\n"
        + _mapping(inputs, 6)
        + ("    secrets:\n" + _mapping(secrets, 6) if secrets else "")
    )


def _with_steps(site: SiteRepository, setup: Setup) -> str:
    action = setup.action
    inputs: dict[str, Value] = {
        "site": site.site,
        "sha": "${{ github.sha }}",
        "repo": setup.platform,
        "image": _unless(site.image, site.site),
    }
    inputs |= (
        _cluster_inputs(setup, of_the_workflow=False) | _token_inputs(setup) | _commit_inputs(site, setup)
    )
    if setup.cluster is ClusterWay.KUBECONFIG:
        inputs["kubeconfig"] = _KUBECONFIG_SECRET
    if not setup.service:
        inputs["token"] = _PLATFORM_SECRET
    return (
        _HEAD.format(branches=flow([setup.site_branch], Hand()))
        + "concurrency: # one deploy of the site after the other, and none is dropped\n"
        + f"  group: bump-{site.site}\n  cancel-in-progress: false\n  queue: max\n"
        + f"jobs:\n  deploy:\n    runs-on: {setup.runs_on or 'ubuntu-24.04'}\n    timeout-minutes: 60\n    permissions:\n"
        + _lines(_permissions(site, setup), 6)
        + "    steps:\n"
        + f"      - name: Check out the site\n        uses: {CHECKOUT}\n        with:\n          persist-credentials: false\n"
        + (_logged_in(setup) if setup.has_azure_identity else "")
        + _built(site)
        + f"      - name: Deploy\n        uses: {action.repository}@{action.sha} # {setup.action.name}\n        with:\n"
        + _mapping(inputs, 10)
    )


def _logged_in(setup: Setup) -> str:
    login = f"      - name: Log in to Azure\n        uses: {AZURE_LOGIN}\n        with:\n"
    login += "".join(f"          {name}: {variable}\n" for name, variable in _AZURE_IDENTITY.items())
    if cloud := setup.azure_cloud.login:
        login += f"          environment: {cloud}\n          audience: {setup.azure_cloud.exchange}\n"
    return login + (_reached(setup) if setup.cluster is ClusterWay.AKS else "")


def _reached(setup: Setup) -> str:
    group, name = map(quote, setup.aks)
    return f"""\
      - name: Reach the cluster
        run: |
          command -v kubelogin >/dev/null || sudo az aks install-cli --kubelogin-version v0.2.22
          kubeconfig="$RUNNER_TEMP/aks-kubeconfig"
          az aks get-credentials --resource-group {group} --name {name} --file "$kubeconfig" --overwrite-existing
          kubelogin convert-kubeconfig --login azurecli --kubeconfig "$kubeconfig"
          echo "KUBECONFIG=$kubeconfig" >> "$GITHUB_ENV"
"""


def _built(site: SiteRepository) -> str:
    image = f"{site.registry}/{site.image}"
    if site.is_azure:
        return _BUILD.format(
            image=image, credentials="", login=f"az acr login --name {site.registry.partition('.')[0]}"
        )
    user, password = (
        ("${{ github.actor }}", "${{ github.token }}")
        if site.registry == _GHCR
        else ("${{ secrets.REGISTRY_USER }}", "${{ secrets.REGISTRY_PASSWORD }}")
    )
    credentials = f"          REGISTRY_USER: {user}\n          REGISTRY_PASSWORD: {password}\n"
    login = f'echo "$REGISTRY_PASSWORD" | docker login {site.registry} --username "$REGISTRY_USER" --password-stdin'
    return _BUILD.format(image=image, credentials=credentials, login=login)


def _permissions(site: SiteRepository, setup: Setup) -> list[str]:
    reasons = [
        "exchanged for a token of Azure" if is_called(site, setup) or setup.has_azure_identity else "",
        "exchanged for one of the platform" if setup.service else "",
        "shown to Flux's Receiver" if setup.receiver_host else "",
    ]
    shown = ", ".join(filter(None, reasons))
    return [
        "contents: read # the site's own source",
        *([f"id-token: write # {shown}"] if shown else []),
        *(["packages: write # the image"] if site.registry == _GHCR else []),
        "pull-requests: write # the comment",
    ]


def _cluster_inputs(setup: Setup, *, of_the_workflow: bool = True) -> dict[str, str]:
    if setup.cluster is ClusterWay.NONE:
        return {"follow": "github"}
    if not of_the_workflow:
        return {}
    group, name = setup.aks
    if setup.cluster is ClusterWay.AKS:
        return {"aks-resource-group": group, "aks-cluster": name}
    return {"runs-on": setup.runs_on} if setup.cluster is ClusterWay.RUNNER else {}


def _token_inputs(setup: Setup) -> dict[str, str]:
    service = setup.service
    return {"token-service": service.host, "token-identity": service.identity} if service else {}


def _commit_inputs(site: SiteRepository, setup: Setup) -> dict[str, Value]:
    is_in_platform = site.repository.lower() == setup.platform.lower()
    return {
        "branch": "" if setup.branch == "main" else setup.branch,
        "commit-via": "" if setup.commit_via == "git" else setup.commit_via,
        # The commit with the tag would start the build that made it.
        "skip-ci": Literal("true") if is_in_platform else "",
    }


def _unless(image: str, site: str) -> str:
    return "" if image == site else image


def _mapping(entries: Mapping[str, Value], depth: int) -> str:
    given = {name: text for name, text in entries.items() if text}
    return _lines(list(block(given, Hand(list_step=2))), depth)


def _lines(lines: list[str], depth: int) -> str:
    return "".join(f"{' ' * depth}{line}\n" for line in lines)
