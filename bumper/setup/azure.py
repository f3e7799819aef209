"""The commands that give GitHub's jobs an identity in Azure, without a secret.

Sources: Azure CLI (`az ad app federated-credential create`, `az role assignment create`, `az acr show`); Microsoft's documentation,
"Azure Container Registry Entra permissions and role assignments overview" (AcrPush is not honoured in the mode with ABAC); GitHub's
REST API, "Get the customization template for an OIDC subject claim for a repository" (`sub_claim_prefix`); Microsoft's documentation,
"Important considerations and restrictions for federated identity credentials" (their names).
"""

import re
from shlex import quote

from bumper.setup.request import ClusterWay, Setup
from bumper.setup.trust_policy import issuer

_LONGEST_NAME = 120
_HEAD = """\
#!/bin/sh
# An identity in Azure for the jobs of the sites. Read it first; it asks az and gh, which must be logged in.
set -eu
cloud=$(az cloud show --query name --output tsv)
test "$cloud" = {cloud} || {{ echo "az is at $cloud: az cloud set --name {cloud}, az login, and again" >&2; exit 2; }}
app=$(az ad app create --display-name '{name}' --query appId --output tsv)
# Begun again, it would make a second one.
trap 'test $? = 0 || echo "It ended halfway. Before it is run again: az ad app delete --id $app" >&2' EXIT
identity=$(az ad sp create --id "$app" --query id --output tsv)
"""
_TRUST = """\

# The jobs of {repository} on {branch}, and no other. GitHub itself says how their subject begins.
prefix=$(gh api repos/{repository}/actions/oidc/customization/sub --jq '.sub_claim_prefix // "repo:{repository}"')
az ad app federated-credential create --id "$app" --parameters '{{"name": "{credential}", "issuer": "{issuer}",
  "subject": "'"$prefix"':ref:refs/heads/{branch}", "audiences": ["{exchange}"]}}'
gh variable set AZURE_CLIENT_ID --repo {repository} --body "$app"
gh variable set AZURE_TENANT_ID --repo {repository} --body "$(az account show --query tenantId --output tsv)"
gh variable set AZURE_SUBSCRIPTION_ID --repo {repository} --body "$(az account show --query id --output tsv)"
"""
# What the platform's own workflows can't read from a registry's name.
_CLOUD = """\
gh variable set AZURE_ENVIRONMENT --repo {repository} --body {login}
"""
_REGISTRY = """\

# {host}: to push and pull.
registry=$(az acr show --name {name} --query id --output tsv)
case "$(az acr show --name {name} --query roleAssignmentMode --output tsv)" in
  AbacRepositoryPermissions) role='Container Registry Repository Writer' ;;
  *) role=AcrPush ;;
esac
az role assignment create --assignee-object-id "$identity" --assignee-principal-type ServicePrincipal \\
  --role "$role" --scope "$registry"
"""
_CLUSTER = """\

# The cluster: to log in, and in it what following takes.
cluster=$(az aks show --resource-group {group} --name {name} --query id --output tsv)
az role assignment create --assignee-object-id "$identity" --assignee-principal-type ServicePrincipal \\
  --role 'Azure Kubernetes Service Cluster User Role' --scope "$cluster"
bump doctor --rbac --user "$identity"{place}{sites} | kubectl apply -f -
"""


def script(setup: Setup) -> str:
    """Shell commands; the roles are the least that building, pushing and following take."""
    owner, _, name = setup.platform.partition("/")
    cloud = setup.azure_cloud
    pieces = [_HEAD.format(name=f"bump-{owner}-{name}", cloud=cloud.name)]
    pieces += [
        _TRUST.format(
            repository=repository,
            branch=branch,
            issuer=issuer(setup),
            credential=_credential(f"{repository}-{branch}"),
            exchange=cloud.exchange,
        )
        for repository, branch in setup.jobs
    ]
    if cloud.login and setup.brings_workflows:
        pieces.append(_CLOUD.format(repository=setup.platform, login=cloud.login))
    pieces += [_REGISTRY.format(host=host, name=host.partition(".")[0]) for host in setup.azure_registries]
    if setup.cluster is ClusterWay.AKS:
        group, cluster = map(quote, setup.aks)
        sites = "".join(f" {site.site}" for site in setup.sites)
        pieces.append(_CLUSTER.format(group=group, name=cluster, place=setup.place, sites=sites))
    return "".join(pieces)


def _credential(text: str) -> str:
    """A name that Azure takes for a federated credential: letters, digits, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", text)[:_LONGEST_NAME]
