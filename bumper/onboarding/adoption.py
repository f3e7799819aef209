"""Writing the choice of a site's image into git: what is committed for it on a tip, and how that is told.

Law: proved before it is written: on the tree as it would be, the site is found by its name alone, and it is the same place.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bumper.dataclasses import dataclass, replace
from bumper.errors import EXIT_CODES, FieldAmbiguous, FieldMissing, FieldUnsafe, Outcome, Refused, UsageError
from bumper.fluxtree.changed import Changed
from bumper.fluxtree.discovery import artifact_path
from bumper.fluxtree.resource_sets import KIND as RESOURCE_SET
from bumper.fluxtree.sites import adoption, expectation, traits
from bumper.fluxtree.sites.adoption import Adoption
from bumper.fluxtree.sites.find import Site, Target, find, find_site, require_written
from bumper.history.message import worded
from bumper.onboarding.reviewed import Reviewed
from bumper.ports.git import Tree
from bumper.ports.site import Expectation
from bumper.request import Choice, Origin
from bumper.revision import Revision
from bumper.style import Line

_TITLES = {
    Outcome.UNCHANGED: "unchanged",
    Outcome.PLANNED: "would be adopted",
    Outcome.PUSHED: "adopted",
}


@dataclass(frozen=True)
class SiteAdoption(Reviewed):
    """The choice of one site on one tip. `is_ambiguous`: other Kustomizations have its name, too, so that it must still be named.

    `serves` is what it answers from then on, None where that was not asked for; `environments` likewise those that it is in.
    `beside` is the same choice in other Kustomizations, in the same commit; the files and the message of that are this one's.
    """

    site: str
    target: Target
    chosen: Adoption
    is_ambiguous: bool = False
    serves: Expectation | None = None
    beside: "tuple[SiteAdoption, ...]" = ()
    environments: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The file and line of its Kustomization."""
        return self.target.site.place


def propose(
    site: str,
    choice: Choice,
    origin: Origin,
    tip: str,
    tree: Tree,
    serves: Expectation | None = None,
    kustomizations: Sequence[str] = (),
    environments: Sequence[str] = (),
) -> SiteAdoption:
    """What would be committed on the tip. Without files where git says it already, or where nothing needs to be said.

    `kustomizations` are several in which the same is chosen.
    """
    if not kustomizations:
        return _proposed(site, choice, origin, tip, tree, tree, serves, environments)
    adoptions: list[SiteAdoption] = []
    files: dict[str, tuple[bytes | None, bytes | None]] = {}
    for name in kustomizations:
        changed = Changed(tree, {path: after for path, (_, after) in files.items()})
        adopted = _proposed(site, choice.named(name), origin, tip, changed, tree, serves, environments)
        if adopted.target.site.identity in {each.target.site.identity for each in adoptions}:
            raise UsageError(
                f"--kustomization {name}: is the same Kustomization as one that is named before, {adopted.target.site.identity}",
                hint="name each once",
            )
        for path, (before, after) in adopted.files.items():
            files[path] = files.get(path, (before, None))[0], after
        adoptions.append(replace(adopted, is_ambiguous=True))
    first, *others = adoptions
    written = [each for each in adoptions if each.files]
    message = _message(site, written, origin) if written else ""
    return replace(first, files=files, message=message, beside=tuple(others))


def _proposed(
    site: str,
    choice: Choice,
    origin: Origin,
    tip: str,
    tree: Tree,
    original: Tree,
    serves: Expectation | None,
    environments: Sequence[str],
) -> SiteAdoption:
    """What would be committed for one Kustomization, on a tree in which others may be adopted already; `original` is the tip."""
    target = find(tree, site, choice)
    require_written(target.site)
    document = target.site.document
    chosen = _chosen(target, choice)
    if not adoption.is_repository(chosen.repository):
        raise FieldUnsafe(
            f"{target.place}: {chosen.repository} can't be written down as a repository: a variable is "
            "in it, expected its name in full",
            hint="name it with --image each time",
        )
    if choice == Choice() and serves is None and not environments:
        return SiteAdoption(tip, {}, "", site, target, chosen)
    if document.key.kind == RESOURCE_SET:
        _require_own_name(site, target, choice)
    before = tree.read([document.path])[document.path]
    path = choice.path and (artifact_path(choice.path) or ".")
    after = before if choice == Choice() else adoption.apply(before, document, site, chosen, path)
    if serves:
        expectation.url_of(serves, target, is_of_tree=True)
        after = expectation.apply(after, document, site, serves)
    if environments:
        after = traits.apply(after, document, site, environments)
    is_ambiguous = _prove(site, target, original, Changed(tree, {document.path: after}))
    files = {document.path: (before, after)} if after != before else {}
    adopted = SiteAdoption(
        tip, files, "", site, target, chosen, is_ambiguous, serves, environments=tuple(environments)
    )
    return replace(adopted, message=_message(site, [adopted], origin)) if files else adopted


