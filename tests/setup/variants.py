"""Set-ups of every kind."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from bumper.setup.request import ActionRelease, ClusterWay, Setup, SiteRepository, TokenService

BASE = Setup(
    platform="acme/platform",
    url="https://github.com/acme/platform.git",
    sites=(
        SiteRepository("web", "acme/web", "acme.azurecr.io", "web"),
        SiteRepository("shop", "other/shop.js", "ghcr.io", "other/shop"),
        SiteRepository("blog", "acme/platform", "registry.example:5000", "team/blog"),
    ),
    action=ActionRelease("bumpers/bump", "0123456789abcdef0123456789abcdef01234567"),
    cluster=ClusterWay.KUBECONFIG,
)


def variants() -> Iterator[Setup]:
    """Each way to the cluster with each way to a token, for a platform that has the action and for another one."""
    own = ActionRelease(BASE.platform, BASE.action.sha)
    for cluster, service, action, is_private in product(
        ClusterWay, (None, TokenService("octo-sts.dev", "bump")), (BASE.action, own), (None, False)
    ):
        yield replace(
            BASE,
            cluster=cluster,
            service=service,
            action=action,
            is_private=is_private,
            aks=("group (test)", "prod") if cluster is ClusterWay.AKS else ("", ""),
            runs_on='["self-hosted", "linux"]' if cluster is ClusterWay.RUNNER else "",
            receiver_host="flux.acme.example" if is_private else "",
            branch="live" if is_private else "main",
        )
