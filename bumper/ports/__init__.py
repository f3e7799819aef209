"""What the product asks of the systems on the other side, one file for each: Protocols, and the values that they speak in.

Whoever decides or follows knows a system by these alone; `systems/` holds the real ones, `app` opens them.
"""

from bumper.ports.git import (
    Ancestry,
    Comparison,
    Entry,
    History,
    Notes,
    PushAccess,
    Repository,
    Tree,
    TreeOfModes,
    Writer,
)
from bumper.ports.github import (
    Announced,
    CommentHub,
    Commits,
    CommitStatus,
    DeploymentHub,
    Hosting,
    Posted,
    Pull,
    PullRequests,
    Rule,
    Standing,
    StatusBranch,
    StatusHub,
)
from bumper.ports.kubernetes import CONTROLLERS, Cluster, ClusterAccess, Facts, Installation, Right, Tape
from bumper.ports.registry import Registry, RegistryAccess
from bumper.ports.run import Board, Clock, Display, Progress, State, Step, Terminal, WallClock

__all__ = [
    "CONTROLLERS",
    "Ancestry",
    "Announced",
    "Board",
    "Clock",
    "Cluster",
    "ClusterAccess",
    "CommentHub",
    "CommitStatus",
    "Commits",
    "Comparison",
    "DeploymentHub",
    "Display",
    "Entry",
    "Facts",
    "History",
    "Hosting",
    "Installation",
    "Notes",
    "Posted",
    "Progress",
    "Pull",
    "PullRequests",
    "PushAccess",
    "Registry",
    "RegistryAccess",
    "Repository",
    "Right",
    "Rule",
    "Standing",
    "State",
    "StatusBranch",
    "StatusHub",
    "Step",
    "Tape",
    "Terminal",
    "Tree",
    "TreeOfModes",
    "WallClock",
    "Writer",
]
