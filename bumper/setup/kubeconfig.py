"""The commands that make a kubeconfig for the account of the RBAC manifest, whose token lasts and can be taken back.

Source: Kubernetes, `kubectl create token` (the server may grant less time than is asked for; a token that is bound to a Secret ends
with it).
"""

from bumper.setup.request import Setup

_SCRIPT = """\
#!/bin/sh
# A kubeconfig for {namespace}/{account}, good for a year. Run it again before that: the old token stays good until its own end.
# Taken back at once: kubectl -n {namespace} delete secret {account}-token
set -eu
cd "$(dirname "$0")"
kubectl apply -f rbac.yaml
kubectl -n {namespace} create secret generic {account}-token --dry-run=client --output=yaml | kubectl apply -f -
answer=$(kubectl -n {namespace} create token {account} --duration=8760h --bound-object-kind=Secret \\
  --bound-object-name={account}-token --output=jsonpath='{{.status.expirationTimestamp}} {{.status.token}}')
server=$(kubectl config view --minify --output=jsonpath='{{.clusters[0].cluster.server}}')
authority=$(kubectl config view --minify --raw --flatten --output=jsonpath='{{.clusters[0].cluster.certificate-authority-data}}')
kubeconfig=$(mktemp)
trap 'rm -f "$kubeconfig"' EXIT
cat > "$kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{{name: platform, cluster: {{server: "$server", certificate-authority-data: "$authority"}}}}]
users: [{{name: {account}, user: {{token: "${{answer#* }}"}}}}]
contexts: [{{name: platform, context: {{cluster: platform, user: {account}}}}}]
current-context: platform
YAML
echo "The token ends on ${{answer%% *}}."
{stored}"""
_STORED = 'gh secret set KUBECONFIG --repo {repository} < "$kubeconfig"\n'


def script(setup: Setup) -> str:
    """Shell commands, for whoever may create the objects of the RBAC manifest; each repository whose jobs follow gets it."""
    stored = "".join(_STORED.format(repository=repository) for repository in dict(setup.jobs))
    return _SCRIPT.format(namespace=setup.namespace, account=setup.account, stored=stored)
