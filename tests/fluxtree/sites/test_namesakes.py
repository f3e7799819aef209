"""Sites of one name in several Kustomizations: what they are called, and several of them in one run."""

import pytest
from trees import MemoryTree, deployment, flux, sync

from bumper.errors import NotYaml, SiteMissing, UsageError
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites.choose import find_targets
from bumper.fluxtree.sites.find import Site, find, find_each
from bumper.fluxtree.sites.selection import is_of_namesake
from bumper.request import Choice, LiveBuild, Request, Wanted


def clusters(*names: str, called: str = "web") -> MemoryTree:
    files: dict[str, str] = {}
    for name in names:
        files |= {
            f"clusters/{name}/flux-system/gotk-sync.yaml": sync(f"./clusters/{name}"),
            f"clusters/{name}/web.yaml": flux(called, f"./apps/{name}"),
            f"apps/{name}/web.yaml": deployment("web", "reg.io/web:1"),
        }
    return MemoryTree(files)


def named(cluster: str) -> str:
    return f"clusters/{cluster}/web.yaml"


def test_a_site_is_called_by_its_name_as_long_as_no_other_has_it() -> None:
    assert find(clusters("prod"), "web").site.label == "web"
    both = clusters("prod", "staging")
    assert [
        find(both, "web", Choice(kustomization=named(name))).site.label for name in ("prod", "staging")
    ] == [
        "web (prod)",
        "web (staging)",
    ]


def test_a_name_of_the_callers_own_is_told_by_the_kustomization() -> None:
    assert (
        find(clusters("prod", called="front"), "web", Choice(kustomization="front")).site.label
        == "web (front)"
    )
    both = clusters("prod", "staging", called="front")
    assert find(both, "web", Choice(kustomization=named("prod"))).site.label == "web (front prod)"


def test_one_site_in_several_kustomizations_is_several_targets() -> None:
    wanted = [Wanted("web", "2", kustomization=named(name)) for name in ("prod", "staging")]
    targets = find_targets(Request(tuple(wanted), "main"), Reading(clusters("prod", "staging")))
    assert {key: (target.site.name, target.place) for key, target in targets.items()} == {
        wanted[0].key: ("web", "apps/prod/web.yaml:10"),
        wanted[1].key: ("web", "apps/staging/web.yaml:10"),
    }


def test_a_kustomization_that_is_named_in_two_forms_is_refused() -> None:
    forms = (named("prod"), f"{named('prod')}#flux-system/web")
    wanted = tuple(Wanted("web", "2", kustomization=form) for form in forms)
    with pytest.raises(UsageError, match=r"clusters/prod/web.yaml:1: .* are the same Kustomization, web"):
        find_targets(Request(wanted, "main"), Reading(clusters("prod", "staging")))


def prod() -> Site:
    return find(clusters("prod", "staging"), "web", Choice(kustomization=named("prod"))).site


@pytest.mark.parametrize(
    ("path", "is_another"),
    [("./apps/prod", False), ("apps/staging/", True), ("./apps/north", False)],
)
def test_a_cluster_that_builds_a_namesake_is_known(path: str, is_another: bool) -> None:
    assert is_of_namesake(prod(), LiveBuild(path, "GitRepository flux-system/flux-system")) is is_another


def test_what_a_cluster_does_not_tell_is_no_namesake() -> None:
    assert not is_of_namesake(prod(), None)
    assert not is_of_namesake(prod(), LiveBuild("./apps/staging", "GitRepository flux-system/other"))


def test_several_are_what_each_is_alone_and_cost_one_walk() -> None:
    def fleet(sites: int) -> MemoryTree:
        names = [f"site-{number}" for number in range(sites)]
        files = dict(clusters("prod", "staging").files)
        files["clusters/prod/sites.yaml"] = b"---\n".join(
            flux(name, f"./sites/{name}").encode() for name in names
        )
        for name in names:
            files[f"sites/{name}/kustomization.yaml"] = b"resources: [web.yaml]\n"
            files[f"sites/{name}/web.yaml"] = deployment(name, f"reg.io/{name}:1").encode()
        return MemoryTree(files)

    def asked(sites: int) -> list[tuple[str, Choice]]:
        own = [(f"site-{number}", Choice()) for number in range(sites)]
        return [
            *own,
            ("web", Choice(kustomization=named("staging"))),
            ("web", Choice(kustomization=named("prod"))),
        ]

    for alone, beside in zip(
        [find(fleet(3), *each) for each in asked(3)], find_each(Reading(fleet(3)), asked(3)), strict=True
    ):
        assert beside == alone
        assert (beside.site.label, beside.site.where, len(beside.site.namesakes)) == (
            alone.site.label,
            alone.site.where,
            len(alone.site.namesakes),
        )
    few, many = fleet(3), fleet(40)
    find_each(Reading(few), asked(3))
    find_each(Reading(many), asked(40))
    assert len(many.batches) == len(few.batches)
    assert len(many.listed) - len(few.listed) == 37, "each site's own directory, once"
    # Whatever is wrong with the second, what is wrong with the first is said.
    wrong = fleet(2)
    wrong.files["sites/site-0/web.yaml"] = b"{{ no YAML"
    with pytest.raises(NotYaml, match=r"^sites/site-0/web\.yaml:1"):
        find_each(Reading(wrong), [("site-0", Choice()), ("nothing", Choice())])
    with pytest.raises(SiteMissing, match="nothing"):
        find_each(Reading(wrong), [("nothing", Choice()), ("site-0", Choice())])


def test_all_names_that_are_wrong_are_said() -> None:
    with pytest.raises(SiteMissing) as caught:
        find_each(Reading(clusters("prod")), [(name, Choice()) for name in ("wob", "web", "shpo")])
    assert caught.value.message.count("no Flux Kustomization has this name") == 2
    assert all(f"{name}: no " in caught.value.message for name in ("wob", "shpo"))
