"""Sites that come and go: which files of a platform's repository that changes, and what it means for the cluster.

Law: pure, and proved before it is written. A new site is a copy of a site that is there, in the team's own hand (`model`, `copying`),
or has a plain form where the tree has no site (`plain`). A site that goes takes only what nothing else builds (`removal`).
"""

from bumper.onboarding.addition import NO_IMAGE_YET, Addition, SiteRequest
from bumper.onboarding.addition import plan as plan_addition
from bumper.onboarding.names import read_hosts, require_name
from bumper.onboarding.removal import Removal
from bumper.onboarding.removal import plan as plan_removal
from bumper.onboarding.renaming import Uncarried

__all__ = [
    "NO_IMAGE_YET",
    "Addition",
    "Removal",
    "SiteRequest",
    "Uncarried",
    "plan_addition",
    "plan_removal",
    "read_hosts",
    "require_name",
]
