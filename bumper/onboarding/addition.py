"""A new site as one commit: what is written, proved on the tree as it would be.

Law: every byte of every file that was there stays, but for one entry in one list. The tree with the new files is read again as Flux
would: in each cluster that has the model the site is found with its image and its hosts, no object of it has the name of another,
nothing else is built than before but its Kustomization, and `check` finds nothing that it did not find before.
"""

from collections.abc import Iterable, Mapping, Sequence

from bumper import check
from bumper.check import ERROR
from bumper.dataclasses import dataclass, replace
from bumper.errors import FieldUnsafe, Refused, UsageError
from bumper.fluxtree.changed import Changed
from bumper.fluxtree.difference import differences
from bumper.fluxtree.discovery import GROUP
from bumper.fluxtree.layers import within
from bumper.fluxtree.sites import find
from bumper.fluxtree.sites.find import Site, Target
from bumper.image import ImageReference
from bumper.manifest.insertion import insert_item
from bumper.onboarding import model, plain
from bumper.onboarding.assignment import assigned
from bumper.onboarding.landscape import Landscape, Listing
from bumper.onboarding.model import Model
from bumper.onboarding.renaming import Renaming, Uncarried
from bumper.ports.git import Tree
from bumper.request import Choice

# Written where no image is there yet: a tag that no pipeline makes, so that nobody takes it for one.
NO_IMAGE_YET = "no-image-yet"
_IN_A_LABEL = 63


@dataclass(frozen=True)
class SiteRequest:
    """The site that is wanted. `like` names a model, `is_plain` asks for none; `image` is a repository, empty for the model's with the
    new name. `of_clusters` are hosts that one cluster alone is to have, each behind the name of its cluster.
    """

    name: str
    hosts: tuple[str, ...]
    like: str = ""
    is_plain: bool = False
    image: str = ""
    of_clusters: tuple[tuple[str, str], ...] = ()

    @property
    def all_hosts(self) -> tuple[str, ...]:
        """Every host, whichever cluster is to have it."""
        return tuple(dict.fromkeys((*self.hosts, *(host for _, host in self.of_clusters))))


@dataclass(frozen=True)
class Addition:
    """What is written for a new site: the bytes before and after of each file, and where the image stands in the new tree, in each
    cluster that gets the site.
    """

    wanted: SiteRequest
    files: Mapping[str, tuple[bytes | None, bytes | None]]
    targets: tuple[Target, ...]
    like: str = ""
    notices: tuple[str, ...] = ()

    @property
    def target(self) -> Target:
        """That of the first cluster."""
        return self.targets[0]

    @property
    def place(self) -> str:
        """`k8s/web/deployment.yaml:18`."""
        return self.target.place


@dataclass(frozen=True)
class _Entry:
    """One more entry of a list: as it is written, and the sync file that it means."""

    listing: Listing
    written: str
    sync: str


@dataclass(frozen=True)
class _Draft:
    """The files of a new site, what lists them, and the hosts of each cluster by its name."""

    files: Mapping[str, bytes]
    entries: tuple[_Entry, ...]
    hosts: Mapping[str, tuple[str, ...]]


def plan(tree: Tree, wanted: SiteRequest, tag: str = NO_IMAGE_YET, digest: str = "") -> Addition:
    """What has to be written for the new site; `Refused` where it cannot be, or where something of it is there already.

    `digest` is written only where the model pins its image.
    """
    landscape = Landscape(tree)
    _refuse_taken(landscape, wanted)
    like = None if wanted.is_plain else model.chosen(landscape, wanted.like)
    draft = _copied(like, wanted, tag, digest) if like else _plain(landscape, wanted, tag)
    _refuse_present(landscape, draft.files, like)
    changes: dict[str, tuple[bytes | None, bytes | None]] = {
        path: (None, after) for path, after in draft.files.items()
    }
    changes |= _listed(landscape, draft.entries)
    targets = _prove(landscape, changes, wanted, draft)
    findings = _new_findings(tree, changes, like)
    notices = (*_notices(wanted, draft.files), *_left_out(landscape, like), *findings)
    return Addition(wanted, changes, targets, like.name if like else "", notices)


def _copied(like: Model, wanted: SiteRequest, tag: str, digest: str) -> _Draft:
    hosts = assigned(like, wanted.name, wanted.hosts, wanted.of_clusters)
    repository = model.repository_for(like, wanted.name, wanted.image)
    image = ImageReference(repository, tag, digest if like.pins else "")
    files = like.copied(wanted.name, hosts, image)
    names = Renaming(like.name, wanted.name, (), (), like.foreign)
    entries = [
        _Entry(
            placement.listing,
            names.words(placement.listing.written),
            model.renamed(placement.site.document.path, names),
        )
        for placement in like.placements
    ]
    return _Draft(files, tuple(dict.fromkeys(entries)), hosts)


