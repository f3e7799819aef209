"""What was deployed, by whom, when, from which commit and how it ended: kept in git alone.

Law: a commit made by `bump` says in its trailers which site went from which image to which (`message`, `record`), and git notes on it
say how that ended (`ending`), so that history needs no database. `past` puts the two together.
One record is one block of trailers that begins with `Bump-Site`; several sites in one commit are several blocks.
Trailers: https://git-scm.com/docs/git-interpret-trailers
"""

from bumper.history.message import Deploy, compose, is_ours, worded
from bumper.history.past import Logged, last_ready, of_site, past
from bumper.history.record import recorded, records
from bumper.history.wording import Trailer, Wording
from bumper.record import Ending, Record, Recorded
from bumper.request import Origin

__all__ = [
    "Deploy",
    "Ending",
    "Logged",
    "Origin",
    "Record",
    "Recorded",
    "Trailer",
    "Wording",
    "compose",
    "is_ours",
    "last_ready",
    "of_site",
    "past",
    "recorded",
    "records",
    "worded",
]
