"""From what the cluster shows to a verdict: `judge` looks once, `timed_out` says where a deploy hung; `rules` has both."""

from bumper.rollout.rules import judge, timed_out
from bumper.rollout.site import WorkloadEnd
from bumper.rollout.timeline import Moment, Timeline
from bumper.rollout.verdict import Judgement, Milestone, Sighting, SiteStage, Stage, Verdict

__all__ = [
    "Judgement",
    "Milestone",
    "Moment",
    "Sighting",
    "SiteStage",
    "Stage",
    "Timeline",
    "Verdict",
    "WorkloadEnd",
    "judge",
    "timed_out",
]
