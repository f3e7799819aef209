"""Which of the deploys that the branch's commits record are those of one site.

Law: a site is a Flux Kustomization and an image, not its bare name: two clusters in one repository have the same names, and a version
that only one of them ever ran is no way back for the other. Of an earlier place of the site a deploy counts only as long as nothing
speaks against it: a version too few is refused and can be named, a version too many would be deployed.

A deploy counts if its image is the site's, and if its commit names the same Kustomization by file, namespace and name; a commit of an
earlier version, which names none, if it names the site and changed a file that this Kustomization builds, or if no other Kustomization
of the tree has the name. A site whose file was moved goes on: the deploys of a file that does not define the Kustomization any more
count where they all come before the site's own, and where the last of them left the tag that the first of its own found.
"""

from collections.abc import Iterable, Sequence

from bumper.errors import NotYaml
from bumper.fluxtree.discovery import definition
from bumper.fluxtree.sites.find import Target, sites
from bumper.ports.git import Tree
from bumper.record import KustomizationName, Record, Recorded

# A place of the site in the numbered deploys of its image: the numbers, the newest first.
_Numbers = Sequence[int]


def of_target(deploys: Iterable[Recorded], target: Target, tree: Tree) -> list[Recorded]:
    """The deploys of one site, newest first as they are given; `tree` is that of the commit where it stands so."""
    known = [deploy for deploy in deploys if deploy.record.image == target.repository]
    selection = _Selection(target, tree, [deploy.record for deploy in known])
    return [known[number] for number in selection.numbers()]


class _Selection:
    """The choice among the deploys of one image; the tree is asked only where the commits alone do not tell."""

    def __init__(self, target: Target, tree: Tree, records: Sequence[Record]) -> None:
        self._target = target
        self._tree = tree
        self._records = records
        self._ours = KustomizationName.parse(target.site.identity)

    def numbers(self) -> list[int]:
        numbers = [number for number, record in enumerate(self._records) if self._is_ours(record)]
        nameless = [number for number in self._nameless() if number not in numbers]
        if nameless and self._is_alone():
            numbers = sorted([*numbers, *nameless])
        moved = self._moved()
        while True:
            oldest = numbers[-1] if numbers else -1
            tag = self._records[oldest].previous if numbers else self._target.image.tag
            earlier = [place for place in moved if place[0] > oldest]
            nearest = min(earlier, key=lambda place: place[0], default=None)
            if nearest is None or self._records[nearest[0]].tag != tag:
                return numbers
            numbers += nearest

    def _is_ours(self, record: Record) -> bool:
        if record.kustomization:
            return KustomizationName.parse(record.kustomization).is_same(self._ours)
        return record.site == self._target.site.name and self._is_built(record.path)

    def _is_built(self, path: str) -> bool:
        directory = self._target.site.path
        is_below = bool(directory) and path.startswith(f"{directory}/")
        return bool(path) and (is_below or path == self._target.field.path)

    def _nameless(self) -> Iterable[int]:
        """Deploys of earlier versions that may be ours: they name the site, and no Kustomization."""
        name = self._target.site.name
        return (
            number
            for number, record in enumerate(self._records)
            if not record.kustomization and record.site == name
        )

    def _is_alone(self) -> bool:
        """Whether no other Kustomization of the tree has this name."""
        ours = self._target.site
        namesakes = [site for site in sites(self._tree) if site.kustomization.name == ours.kustomization.name]
        return {(site.kustomization, site.path) for site in namesakes} <= {(ours.kustomization, ours.path)}

    def _moved(self) -> list[_Numbers]:
        """The deploys of each file that defined the Kustomization once and does not any more."""
        places: dict[KustomizationName, list[int]] = {}
        for number, record in enumerate(self._records):
            written = KustomizationName.parse(record.kustomization)
            if record.kustomization and written.has_name_of(self._ours) and written.file != self._ours.file:
                places.setdefault(written, []).append(number)
        contents = self._tree.read({place.file for place in places}) if places else {}
        return [
            numbers
            for place, numbers in places.items()
            if place.file not in contents or not _defines(contents[place.file], place)
        ]


def _defines(content: bytes, place: KustomizationName) -> bool:
    """Whether the file still has that Kustomization; a file that can't be read may have it."""
    try:
        return definition(content, place) is not None
    except NotYaml:
        return True