def _plain(landscape: Landscape, wanted: SiteRequest, tag: str) -> _Draft:
    if not wanted.image:
        raise UsageError(
            f"{wanted.name}: no other site tells which registry its image is in",
            hint="name it: --image REPOSITORY",
        )
    if wanted.of_clusters:
        raise UsageError(
            f"--host {'='.join(wanted.of_clusters[0])}: the plain form is for one cluster",
            hint="leave the cluster out",
        )
    above = plain.root(landscape)
    files = plain.files(above, wanted.name, wanted.hosts, ImageReference(wanted.image, tag))
    listing = plain.listing(landscape, above)
    directory = listing.written.rpartition("/")[0]
    written = listing.written and f"{directory}/{wanted.name}-sync.yaml".lstrip("/")
    entry = _Entry(listing, written, plain.sync_path(above, wanted.name))
    return _Draft(files, (entry,), {landscape.cluster_name(above): wanted.hosts})


def _left_out(landscape: Landscape, like: Model | None) -> list[str]:
    """The clusters that get no new site since the model is not there."""
    if like is None:
        return []
    clusters = dict.fromkeys(landscape.cluster_name(site) for site in landscape.sites)
    missing = [cluster for cluster in clusters if cluster not in {each.cluster for each in like.placements}]
    return [f"not in {cluster}, where {like.name} is not either" for cluster in missing]


def _new_findings(
    tree: Tree, changes: Mapping[str, tuple[bytes | None, bytes | None]], like: Model | None
) -> list[str]:
    """What `check` finds in the new tree alone, as notices where the model has the same; `Refused` for everything else."""
    after = Changed(tree, {path: new for path, (_, new) in changes.items()})
    before = check.findings(tree)
    # Not the message, which may list what is there, the new site included.
    known = {(finding.place, finding.id) for finding in before}
    new_findings = [finding for finding in check.findings(after) if (finding.place, finding.id) not in known]
    habits = {finding.id for finding in before if like and finding.path in like.contents}
    worse = [finding for finding in new_findings if finding.severity is ERROR or finding.id not in habits]
    if worse:
        raise Refused(
            f"{worse[0].place}: {worse[0].message} ({worse[0].id}), as the new site would be",
            hint=worse[0].fix,
        )
    return [
        f"{finding.place}: {finding.message} ({finding.id}), as in {like.name if like else 'the tree'}"
        for finding in new_findings
    ]


def _refuse_taken(landscape: Landscape, wanted: SiteRequest) -> None:
    for site in landscape.sites:
        if site.name == wanted.name:
            raise Refused(
                f"{site.place}: a Flux Kustomization named {wanted.name} is there already",
                hint="choose another name",
            )
    for site, built in landscape.objects:
        is_it = built.key.kind == "Namespace" and built.key.name == wanted.name
        if is_it or built.key.namespace == wanted.name:
            raise Refused(
                f"{built.place}: the namespace {wanted.name} is there already, made for Kustomization {site.name}",
                hint="choose another name",
            )
    for site in landscape.sites:
        for routed in landscape.hosts_of(site):
            if routed.host in wanted.all_hosts:
                raise Refused(
                    f"{routed.place}: {routed.host} is routed already, by Kustomization {site.name}",
                    hint="take the host from there first, or leave it out",
                )


def _refuse_present(landscape: Landscape, files: Mapping[str, bytes], like: Model | None) -> None:
    for path in files:
        if landscape.reading.is_file(path) or landscape.reading.is_directory(path):
            raise Refused(
                f"{path}: is there already", hint="choose another name, or remove what is left there"
            )
    if like and (same := set(files) & set(like.contents)):
        raise Uncarried(f"{min(same)}: its path does not hold the name {like.name}, so a copy has no place")
    for directory in {path.rpartition("/")[0] for path in files} - {
        path.rpartition("/")[0] for path in (like.contents if like else ())
    }:
        if landscape.reading.is_directory(directory) and directory not in landscape.layers:
            raise Refused(
                f"{directory}: is there already", hint="choose another name, or remove what is left there"
            )


