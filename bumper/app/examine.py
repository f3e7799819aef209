"""The checks before a deploy, each system by itself: what it answers is a finding, and so is that it does not answer. `bump doctor`.

Law: nothing is written anywhere, nothing is retried, and no failure of one system keeps another from being looked at.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from bumper.app.context import Context
from bumper.app.namesakes import inventory, live_builds
from bumper.app.output import Output
from bumper.app.settings import DoctorSettings, OutputSettings
from bumper.app.wiring import Systems
from bumper.dataclasses import replace
from bumper.doctor import access, clocks, finding, flux, freeze, hosting
from bumper.doctor.finding import Finding, Mark, of_error
from bumper.errors import BumpError, Refused, Transient, UsageError
from bumper.image import ImageReference
from bumper.onboarding import notifications
from bumper.ports.git import PushAccess, Repository, Tree
from bumper.ports.kubernetes import ClusterAccess, Listed, Right
from bumper.ports.registry import RegistryAccess
from bumper.ports.threads import side_by_side
from bumper.revision import Revision
from bumper.safe_text import visible
from bumper.status import sites
from bumper.status.sites import Entry
from bumper.style import amount

if TYPE_CHECKING:
    from bumper.systems.kube import Cluster

_DIGEST_DIGITS = 7
_MOST_REASONS = 3
_RESOLVE = "name the image and where it is built: bump --site SITE --image REPOSITORY --kustomization NAME"
_Wall = Callable[[], datetime]
_NOTE = """\
What bump needs to follow {sites}, and no more: for kubectl apply -f -
{whose}
The namespaces must be there."""
_OF_ACCOUNT = "Its token: kubectl create token {account} -n {namespace}, or a pod with this service account."
_OF_USER = "Bound to the user {user}."


def examine(settings: DoctorSettings, context: Context) -> int:
    """Prints all findings. Returns 0 if all that is needed is there, 6 if not; warnings change nothing."""
    with (
        Systems(context, settings.repository, settings.permissions) as systems,
        Output(systems, OutputSettings(settings.is_json)) as output,
    ):
        findings = _findings(settings, systems)
        if settings.is_json:
            context.stdout.write(json.dumps(finding.as_data(findings), indent=2) + "\n")
        else:
            output.begin(name_sites=False)
            output.terminal.write(finding.lines(findings))
        return finding.exit_code(findings)


def print_rbac(settings: DoctorSettings, context: Context) -> int:
    """Prints the manifest of the rights that following these sites needs; returns 0."""
    with Systems(context, settings.repository, settings.permissions) as systems:
        repository = systems.open_repository(settings.timeout_s)
        clusters, _ = _clusters(settings, systems)
        _, entries = read(repository, settings, clusters)
        if settings.is_json:
            listed = {"apiVersion": "v1", "kind": "List", "items": _objects(entries, settings.user)}
            context.stdout.write(json.dumps(listed, indent=2) + "\n")
            context.stderr.writelines(f"{visible(line)}\n" for line in _left_out(entries))
        else:
            names = ", ".join(settings.sites) or f"every site of {repository.url}"
            context.stdout.write(rbac(entries, names, settings.user))
    return 0


def rbac(entries: Sequence[Entry], names: str, user: str = "") -> str:
    """The manifest as YAML, under a comment that says whom it is for."""
    namespace = entries[0].desired.source.namespace
    whose = (
        _OF_USER.format(user=user)
        if user
        else _OF_ACCOUNT.format(account=access.ACCOUNT, namespace=namespace)
    )
    note = "\n".join([_NOTE.format(sites=names, whose=whose), *map(visible, _left_out(entries))])
    return access.as_yaml(_objects(entries, user), note)


def _objects(entries: Sequence[Entry], user: str) -> list[dict[str, Any]]:
    return access.manifests(_rights(entries), entries[0].desired.source.namespace, user)


def _left_out(entries: Sequence[Entry]) -> list[str]:
    """The sites whose workloads the manifest does not cover, a line each; nothing where it covers all."""
    left_out = [f"  {entry.desired.site}: {entry.not_followed}" for entry in entries if entry.image is None]
    head = "Left out: the workloads of these Flux Kustomizations, of which no image is found (their own state is covered):"
    return [head, *left_out] if left_out else []


def _clusters(settings: DoctorSettings, systems: Systems) -> "tuple[Sequence[Cluster], UsageError | None]":
    """Those that are looked at, or why there are none where there should be."""
    from bumper.systems.kube import Timeouts

    timeouts = Timeouts(connect_s=settings.timeout_s, answer_s=settings.timeout_s)
    try:
        return systems.clusters(settings.contexts, timeouts) if settings.looks_at_cluster else (), None
    except UsageError as error:
        return (), error


def read(
    repository: Repository, settings: DoctorSettings, clusters: Sequence[Listed] = ()
) -> tuple[Revision, list[Entry]]:
    """The tip of the branch, and the sites that are looked at there, those that only the clusters have among them."""
    branch = settings.repository.branch
    tip = Revision(branch, repository.fetch(branch))
    live, listed = (live_builds(clusters), inventory(clusters)) if clusters else (None, None)
    return tip, sites.several(repository.tree(tip.sha), tip, settings.sites, live, listed)


def _rights(entries: Sequence[Entry]) -> tuple[Right, ...]:
    from bumper.systems.kube.rights import Subject, needed

    return needed(
        Subject(desired, entry.site.depends_on, place)
        for entry in entries
        for desired, place in zip(entry.followed, entry.pods_namespaces, strict=True)
    )


def _findings(settings: DoctorSettings, systems: Systems) -> list[Finding]:
    """All findings, in the order of a deploy. Git comes first: it says which images and objects matter."""
    repository = systems.open_repository(settings.timeout_s)
    clusters, no_cluster = _clusters(settings, systems)
    tip: Revision | None = None
    entries: list[Entry] = []
    try:
        tip, entries = read(repository, settings, clusters)
        findings = [_of_tree(repository.url, tip, entries), *_of_followed(repository.url, settings, entries)]
        findings += _of_freeze(entries, systems.context.clock.wall())
        findings += [] if settings.looks_at_cluster else [_of_posting(repository.tree(tip.sha))]
    except (UsageError, Refused):
        raise
    except BumpError as error:
        why = "without the repository nothing is known of the sites: images and rights were not looked at"
        findings = [of_error("git", repository.url, error, why)]
    jobs: list[Callable[[], list[Finding]]] = [partial(of_push, repository, tip)] if tip else []
    jobs.append(lambda: _of_hosting(repository.url, settings, systems))
    jobs.append(
        partial(of_registries, systems.open_registry(settings.timeout_s), entries, systems.context.clock.wall)
    )
    rights = _rights(entries)
    jobs += [
        partial(of_cluster, cluster, entries, rights, tip, systems.context.clock.wall) for cluster in clusters
    ]
    if no_cluster:
        why = "a deploy would be pushed and not followed"
        findings.append(of_error("cluster", "kubeconfig", no_cluster, why))
    return [*findings, *chain.from_iterable(side_by_side(jobs))]


def _of_tree(url: str, tip: Revision, entries: Sequence[Entry]) -> Finding:
    followed = sum(entry.image is not None for entry in entries)
    read = (
        f"{tip.short} read: {amount(len(entries), 'Flux Kustomization')}, {followed} with an image to deploy"
    )
    if followed:
        return Finding("git", url, Mark.GOOD, read)
    why = "; ".join(entry.not_followed for entry in entries[:_MOST_REASONS])
    more = f"; and {len(entries) - _MOST_REASONS} more" if len(entries) > _MOST_REASONS else ""
    return Finding(
        "git",
        url,
        Mark.MISSING,
        read,
        f"no site can be resolved, so nothing can be deployed: {why}{more}",
        _RESOLVE,
    )


def _of_followed(url: str, settings: DoctorSettings, entries: Sequence[Entry]) -> list[Finding]:
    """The workloads that a deploy refuses before it pushes, since nobody could tell when they are Ready."""
    from bumper.rollout.preflight import unfollowable

    workloads = [
        f"{desired.site}: {desired.workload} ({why})"
        for entry in entries
        for desired in entry.followed
        if (why := unfollowable(desired))
    ]
    if not workloads:
        return []
    # Of a whole tree the other sites may be what is deployed.
    mark = Mark.MISSING if settings.sites else Mark.WARNING
    why = "a deploy that can't be followed is refused before the push"
    return [
        Finding(
            "git", url, mark, f"can't be followed: {'; '.join(workloads)}", why, "deploy it with --no-wait"
        )
    ]


def _of_posting(tree: Tree) -> Finding:
    """Whether Flux tells GitHub how a deploy goes, as far as the tree knows."""
    if place := notifications.provider(tree):
        return Finding("flux", "GitHub", Mark.GOOD, f"Flux posts there ({place})")
    return Finding(
        "flux",
        "GitHub",
        Mark.WARNING,
        "the tree has no Provider of type github: Flux posts nothing there, unless that is set up elsewhere",
        "with --follow github every deploy would be waited for to its deadline",
        "bump notifications writes it; it wants Flux 2.9",
    )


def _of_freeze(entries: Sequence[Entry], now: datetime) -> list[Finding]:
    known = {entry.site.label: entry.freeze for entry in entries if entry.freeze}
    frozen = {label: closure for label, each in known.items() if (closure := each.closure(now))}
    return freeze.findings(next((each.calendar for each in known.values()), None), frozen)


def _of_hosting(url: str, settings: DoctorSettings, systems: Systems) -> list[Finding]:
    """Nothing where the repository is not GitHub's."""
    try:
        hosted = systems.hosting(url, settings.timeout_s)
    except BumpError as error:
        why = "rules of the branch that forbid a push show only at the push"
        return [of_error("git", "GitHub", error, why, Mark.WARNING)]
    if hosted is None:
        return []
    clock = clocks.finding("GitHub", hosted.dated_s, systems.context.clock.wall())
    rules = hosting.findings(hosted, settings.repository.branch, settings.commit_via)
    return [*rules, *([clock] if clock else [])]


