"""A site taken away as one commit, and what that deletes in the cluster.

Law: only files go that nothing else builds, and every byte of the others stays, but for one entry in one list. What Flux will delete
is said before, object by object, by Flux's own rules: a Kustomization that goes takes along what it made, unless it does not prune.
Source: kustomize-controller v1.9.4, `finalizerShouldDeleteResources` and the annotation `kustomize.toolkit.fluxcd.io/prune`.
"""

from collections.abc import Iterator, Mapping

from bumper.dataclasses import dataclass
from bumper.errors import FieldUnsafe, Refused
from bumper.fluxtree.changed import Changed
from bumper.fluxtree.discovery import GROUP
from bumper.fluxtree.sites.find import Site
from bumper.manifest.document import is_true, items, mapping, text
from bumper.manifest.insertion import remove
from bumper.objects import ObjectKey
from bumper.onboarding.landscape import Built, Landscape, Listing, below, prunes
from bumper.ports.git import Tree

_PRUNE = f"{GROUP}/prune"


@dataclass(frozen=True)
class Removal:
    """What goes with a site: `files` as a commit writes them, `deleted` and `kept` as the cluster ends up.

    `why_kept` says why Flux deletes nothing at all; empty where it does.
    """

    site: Site
    files: Mapping[str, tuple[bytes | None, bytes | None]]
    deleted: tuple[Built, ...]
    kept: tuple[Built, ...]
    why_kept: str = ""
    left: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.site.name

    def described(self) -> list[str]:
        """What the removal means, a line each: objects that go, data that is lost, what stays."""
        lines = []
        if self.why_kept:
            lines.append(f"Flux deletes nothing in the cluster: {self.why_kept}")
        elif self.deleted:
            lines.append("Flux will delete in the cluster:")
            lines += [f"  {_in_words(built_object)}" for built_object in self.deleted]
        else:
            lines.append("Flux will delete nothing in the cluster: the site has no objects")
        lines += self.losses
        lines += [
            f"{built_object.key} stays: {built_object.place} says {_PRUNE}: disabled"
            for built_object in self.kept
        ]
        lines += [f"{path} stays in the repository, and nothing builds it any more" for path in self.left]
        return lines

    @property
    def losses(self) -> list[str]:
        """The data that goes for good, a line for each."""
        namespaces = {
            built_object.key.name for built_object in self.deleted if built_object.key.kind == "Namespace"
        }
        losses = [
            f"data is lost: {built_object.key}"
            for built_object in self.deleted
            if built_object.key.kind == "PersistentVolumeClaim"
        ]
        for built_object in self.deleted:
            for template in _volumes(built_object):
                if built_object.key.namespace in namespaces:
                    losses.append(
                        f"data is lost: the volumes {template} of {built_object.key}, with its namespace"
                    )
        return losses + [f"data is lost: whatever else is in namespace {name}" for name in sorted(namespaces)]


def plan(tree: Tree, name: str) -> Removal:
    """What has to be written to take the site away; `Refused` where something else needs it, with file and line."""
    landscape = Landscape(tree)
    site = landscape.named(name)
    # A namespace takes everything along, so it comes first.
    built = tuple(
        sorted(landscape.built(site), key=lambda built_object: built_object.key.kind != "Namespace")
    )
    _refuse_needed(landscape, site, built)
    listing = _listing(landscape, site)
    goes = set(_own_files(landscape, site)) | {site.document.path}
    files: dict[str, tuple[bytes | None, bytes | None]] = {
        path: (landscape.reading.content(path), None) for path in sorted(goes)
    }
    if listing.path and listing.path not in goes:
        content = landscape.reading.content(listing.path)
        route = (*landscape.reading.documents(listing.path)[0].route, "resources", listing.at)
        files[listing.path] = (content, remove(content, listing.path, route))
    _prove(tree, landscape, site, files)
    others = {path for other in landscape.sites if other != site for path in landscape.read_by(other)}
    left = sorted(landscape.read_by(site) - goes - others)
    why = _why_kept(landscape, site)
    # Nothing outlives its namespace, whatever it says itself.
    ending = {
        built_object.key.name
        for built_object in built
        if built_object.key.kind == "Namespace" and not _is_kept(built_object)
    }
    kept = tuple(
        built_object
        for built_object in built
        if _is_kept(built_object) and built_object.key.namespace not in ending
    )
    deleted = () if why else tuple(built_object for built_object in built if built_object not in kept)
    return Removal(site, files, deleted, () if why else kept, why, tuple(left))


