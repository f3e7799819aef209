"""The messages of commits that bring a site or take one away: a subject, a sentence, and trailers.

Law: what is put on a new site is recorded as a deploy is (`history`), so that its history begins with its first commit.
"""

from bumper.history.message import worded
from bumper.image import ImageReference
from bumper.onboarding.addition import NO_IMAGE_YET, Addition
from bumper.onboarding.removal import Removal
from bumper.request import Origin
from bumper.style import amount

NEW_SITE, REMOVE_SITE = "Bump-New-Site", "Bump-Remove-Site"


def of_addition(addition: Addition, image: ImageReference, origin: Origin) -> str:
    """`Add site web`. A site without an image yet records no deploy."""
    wanted = addition.wanted
    model = f"modelled on {addition.like}" if addition.like else "in the plain form"
    hosts = wanted.all_hosts
    sites = {target.site.identity: target.site for target in addition.targets}
    deploys = [trailer for site in sites for trailer in _deploy(wanted.name, site, image)]
    trailers = [(NEW_SITE, wanted.name), ("Bump-Hosts", " ".join(hosts)), ("Bump-Like", addition.like)]
    return worded(
        f"Add site {wanted.name}",
        [f"{', '.join(site.path for site in sites.values())}: {', '.join(hosts)}, {model}."],
        [*trailers, *(deploys if image.tag != NO_IMAGE_YET else []), *origin.trailers()],
    )


def _deploy(name: str, kustomization: str, image: ImageReference) -> list[tuple[str, str]]:
    return [
        ("Bump-Site", name),
        ("Bump-Kustomization", kustomization),
        ("Bump-Image", image.repository),
        ("Bump-From", "no tag"),
        ("Bump-To", image.tag),
        ("Bump-Digest", image.digest),
    ]


def of_removal(removal: Removal, origin: Origin) -> str:
    """`Remove site web`."""
    means = (
        "Flux deletes nothing."
        if removal.why_kept
        else f"Flux deletes {amount(len(removal.deleted), 'object')}."
    )
    return worded(
        f"Remove site {removal.name}",
        [f"{removal.site.path or '.'}: nothing else builds it. {means}"],
        [(REMOVE_SITE, removal.name), *origin.trailers()],
    )
