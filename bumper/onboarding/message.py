"""The messages of commits that bring a site or take one away: a subject, a sentence, and trailers.

Law: what is put on a new site is recorded as a deploy is (`history`), so that its history begins with its first commit.
"""

from bumper.history.message import worded
from bumper.image import ImageReference
from bumper.onboarding.addition import NO_IMAGE_YET, Addition
from bumper.onboarding.removal import Removal
from bumper.request import Origin

NEW_SITE, REMOVE_SITE = "Bump-New-Site", "Bump-Remove-Site"


def of_addition(addition: Addition, image: ImageReference, origin: Origin) -> str:
    """`Add site web`. A site without an image yet records no deploy."""
    wanted = addition.wanted
    model = f"modelled on {addition.like}" if addition.like else "in the plain form"
    deploy = [("Bump-Site", wanted.name), ("Bump-Kustomization", addition.target.site.identity)]
    deploy += [("Bump-Image", image.repository), ("Bump-From", "no tag")]
    deploy += [("Bump-To", image.tag), ("Bump-Digest", image.digest)]
    trailers = [(NEW_SITE, wanted.name), ("Bump-Hosts", " ".join(wanted.hosts)), ("Bump-Like", addition.like)]
    return worded(
        f"Add site {wanted.name}",
        [f"{addition.target.site.path}: {', '.join(wanted.hosts)}, {model}."],
        [*trailers, *(deploy if image.tag != NO_IMAGE_YET else []), *origin.trailers()],
    )


def of_removal(removal: Removal, origin: Origin) -> str:
    """`Remove site web`."""
    count = len(removal.deleted)
    means = (
        "Flux deletes nothing."
        if removal.why_kept
        else f"Flux deletes {count} object{'s' if count != 1 else ''}."
    )
    return worded(
        f"Remove site {removal.name}",
        [f"{removal.site.path or '.'}: nothing else builds it. {means}"],
        [(REMOVE_SITE, removal.name), *origin.trailers()],
    )
