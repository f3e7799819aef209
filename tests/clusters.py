"""What clusters made up by a test have in common."""

from collections.abc import Sequence

from bumper.observation import Desired, Observation


class Untold:
    """A cluster that tells of no change: all that is asked for is looked at (`ports.Cluster`)."""

    def observe(self, desired: Sequence[Desired]) -> list[Observation]:
        raise NotImplementedError

    def observe_changed(self, desired: Sequence[Desired], is_due: Sequence[bool]) -> list[Observation | None]:
        assert len(desired) == len(is_due)
        return list(self.observe(desired))