def of_push(repository: PushAccess, tip: Revision) -> list[Finding]:
    """Whether the server lets us push, without a push."""
    subject = repository.url
    try:
        repository.ask_to_push(tip.sha, tip.name)
    except BumpError as error:
        return [of_error("git", subject, error, "no deploy gets out without the right to push")]
    answer = "may be pushed to (asked by git push --dry-run; the server's hooks are asked only by a push)"
    return [Finding("git", subject, Mark.GOOD, answer)]


def of_registries(registry: RegistryAccess, entries: Sequence[Entry], wall: _Wall) -> list[Finding]:
    """Each registry once, then the image of each site in it. A registry that does not answer is not asked again."""
    by_host: dict[str, dict[ImageReference, None]] = defaultdict(dict)
    for entry in entries:
        if entry.image:
            by_host[entry.image.registry][entry.image] = None
    findings = []
    for host, images in by_host.items():
        try:
            date = registry.reach(host)
        except BumpError as error:
            why = f"no image of {len(images)} can be asked for, and none is deployed that was not seen"
            findings.append(of_error("registry", host, error, why))
            continue
        findings += filter(None, [clocks.finding(host, clocks.epoch_s(date), wall())])
        findings += _of_images(registry, host, list(images))
    return findings


def _of_images(registry: RegistryAccess, host: str, images: Sequence[ImageReference]) -> Iterator[Finding]:
    for number, image in enumerate(images):
        try:
            manifest = registry.resolve(image)
        except Transient as error:
            left = len(images) - number - 1
            why = f"{left} more images of {host} were not asked for" if left else ""
            yield of_error("registry", str(image), error, why)
            return
        except Refused as error:
            why = "what git wants could not be pulled again on another node"
            yield of_error("registry", str(image), error, why)
        except BumpError as error:
            yield of_error("registry", str(image), error, "an image that can't be seen is not deployed")
        else:
            digest = manifest.image.digest
            shown = f"{digest.partition(':')[0]}:{digest.partition(':')[2][:_DIGEST_DIGITS]}…"
            answer = f"{shown} with {registry.credential(image)}"
            yield Finding("registry", str(image), Mark.GOOD, answer)