def _refuse_needed(landscape: Landscape, site: Site, built: tuple[Built, ...]) -> None:
    for built_object in built:
        if built_object.document.group == GROUP:
            raise Refused(
                f"{site.place}: Kustomization {site.name} builds Kustomization {built_object.key.name} ({built_object.place}):"
                " it is no site",
                hint="remove what it builds first",
            )
    for other in landscape.sites:
        if site.kustomization in other.depends_on and other != site:
            at = f"{other.document.path}:{other.document.line('spec', 'dependsOn', other.depends_on.index(site.kustomization))}"
            raise Refused(
                f"{at}: Kustomization {other.name} depends on {site.name}",
                hint="take that dependency away first",
            )


def _listing(landscape: Landscape, site: Site) -> Listing:
    path = site.document.path
    others = [
        document for document in landscape.reading.documents(path) if document.key != site.kustomization
    ]
    if others:
        raise Refused(
            f"{path}:{others[0].line()}: {others[0].key} is in the same file",
            hint="give it a file of its own first",
        )
    listings = landscape.listings(path)
    if len(listings) != 1:
        places = ", ".join(listing.path or listing.directory for listing in listings) or "nowhere"
        raise Refused(
            f"{path}: expected to be listed in one place, found it {places}", hint="remove this site by hand"
        )
    return listings[0]


def _own_files(landscape: Landscape, site: Site) -> Iterator[str]:
    """The files of the site's directory that nothing else reads."""
    if not site.is_ours or not site.path or not landscape.reading.is_directory(site.path):
        return
    others = [other for other in landscape.sites if other != site]
    read = {path for other in others for path in (*landscape.read_by(other), other.document.path)}
    nested = [
        f"{other.path}/" for other in others if other.is_ours and f"{other.path}/".startswith(f"{site.path}/")
    ]
    for path in below(landscape.reading, site.path):
        if path not in read and not path.startswith(tuple(nested)):
            yield path


def _prove(
    tree: Tree, before: Landscape, site: Site, files: Mapping[str, tuple[bytes | None, bytes | None]]
) -> None:
    """`FieldUnsafe` unless all other sites build what they built, and this one is gone."""
    after = Landscape(Changed(tree, {path: new for path, (_, new) in files.items()}))
    for other in before.sites:
        now = [
            site_after
            for site_after in after.sites
            if site_after.kustomization == other.kustomization and site_after.path == other.path
        ]
        if other == site:
            if now:
                raise FieldUnsafe(
                    f"{now[0].place}: Kustomization {site.name} would still be there",
                    hint="remove it by hand",
                )
            continue
        was = [
            built_object.key
            for built_object in before.built(other)
            if built_object.document.path != site.document.path
        ]
        if not now or [built_object.key for built_object in after.built(now[0])] != was:
            raise FieldUnsafe(
                f"{other.place}: Kustomization {other.name} would build something else",
                hint="remove the site by hand",
            )
    gaps = {str(gap) for layer in before.layers.values() for gap in layer.all_gaps}
    for layer in after.layers.values():
        for gap in layer.all_gaps:
            if str(gap) not in gaps:
                raise FieldUnsafe(f"{gap}, once {site.name} is removed", hint="take that away first")


def _why_kept(landscape: Landscape, site: Site) -> str:
    parents = landscape.parents(site)
    if not any(is_true(parent.spec.get("prune")) and not parent.suspended for parent in parents):
        names = ", ".join(parent.name for parent in parents) or "none"
        return (
            f"the Kustomization above it ({names}) does not prune, so Kustomization {site.name} stays, too: "
            f"kubectl delete kustomization {site.name} -n {site.kustomization.namespace}"
        )
    if prunes(site):
        return ""
    at = site.document
    if site.suspended:
        return f"{at.path}:{at.line('spec', 'suspend')} says suspend: true, so its objects stay"
    key = "deletionPolicy" if text(site.spec.get("deletionPolicy")) else "prune"
    return f"{at.path}:{at.line('spec', key)} says {key}: {text(site.spec.get(key)) or 'nothing'}, so its objects stay"


def _is_kept(built: Built) -> bool:
    metadata = mapping(built.document.value.get("metadata"))
    return any(
        text(mapping(metadata.get(part)).get(_PRUNE)) == "disabled" for part in ("labels", "annotations")
    )


def _in_words(built: Built) -> str:
    key: ObjectKey = built.key
    if key.kind == "Namespace":
        return f"{key}, with everything that is in it"
    if key.kind == "HelmRelease":
        return f"{key}, and uninstall its release"
    return str(key)


def _volumes(built: Built) -> Iterator[str]:
    templates = mapping(built.document.value.get("spec")).get("volumeClaimTemplates")
    for template in items(templates) if built.key.kind == "StatefulSet" else ():
        yield text(mapping(mapping(template).get("metadata")).get("name")) or "without a name"
