"""A new site as one commit: what is written, proved on the tree as it would be.

Law: every byte of every file that was there stays, but for one entry in one list. The tree with the new files is read again as Flux
would: the site is found in it with its image and its hosts, no object of it has the name of another, and `check` finds nothing that it
did not find before.
"""

from collections.abc import Mapping

from bumper import check
from bumper.check import ERROR
from bumper.dataclasses import dataclass, replace
from bumper.errors import FieldUnsafe, Refused, UsageError
from bumper.fluxtree.layers import within
from bumper.fluxtree.sites import find
from bumper.fluxtree.sites.find import Target
from bumper.image import ImageReference
from bumper.manifest.insertion import insert_item
from bumper.onboarding import model, plain
from bumper.onboarding.changed import Changed
from bumper.onboarding.landscape import Landscape, Listing
from bumper.onboarding.model import Model
from bumper.onboarding.renaming import Uncarried
from bumper.ports.git import Tree

# Written where no image is there yet: a tag that no pipeline makes, so that nobody takes it for one.
NO_IMAGE_YET = "no-image-yet"
_IN_A_LABEL = 63


@dataclass(frozen=True)
class SiteRequest:
    """The site that is wanted. `like` names a model, `is_plain` asks for none; `image` is a repository, empty for the model's with the
    new name."""

    name: str
    hosts: tuple[str, ...]
    like: str = ""
    is_plain: bool = False
    image: str = ""


@dataclass(frozen=True)
class Addition:
    """What is written for a new site: the bytes before and after of each file, and where the image stands in the new tree."""

    wanted: SiteRequest
    files: Mapping[str, tuple[bytes | None, bytes | None]]
    target: Target
    like: str = ""
    notices: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """`k8s/web/deployment.yaml:18`."""
        return self.target.place


def plan(tree: Tree, wanted: SiteRequest, tag: str = NO_IMAGE_YET, digest: str = "") -> Addition:
    """What has to be written for the new site; `Refused` where it cannot be, or where something of it is there already.

    `digest` is written only where the model pins its image.
    """
    landscape = Landscape(tree)
    _refuse_taken(landscape, wanted)
    like = None if wanted.is_plain else model.chosen(landscape, wanted.like)
    if like:
        renaming = like.renaming(wanted.name, wanted.hosts)
        repository = model.repository_for(like, wanted.name, wanted.image)
        pinned = digest if like.target.field.image.digest else ""
        files = like.copied(renaming, ImageReference(repository, tag, pinned))
        sync = model.renamed(like.site.document.path, renaming)
        written = renaming.words(like.listing.written)
        listing = like.listing
    else:
        if not wanted.image:
            raise UsageError(
                f"{wanted.name}: no other site tells which registry its image is in",
                hint="name it: --image REPOSITORY",
            )
        above = plain.root(landscape)
        files = plain.files(above, wanted.name, wanted.hosts, ImageReference(wanted.image, tag))
        sync, listing = plain.sync_path(above, wanted.name), plain.listing(landscape, above)
        written = listing.written and f"{listing.written.rpartition('/')[0]}/{wanted.name}-sync.yaml".lstrip(
            "/"
        )
    _refuse_present(landscape, files, like)
    changes: dict[str, tuple[bytes | None, bytes | None]] = {
        path: (None, after) for path, after in files.items()
    }
    if listing.path:
        changes[listing.path] = _listed(landscape, listing, written, sync)
    target = _prove(tree, changes, wanted, files)
    findings = _new_findings(tree, changes, like)
    notices = (*_notices(wanted, files), *findings)
    return Addition(wanted, changes, target, like.name if like else "", notices)


def _new_findings(
    tree: Tree, changes: Mapping[str, tuple[bytes | None, bytes | None]], like: Model | None
) -> list[str]:
    """What `check` finds in the new tree alone, as notices where the model has the same; `Refused` for everything else."""
    after = Changed(tree, {path: new for path, (_, new) in changes.items()})
    before = check.findings(tree)
    known = {(finding.path, finding.id, finding.message) for finding in before}
    new_findings = [
        finding
        for finding in check.findings(after)
        if (finding.path, finding.id, finding.message) not in known
    ]
    habits = {finding.id for finding in before if like and finding.path in like.files}
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
            if routed.host in wanted.hosts:
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
    if like and (same := set(files) & set(like.files)):
        raise Uncarried(f"{min(same)}: its path does not hold the name {like.name}, so a copy has no place")
    for directory in {path.rpartition("/")[0] for path in files} - {
        path.rpartition("/")[0] for path in (like.files if like else ())
    }:
        if landscape.reading.is_directory(directory) and directory not in landscape.layers:
            raise Refused(
                f"{directory}: is there already", hint="choose another name, or remove what is left there"
            )


def _listed(landscape: Landscape, listing: Listing, written: str, sync: str) -> tuple[bytes, bytes]:
    """The kustomization before and after, with one more entry behind the last one."""
    content = landscape.reading.content(listing.path)
    if within(listing.directory, written) != sync:
        raise Uncarried(
            f"{listing.path}: lists {listing.written}, of which the entry for {sync} cannot be told"
        )
    route = landscape.reading.documents(listing.path)[0].route
    return content, insert_item(content, listing.path, (*route, "resources"), written)


def _prove(
    tree: Tree,
    changes: Mapping[str, tuple[bytes | None, bytes | None]],
    wanted: SiteRequest,
    files: Mapping[str, bytes],
) -> Target:
    """Where the site's image stands in the new tree; `FieldUnsafe` where the tree would not hold what is meant."""
    after = Changed(tree, {path: new for path, (_, new) in changes.items()})
    target = find.find(after, wanted.name, image=wanted.image)
    landscape = Landscape(after)
    site = landscape.named(wanted.name)
    routed = {routed_host.host for routed_host in landscape.hosts_of(site)}
    if routed != set(wanted.hosts) or any(field.path not in files for field in target.fields):
        raise FieldUnsafe(
            f"{site.place}: the new site would not route {', '.join(wanted.hosts)}",
            hint="name another site with --like",
        )
    ours = {built.key: built for built in landscape.built(site)}
    for other, built in landscape.objects:
        if other != site and built.key in ours:
            raise Refused(
                f"{ours[built.key].place}: {built.key} is there already ({built.place}, Kustomization {other.name})",
                hint="choose another name, or another site with --like",
            )
    for key, built in ours.items():
        if key.kind in ("Service", "Namespace") and len(key.name) > _IN_A_LABEL:
            raise Refused(
                f"{built.place}: {key} would have {len(key.name)} characters, Kubernetes takes {_IN_A_LABEL}"
            )
    return replace(target, addresses=target.addresses or (f"https://{wanted.hosts[0]}",))


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