def of_cluster(
    cluster: ClusterAccess,
    entries: Sequence[Entry],
    rights: Sequence[Right],
    tip: Revision | None,
    wall: _Wall,
) -> list[Finding]:
    """The API server, our rights, and Flux as it stands there."""
    try:
        version, date = cluster.server()
        rights = cluster.served(rights)
        denied = cluster.denied(rights)
    except BumpError as error:
        why = "a deploy would be pushed and not followed"
        return [of_error("cluster", cluster.name, error, why)]
    findings = [Finding("cluster", cluster.name, Mark.GOOD, f"Kubernetes {version} answers")]
    findings += access.findings(cluster.name, rights, denied)
    findings += filter(None, [clocks.finding(f"{cluster.name}: API server", clocks.epoch_s(date), wall())])
    try:
        return findings + _of_flux(cluster, entries, rights, denied, tip)
    except BumpError as error:
        why = "how Flux is set up there is not known"
        return [*findings, of_error("flux", cluster.name, error, why)]


def _of_flux(
    cluster: ClusterAccess,
    entries: Sequence[Entry],
    rights: Sequence[Right],
    denied: Collection[Right],
    tip: Revision | None,
) -> list[Finding]:
    desired = [replace(entry.desired, revision=tip) for entry in entries]
    looks = cluster.observe(desired)
    namespaces = {
        key.namespace for site in desired for key in (*site.makers, site.source, site.kustomization)
    }
    # Of another repository's Kustomizations nothing is asked but whether they are there.
    ours = [(site, look) for entry, site, look in zip(entries, desired, looks, strict=True) if entry.is_ours]
    may_ask = not any(right.verb == "patch" for right in denied)
    return flux.findings(cluster.name, ours, cluster.flux(namespaces), may_ask_to_fetch=may_ask)
