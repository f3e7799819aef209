"""What a site may be called by, beside its name: the labels of its Flux Kustomization, and the environments that it is in.

Law: environments are what the tree already has, and nothing is declared twice. A Kustomization is in each environment that a step of
its path, of its file or of its cluster's directory names, that its namespace is, or that its name begins or ends with
(`web-production`). Where that misleads, its annotation says it, and then it alone counts:

    bump/environment: NAME[,NAME]
    bump/environment.SITE: NAME[,NAME]    of a site of another name, which this Kustomization builds as well
"""

import re
from collections.abc import Collection, Iterator, Sequence

from bumper.dataclasses import dataclass, replace
from bumper.errors import NotYaml
from bumper.fluxtree.discovery import Site, definition
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites import annotations
from bumper.fluxtree.sites.find import names
from bumper.fluxtree.walk import Walk
from bumper.manifest.document import Document, mapping, text
from bumper.ports.git import Tree
from bumper.record import KustomizationName, SiteKey

WORD = "environment"
_BETWEEN = re.compile(r"[-._]")


@dataclass(frozen=True)
class Traits:
    """Of one site. `names` are its own, its Kustomization's, and what tells that from every other one, its `identity`."""

    name: str
    identity: str
    names: frozenset[str]
    labels: dict[str, str]
    environments: frozenset[str]


def traits(site: Site) -> Traits:
    """What the tree says of a site."""
    labels = mapping(site.owner.at("metadata", "labels"))
    return Traits(
        site.name,
        site.identity,
        frozenset({site.name, site.kustomization.name, site.identity}),
        {key: text(value) for key, value in labels.items()},
        environments(site),
    )


def of_tree(tree: Tree) -> list[Traits]:
    """Those of every site, by each of its names."""
    return of_reading(Reading(tree))


def of_reading(reading: Reading) -> list[Traits]:
    """The same of a tree that is being read."""
    return [
        traits(replace(site, name=name))
        for level in Walk(reading).levels()
        for site in level
        for name in names(site)
    ]


def environments(site: Site) -> frozenset[str]:
    """The environments that a site is in."""
    named = _annotated(site.document, site.name)
    return frozenset(filter(None, _implied(site))) if named is None else named


def annotated(tree: Tree, sites: Collection[SiteKey]) -> dict[SiteKey, frozenset[str]]:
    """Of these sites the environments that an annotation names, by the file that defines the Kustomization, where it can be read."""
    owners = {site: KustomizationName.parse(site[1]) for site in sites}
    contents = tree.read({owner.file for owner in owners.values() if owner.file})
    known = {
        site: _annotated(document, site[0])
        for site, owner in owners.items()
        if (document := _readable(contents.get(owner.file, b""), owner))
    }
    return {site: named for site, named in known.items() if named is not None}


def _readable(content: bytes, name: KustomizationName) -> Document | None:
    try:
        return definition(content, name)
    except NotYaml:
        return None


def _annotated(document: Document, site: str) -> frozenset[str] | None:
    """None where no annotation says it."""
    known = annotations.read(document)
    for key in (annotations.key_of(document, WORD, site), annotations.key(WORD)):
        if key in known:
            return frozenset(filter(None, re.split(r"[,\s]+", text(known[key]))))
    return None


def apply(content: bytes, document: Document, site: str, names: Sequence[str]) -> bytes:
    """The bytes of the document's file, in which the site is in these environments and no other; as `annotations.write`."""
    return annotations.write(content, document, {annotations.key_of(document, WORD, site): ",".join(names)})


def _implied(site: Site) -> Iterator[str]:
    *folders, _ = site.document.path.split("/")
    yield from (*folders, *site.path.split("/"), *site.cluster.split("/"))
    yield from (site.kustomization.namespace, site.target_namespace)
    name_steps = _BETWEEN.split(site.kustomization.name)
    if len(name_steps) > 1:
        yield from (name_steps[0], name_steps[-1])
