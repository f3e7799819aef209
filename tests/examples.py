"""How many examples a generated test takes: all of them in `make test-all`, an eighth of them otherwise."""

from hypothesis import HealthCheck, settings

THOROUGH, QUICK = "thorough", "quick"
_ALL = 100
_SHARE = 8


def register() -> None:
    """Makes both profiles known and loads the quick one; pytest's --hypothesis-profile chooses the other."""
    # How long an example takes depends on what else the machine does, and is no property of ours.
    untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile(THOROUGH, untimed, max_examples=_ALL)
    settings.register_profile(QUICK, untimed, max_examples=_ALL // _SHARE)
    settings.load_profile(QUICK)


def examples(count: int) -> int:
    """Of so many examples, those that are taken this time."""
    return count if settings.get_current_profile_name() == THOROUGH else count // _SHARE
