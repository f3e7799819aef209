"""Where the images of a request stand, as the user chose them."""

from collections.abc import Mapping, Sequence

from bumper.errors import UsageError
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites import find
from bumper.fluxtree.sites.find import Target
from bumper.request import Request, Wanted


def find_targets(request: Request, reading: Reading) -> dict[str, Target]:
    """Where each site's image stands in a tree, by its key, in the order asked for, for a plan; UsageError where two are one."""
    asked = [(wanted.site, request.choice_of(wanted)) for wanted in request.wanted]
    keys = [wanted.key for wanted in request.wanted]
    targets = dict(zip(keys, find.find_each(reading, asked, is_planned=True), strict=True))
    _require_different(request.wanted, targets)
    return targets


def _require_different(several: Sequence[Wanted], targets: Mapping[str, Target]) -> None:
    seen: dict[tuple[str, str], Wanted] = {}
    for wanted in several:
        site = targets[wanted.key].site
        other = seen.setdefault((site.name, site.identity), wanted)
        if other is not wanted:
            raise UsageError(
                f"{site.place}: --kustomization {other.kustomization} and --kustomization {wanted.kustomization} are the same "
                f"Kustomization, {site.kustomization.name}",
                hint="name each once",
            )
