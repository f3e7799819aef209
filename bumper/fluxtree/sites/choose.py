"""Where the images of a request stand, as the user chose them."""

from bumper.fluxtree.sites import find
from bumper.fluxtree.sites.find import Target
from bumper.ports import Tree
from bumper.request import Choice, Request


def find_targets(request: Request, tree: Tree) -> dict[str, Target]:
    """Where each site's image stands in `tree`, in the order asked for."""
    return {wanted.site: find_target(wanted.site, request.choice, tree) for wanted in request.wanted}


def find_target(site: str, choice: Choice, tree: Tree) -> Target:
    """Where one site's image stands in `tree`."""
    return find.find(
        tree,
        site,
        kustomization=choice.kustomization,
        image=choice.image,
        containers=choice.containers,
        field=choice.field,
        live=choice.live,
        path=choice.path,
    )
