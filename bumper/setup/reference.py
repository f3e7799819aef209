"""docs/setup.md: every choice of a set-up, for an example. What is told there of one's own platform, `bump setup` tells."""

from bumper.dataclasses import replace
from bumper.setup import page
from bumper.setup.request import ActionRelease, ClusterWay, Setup, SiteRepository, TokenService

_WIDTH = 160
_EXAMPLE = Setup(
    platform="acme/platform",
    url="https://github.com/acme/platform.git",
    sites=(SiteRepository("web", "acme/web", "acme.azurecr.io", "web"),),
    action=ActionRelease("acme/platform", "0123456789abcdef0123456789abcdef01234567"),
    cluster=ClusterWay.KUBECONFIG,
    receiver_host="flux.acme.example",
)
_ELSEWHERE = SiteRepository("web", "acme/web", "ghcr.io", "acme/web")
_HEAD = """\
# Setting a platform up

What has to be there before the first deploy, once for a platform and once for a site. In a minute, for yours:

    bump setup --repo https://github.com/acme/platform.git

It asks what it can't read (which repository builds a site, how the cluster is reached, where the token comes from), or takes it
by options, prints what follows for your platform, with `--write DIR` as files, and then looks at it as `bump doctor` does. Nothing
is guessed, and nothing is changed: you read, commit and run. This page is the same text, with every choice, for acme/platform.

| what | where | least it may do |
|---|---|---|
| a token for the platform repository | a secret, or none with a token service | contents: write on that repository alone |
| with `commit-via: pr`, with `follow: github` | the same token | also pull requests: write, also commit statuses: read |
| a way to see the cluster | a kubeconfig, Entra ID, the runner's pod, or none | what `bump doctor --rbac` prints |
| the registry | a federated identity, the job's own token, or an account | the build: to push; the deploy: to pull |
| the site's workflow | its repository | contents: read, pull-requests: write, id-token: write where a token is exchanged |

"""
_TRIED = page.Section.of(
    "What was tried",
    """
    Neither GitHub nor Azure was there where this was developed. What stands in their place: the action and `deploy-site.yml` run under
    act, a runner on one machine, against a git server, a registry, a Kubernetes API and a GitHub on loopback (`make actions`); every
    workflow that `bump setup` writes passes actionlint and zizmor; its scripts run with programs in the place of `az`, `gh` and
    `kubectl` that answer as their documentation says; the token is exchanged at a service of octo-sts's protocol on loopback; uv
    and pip installed a wheel that was built on the spot, not one from github.com.

    Never run: a job on GitHub's own runners, a comment on github.com itself, `azure/login`, `az`, kubelogin, AKS and ACR,
    octo-sts.dev, GitHub Pages, the Marketplace. So begin with one site and `--dry-run` (input `dry-run: true`), and look with
    `bump doctor`.
    """,
)
# A file of another tree would show nothing here.
_STEPS = (
    "a Secret with a token for commit statuses: write, by which Flux posts",
    "where Flux shall be poked, the name of that host in DNS",
)

_BY_HAND = (
    "By hand and by the clock, with a kubeconfig",
    "By hand and by the clock, AKS with Entra ID",
    "By hand and by the clock, from a runner inside",
    "By hand and by the clock, without the cluster",
)


def text() -> str:
    """The page."""
    # What is written depends on the tree, and stands here as far as it does not.
    manifests = page.Manifests(notifications=(("k8s/flux-system/notifications.yaml", ""),), steps=_STEPS)
    exchanged = replace(_EXAMPLE, service=TokenService("octo-sts.dev", "bump"), is_private=False)
    ways = [
        replace(_EXAMPLE, cluster=ClusterWay.KUBECONFIG),
        replace(_EXAMPLE, cluster=ClusterWay.AKS, aks=("acme", "prod")),
        replace(_EXAMPLE, cluster=ClusterWay.RUNNER, runs_on="arc-platform"),
        replace(_EXAMPLE, cluster=ClusterWay.NONE),
    ]
    elsewhere = replace(exchanged, sites=(_ELSEWHERE,), cluster=ClusterWay.NONE)
    shown = [
        page.token(_EXAMPLE),
        page.token(exchanged),
        *(page.cluster(way, manifests) for way in ways),
        page.poke(_EXAMPLE, manifests),
        page.azure_identity(ways[1]),
        page.site_workflow(_EXAMPLE),
        *page.registries(elsewhere),
        replace(page.site_workflow(elsewhere), title="The workflow of a site whose registry is another one"),
        *(replace(page.by_hand(way), title=title) for way, title in zip(ways, _BY_HAND, strict=True)),
        page.private(_EXAMPLE),
        page.looked_at(_EXAMPLE),
        _TRIED,
    ]
    return _HEAD + page.text(shown, _WIDTH)