def _listed(landscape: Landscape, entries: Iterable[_Entry]) -> dict[str, tuple[bytes | None, bytes | None]]:
    """The kustomizations before and after, each with one more entry behind the last one."""
    changes: dict[str, tuple[bytes | None, bytes | None]] = {}
    for entry in entries:
        path = entry.listing.path
        if not path:
            continue
        if within(entry.listing.directory, entry.written) != entry.sync:
            raise Uncarried(
                f"{path}: lists {entry.listing.written}, of which the entry for {entry.sync} cannot be told"
            )
        content = landscape.reading.content(path)
        _, known = changes.get(path, (None, content))
        route = (*landscape.reading.documents(path)[0].route, "resources")
        changes[path] = content, insert_item(known or content, path, route, entry.written)
    return changes


def _prove(
    landscape: Landscape,
    changes: Mapping[str, tuple[bytes | None, bytes | None]],
    wanted: SiteRequest,
    draft: _Draft,
) -> tuple[Target, ...]:
    """Where the site's image stands in the new tree; `FieldUnsafe` where the tree would not hold what is meant."""
    after = Landscape(Changed(landscape.tree, {path: new for path, (_, new) in changes.items()}))
    sites = after.namesakes(wanted.name)
    targets = tuple(_target(after, site, sites, wanted) for site in sites)
    routed = {after.cluster_name(site): {host.host for host in after.hosts_of(site)} for site in sites}
    if routed != {cluster: set(hosts) for cluster, hosts in draft.hosts.items()} or any(
        field.path not in draft.files for target in targets for field in target.fields
    ):
        place = sites[0].place if sites else wanted.name
        raise FieldUnsafe(
            f"{place}: the new site would not route {', '.join(wanted.all_hosts)}",
            hint="name another site with --like",
        )
    for site in sites:
        _refuse_same_objects(after, site)
    _refuse_other_changes(landscape, after, wanted.name)
    return targets


def _target(after: Landscape, site: Site, sites: Sequence[Site], wanted: SiteRequest) -> Target:
    """Where its image stands in one cluster; called as every verb will call it."""
    is_told_apart = len({each.identity for each in sites}) == len(sites) > 1
    if len(sites) == 1 or is_told_apart:
        kustomization = site.identity if is_told_apart else ""
        target = find.find(after.tree, wanted.name, Choice(wanted.image, kustomization))
    else:
        target = find.find_in(after.reading, site, image=wanted.image)
    hosts = after.hosts_of(site)
    return replace(target, addresses=target.addresses or tuple(f"https://{host.host}" for host in hosts[:1]))


def _refuse_same_objects(after: Landscape, site: Site) -> None:
    ours = {built.key: built for built in after.built(site)}
    for other, built in after.objects:
        if other != site and other.cluster == site.cluster and built.key in ours:
            raise Refused(
                f"{ours[built.key].place}: {built.key} is there already ({built.place}, Kustomization {other.name})",
                hint="choose another name, or another site with --like",
            )
    for key, built in ours.items():
        if key.kind in ("Service", "Namespace") and len(key.name) > _IN_A_LABEL:
            raise Refused(
                f"{built.place}: {key} would have {len(key.name)} characters, Kubernetes takes {_IN_A_LABEL}"
            )


def _refuse_other_changes(before: Landscape, after: Landscape, name: str) -> None:
    """Refused where anything else is built than before: of all others only the parents get one more object, the new Kustomization."""
    renewed = {(site.identity, site.cluster): site for site in after.sites}
    for site in before.sites:
        new = renewed.get((site.identity, site.cluster))
        if new is None:
            raise FieldUnsafe(f"{site.place}: Kustomization {site.name} would be gone with the new site")
        for each in differences(before.build(site), after.build(new)):
            is_new = each.old is None and each.resource.group == GROUP and each.resource.name == name
            if not is_new:
                place = f"{each.resource.path}:{each.resource.line(*each.route)}"
                raise FieldUnsafe(
                    f"{place}: {each.resource} of Kustomization {site.name} would change with the new site",
                    hint="name another site with --like",
                )


def _notices(wanted: SiteRequest, files: Mapping[str, bytes]) -> tuple[str, ...]:
    notices = []
    if wanted.image and wanted.image.rpartition("/")[2] != wanted.name:
        notices.append(
            f"the image {wanted.image} is not named like the site: each deploy needs --image {wanted.image}"
        )
    for path, content in files.items():
        if b"$imagepolicy" in content:
            notices.append(
                f"{path}: marked for image automation: make the ImagePolicy that it names now, or take the marker off"
            )
    return tuple(notices)