def _require_own_name(site: str, target: Target, choice: Choice) -> None:
    """FieldUnsafe for what can't be said on a ResourceSet, whose annotations name the Kustomizations that it makes."""
    made, place = target.site.kustomization.name, target.site.place
    if site != made:
        raise FieldUnsafe(
            f"{place}: Kustomization {made} is made by a ResourceSet, where a site has the name of its Kustomization alone: "
            f"found {site}",
            hint=f"adopt it by that name: bump adopt {made}{choice.image_options}",
        )
    if choice.path:
        raise FieldUnsafe(
            f"{place}: Kustomization {made} is made by a ResourceSet, where --path would speak of every Kustomization that it makes",
            hint="put the annotation bump/path into the template, or pass --path each time",
        )


def lines(plan: SiteAdoption, revision: Revision | None) -> list[Line]:
    """The choice as it is at `revision`; with none the diff, and as it would be."""
    commit = plan.commit(revision)
    rows = [row for each in (plan, *plan.beside) for row in _rows(each)]
    rows += [("commit", commit.short if commit else ""), ("pull", plan.pull.url if plan.pull else "")]
    return plan.lines(revision, plan.site, _TITLES, rows)


def _rows(plan: SiteAdoption) -> list[tuple[str, str]]:
    return [
        ("image", str(plan.chosen)),
        ("field", f"{plan.target.places}   {plan.target.image.tag or plan.target.image.digest}"),
        ("serves", str(plan.serves or "")),
        ("in", ", ".join(plan.environments)),
        ("place", plan.place),
        ("note", _note(plan)),
    ]


def as_data(plan: SiteAdoption, revision: Revision | None) -> dict[str, Any]:
    """The same as one object; with several Kustomizations the others are below `beside`."""
    ended, commit, diff = plan.outcome(revision), plan.commit(revision), plan.unwritten(revision)
    data = {"outcome": ended.value, "exitCode": EXIT_CODES[ended], "site": plan.site, **_data(plan)}
    data |= {"commit": commit.sha if commit else None, "pullRequest": plan.pull.url if plan.pull else None}
    beside = [_data(each) for each in plan.beside]
    return data | ({"beside": beside} if beside else {}) | ({"diff": diff} if diff else {})


def _data(plan: SiteAdoption) -> dict[str, Any]:
    return {
        "image": plan.chosen.repository,
        "container": next(iter(plan.chosen.containers), None),
        "containers": list(plan.chosen.containers),
        "field": str(plan.chosen.field) if plan.chosen.field else None,
        "serves": str(plan.serves) if plan.serves else None,
        "environments": list(plan.environments),
        "kustomization": plan.target.site.identity,
        "place": plan.place,
    }


def _chosen(target: Target, choice: Choice) -> Adoption:
    """What is written down: the caller's words, and what git says already where the same image is chosen again."""
    standing = None if choice.image else adoption.of_site(target.site.document, target.site.name)
    containers = choice.containers or (standing.containers if standing else ())
    return Adoption(target.repository, containers, choice.field or (standing.field if standing else None))


def _prove(site: str, target: Target, before: Tree, after: Tree) -> bool:
    """Whether other Kustomizations have the name as well; Refused where the name would lead to another place, or to two."""
    is_ambiguous = False
    try:
        reached = find(after, site)
    except FieldAmbiguous:
        _require_no_owner(site, target, before)
        # Namesakes in other clusters: the site is named with its Kustomization as before, and its image is known.
        reached, is_ambiguous = (
            find(after, site, Choice(kustomization=target.site.identity)),
            True,
        )
    if reached.site.identity != target.site.identity:
        raise _taken(site, target, reached.site)
    if _place(reached) != _place(target):
        raise FieldUnsafe(
            f"{target.site.place}: with the annotation {site} would be other fields: " + reached.places,
            hint="name the image in full, or its container with --container",
        )
    return is_ambiguous


def _require_no_owner(site: str, target: Target, before: Tree) -> None:
    """Raises Refused where the name led to one other Kustomization, and would lead to two from now on."""
    # Of nobody before: another Kustomization of the same commit has the name.
    with suppress(FieldAmbiguous, FieldMissing):
        owner = find_site(before, site)
        if owner.identity != target.site.identity:
            raise _taken(site, target, owner)


def _taken(site: str, target: Target, owner: Site) -> Refused:
    image = target.repository
    return Refused(
        f"{owner.place}: this Kustomization is called {site} already, so that the name would not lead to {target.site.place}",
        hint=f"give it another name: bump adopt NAME --kustomization {target.site.identity} --image {image}",
    )


def _place(target: Target) -> tuple[object, ...]:
    return target.repository, {(field.path, field.route) for field in target.fields}


def _note(plan: SiteAdoption) -> str:
    if not (plan.files or adoption.of_site(plan.target.site.document, plan.site)):
        return "its name tells its image already: nothing needs to be written"
    if plan.is_ambiguous:
        return f"other Kustomizations have this name: --kustomization {plan.target.site.identity} chooses this one"
    return ""


def _message(site: str, written: Sequence[SiteAdoption], origin: Origin) -> str:
    sentences = [
        f"{each.target.site.document.path}: {site} is {each.chosen} of Kustomization {each.target.site.kustomization.name}."
        for each in written
    ]
    served = dict.fromkeys(each.serves for each in written if each.serves)
    sentences += [f"Once visitors get a build, it answers: {serves}." for serves in served]
    named = dict.fromkeys(each.environments for each in written if each.environments)
    sentences += [f"It is in {', '.join(environments)}." for environments in named]
    return worded(f"Adopt {site}", sentences, [("Bump-Adopt", site), *origin.trailers()])
