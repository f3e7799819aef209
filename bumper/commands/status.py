"""How every site stands, without a deploy: what git wants, what Flux applied, what runs, and the judgement of that."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bumper import options, overview, platform, rollout
from bumper.assembly import Assembly
from bumper.commands import Context
from bumper.errors import BumpError, NoAccess, Outcome, Transient, UsageError
from bumper.follow import Cluster
from bumper.image import ImageReference
from bumper.lineage import Facts, Lineage, revisions_of
from bumper.objects import ObjectKey, condition
from bumper.overview import Overview, Row
from bumper.pipeline import find_target
from bumper.request import Choice
from bumper.revision import Revision
from bumper.rollout import Desired, Observation, Verdict
from bumper.rollout.state import State, state
from bumper.systems import Clock
from bumper.tree import Tree

SUMMARY = "Shows for every site what git wants, what Flux applied, what runs, and how that is to be judged."
# What a cause shows now is judged again as if it had stood so long: longer than every grace.
_STOOD_S = 3600.0
# An API that does not answer at once is asked again, but nobody waits long for a table.
_TRIES, _PAUSE_S = 3, 1.0
_NO_IMAGE = ImageReference("")
_NO_WORKLOAD = ObjectKey("", "", "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump status`."""
    parser.add_argument("site", nargs="?", metavar="SITE", help="one site in full; default: a table of all")
    options.add_repository(parser)
    options.add_choice(parser)
    options.add_contexts(parser, "look at")
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="exit with the code of the worst verdict (3 for a site that is moving) instead of 0",
    )
    options.add_output(parser)


@dataclass(frozen=True)
class _Followed:
    """A site of the tree as it is looked at; `image` is None for one without a workload that can be followed."""

    desired: Desired
    image: ImageReference | None
    place: str
    not_followed: str = ""
    is_ours: bool = True


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Looks once at each cluster and prints what is there. Returns 0, or with `--exit-code` that of the worst verdict."""
    choice = options.choice(arguments)
    if not arguments.site and choice != Choice():
        raise UsageError(
            "--image, --kustomization and --container speak of one site", hint="name it: bump status SITE"
        )
    with Assembly(arguments, context) as parts:
        clusters = parts.clusters()
        terminal = parts.terminal(name_sites=False)
        repository = parts.repository()
        tip = Revision(arguments.branch, repository.fetch(arguments.branch))
        tree = repository.tree(tip.sha)
        sites = [_named(arguments.site, choice, tree)] if arguments.site else _all(tree, tip)
        lineage = Lineage(repository, choice, parts.clock)
        rows = [row for cluster in clusters for row in _look(cluster, sites, lineage, parts.clock)]
        notices = tuple(dict.fromkeys(text for cluster in clusters for text in _notices(cluster)))
        shown = Overview(tip, tuple(rows), datetime.now(UTC), notices)
        terminal.close()
        if arguments.output == "json":
            context.stdout.write(json.dumps(overview.as_data(shown), indent=2) + "\n")
        else:
            terminal.write(overview.details(shown) if arguments.site else overview.lines(shown))
        return shown.exit_code if arguments.exit_code else 0


def _named(site: str, choice: Choice, tree: Tree) -> _Followed:
    return _of_target(site, find_target(site, choice, tree))


def _all(tree: Tree, tip: Revision) -> list[_Followed]:
    """Every Flux Kustomization of the tree, those without an image of their own included."""
    found = []
    for site in platform.sites(tree):
        qualified = f"{site.kustomization.namespace}/{site.kustomization.name}"
        try:
            found.append(_of_target(site.name, find_target(site.name, Choice(kustomization=qualified), tree)))
        except BumpError as error:
            desired = Desired(
                site=site.name,
                image=_NO_IMAGE,
                previous=None,
                revision=tip,
                kustomization=site.kustomization,
                source=site.source,
                workload=_NO_WORKLOAD,
                container="",
            )
            found.append(_Followed(desired, None, site.place, error.message, site.is_ours))
    return list({(one.desired.site, one.desired.kustomization): one for one in found}.values())


def _of_target(site: str, target: platform.Target) -> _Followed:
    desired = Desired(
        site=site,
        image=target.image,
        previous=None,
        revision=None,
        kustomization=target.site.kustomization,
        source=target.site.source,
        workload=target.workload,
        container=target.container,
    )
    return _Followed(desired, target.image, f"{target.field.path}:{target.field.span.line}")


def _look(cluster: Cluster, sites: Sequence[_Followed], lineage: Facts, clock: Clock) -> list[Row]:
    try:
        seen = _observe(cluster, [site.desired for site in sites], clock)
    except BumpError as error:
        reason = "NoAccess" if isinstance(error, NoAccess) else "ClusterUnreachable"
        verdict = Verdict(Outcome.UNKNOWN, reason, error.message, hint=error.hint)
        return [_row(site, cluster, State("", (), "", ()), verdict) for site in sites]
    return [_judged(site, cluster, one, lineage) for site, one in zip(sites, seen, strict=True)]


def _observe(cluster: Cluster, desired: Sequence[Desired], clock: Clock) -> list[Observation]:
    for _ in range(_TRIES - 1):
        try:
            return cluster.observe(desired)
        except Transient as error:
            clock.sleep(min(error.retry_after_s or _PAUSE_S, 5 * _PAUSE_S))
    return cluster.observe(desired)


def _judged(site: _Followed, cluster: Cluster, seen: Observation, lineage: Facts) -> Row:
    if not site.is_ours:
        return _row(site, cluster, state(site.desired, seen), _as_flux_says(site.desired, seen))
    desired = site.desired
    look = replace(seen, revisions=lineage.facts(desired, revisions_of(seen)))
    judgement = rollout.judge(desired, look, {})
    pending = None
    if judgement.verdict is None:
        later = rollout.judge(desired, replace(look, at_s=look.at_s + _STOOD_S), judgement.sightings)
        pending = later.verdict
    stage = next((one for one in rollout.Stage if one not in judgement.reached), rollout.Stage.ROLLED_OUT)
    row = _row(site, cluster, state(desired, look), judgement.verdict)
    return replace(row, pending=pending, detail=judgement.detail.get(stage, ""))


def _as_flux_says(desired: Desired, seen: Observation) -> Verdict:
    """Of a Kustomization that another repository feeds nothing is known but its own word."""
    ready = condition(seen.kustomization, "Ready")
    if ready is None:
        why = (
            seen.unreadable.get(desired.kustomization.kind)
            or "it is not in the cluster, or has no Ready condition"
        )
        return Verdict(Outcome.UNKNOWN, "NotKnown", f"{desired.kustomization}: {why}")
    outcome = {"True": Outcome.READY, "False": Outcome.BLOCKED}.get(ready.status, Outcome.UNKNOWN)
    return Verdict(outcome, ready.reason, ready.message).printable()


def _row(site: _Followed, cluster: Cluster, found: State, verdict: Verdict | None) -> Row:
    return Row(
        site=site.desired.site,
        context=cluster.name,
        kustomization=str(site.desired.kustomization),
        image=site.image,
        place=site.place,
        state=found,
        verdict=verdict,
        not_followed=site.not_followed,
    )


def _notices(cluster: Cluster) -> tuple[str, ...]:
    # That a watch is not allowed is no matter of a single look.
    return tuple(text for text in cluster.notices() if "watch" not in text)
