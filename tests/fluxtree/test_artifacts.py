"""Kustomizations that are built from what an ArtifactGenerator makes of the repository."""

from collections.abc import Mapping
from textwrap import dedent, indent
from time import process_time

import pytest
from tables import each_row
from trees import MemoryTree, deployment, flux, sync

from bumper import check, manifest
from bumper.errors import FieldMissing
from bumper.fluxtree.globs import path_matches, step_matches
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.proof import prove
from bumper.fluxtree.sites import find
from bumper.onboarding import adoption
from bumper.request import Choice, Origin

GENERATOR = """\
apiVersion: source.extensions.fluxcd.io/v1beta1
kind: ArtifactGenerator
metadata: {name: fleet, namespace: flux-system}
spec:
  sources:
    - {alias: repo, kind: GitRepository, name: flux-system}
    - {alias: other, kind: GitRepository, name: other}
  artifacts:
    - name: web
      originRevision: "@repo"
      copy:
"""
LISTED = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base]\n"


def copies(*operations: str) -> str:
    return GENERATOR + indent("\n".join(f"- {operation}" for operation in operations), "        ") + "\n"


def kustomization(path: str, name: str = "web", artifact: str = "web") -> str:
    return flux(name, path).replace(
        "GitRepository\n    name: flux-system", f"ExternalArtifact\n    name: {artifact}"
    )


def platform(generator: str, path: str, more: Mapping[str, str] | None = None) -> MemoryTree:
    """A repository whose site `web` is built from `path` of what the generator makes."""
    return MemoryTree(
        {
            "clusters/a/flux-system/gotk-sync.yaml": sync("./clusters/a"),
            "clusters/a/artifacts.yaml": generator,
            "clusters/a/web.yaml": kustomization(path),
            "apps/base/kustomization.yaml": LISTED.replace("../base", "web.yaml"),
            "apps/base/web.yaml": deployment("web", "reg.example/web:1.0"),
            "apps/prod/kustomization.yaml": LISTED,
            **(more or {}),
        }
    )


@each_row(
    ("operations", "path"),
    [
        (['{from: "@repo/apps/**", to: "@artifact/apps/"}'], "./apps/prod"),
        (['{from: "@repo/apps/**", to: "@artifact/"}'], "./prod"),
        (['{from: "@repo/apps/", to: "@artifact/"}'], "apps/prod/"),
        (['{from: "@repo/apps", to: "@artifact/deep"}'], "/deep/apps/prod"),
        (['{from: "@repo/**", to: "@artifact/"}'], "./apps/prod"),
        (['{from: "@repo/", to: "@artifact/"}'], "./apps/prod"),
        (['{from: "@repo/apps/*/*.yaml", to: "@artifact/x/"}'], "./x/apps/prod"),
        (
            [
                '{from: "@repo/apps/base/**", to: "@artifact/base/"}',
                '{from: "@repo/apps/prod/**", to: "@artifact/prod/"}',
            ],
            "./prod",
        ),
        (
            [
                '{from: "@repo/apps/base/**", to: "@artifact/apps/base/", exclude: ["*.md", "docs/**"]}',
                '{from: "@repo/apps/prod/kustomization.yaml", to: "@artifact/apps/prod/"}',
            ],
            "./apps/prod",
        ),
        (
            [
                '{from: "@repo/apps/**", to: "@artifact/apps/"}',
                '{from: "@other/charts/**", to: "@artifact/charts/"}',
            ],
            "./apps/prod",
        ),
    ],
)
def test_the_field_is_found_through_the_artifact(operations: list[str], path: str) -> None:
    target = find.find(platform(copies(*operations), path), "web")
    assert (target.field.path, target.site.path) == ("apps/base/web.yaml", "apps/prod")
    assert target.site.source.kind == "ExternalArtifact"


@each_row(
    ("operations", "path", "reason"),
    [
        (
            ['{from: "@repo/apps/prod/**", to: "@artifact/apps/prod/"}'],
            "./apps/prod",
            "names ../base, which does not exist",
        ),
        (
            ['{from: "@repo/apps/**", to: "@artifact/apps/", exclude: ["base/**"]}'],
            "./apps/prod",
            "names ../base, which does not exist",
        ),
        (
            ['{from: "@repo/apps/**", to: "@artifact/apps/"}'],
            "./apps/test",
            "artifacts.yaml:9: ExternalArtifact flux-system/web",
        ),
        (
            ['{from: "@other/apps/**", to: "@artifact/apps/"}'],
            "./apps/prod",
            "from other sources than this repository",
        ),
        (['{from: "@repo/apps/**", to: "@artifact/apps/"}'], "../apps", "leads out of it"),
        (
            [
                '{from: "@repo/apps/**", to: "@artifact/apps/"}',
                '{from: "@other/patches/**", to: "@artifact/apps/prod/"}',
            ],
            "./apps/prod",
            "artifacts.yaml:13: @other/patches/** to @artifact/apps/prod/ brings files from elsewhere",
        ),
        (
            [
                '{from: "@repo/apps/**", to: "@artifact/apps/"}',
                '{from: "@repo/apps/prod/web.yaml", to: "@artifact/apps/base/web.yaml", strategy: Merge}',
            ],
            "./apps/prod",
            "artifacts.yaml:13: @repo/apps/prod/web.yaml to",
        ),
    ],
)
def test_what_cannot_be_mapped_is_refused_with_its_place(
    operations: list[str], path: str, reason: str
) -> None:
    other = "---\n" + dedent("""\
        apiVersion: source.toolkit.fluxcd.io/v1
        kind: GitRepository
        metadata: {name: other, namespace: flux-system}
        spec: {url: "https://git.example/other.git"}
        """)
    tree = platform(copies(*operations) + other, path, {"apps/prod/web.yaml": "a: b\n"})
    with pytest.raises(FieldMissing) as refused:
        find.find(tree, "web")
    assert reason in refused.value.message


def test_an_artifact_that_nothing_here_makes_is_refused_for_that_reason() -> None:
    tree = platform(
        copies('{from: "@repo/apps/**", to: "@artifact/"}').replace("name: web", "name: blog"), "prod"
    )
    with pytest.raises(FieldMissing, match="which no ArtifactGenerator of this repository makes"):
        find.find(tree, "web")


def test_a_generator_below_its_user_is_waited_for() -> None:
    generator = copies('{from: "@repo/apps/**", to: "@artifact/apps/"}')
    more = {
        "clusters/a/artifacts.yaml": flux("artifacts", "./generators"),
        "generators/fleet.yaml": generator,
    }
    tree = platform("", "./apps/prod", more)
    assert find.find(tree, "web").field.path == "apps/base/web.yaml"
    assert [site.name for site in find.sites(tree)] == ["flux-system", "artifacts", "web"]


def test_a_path_pattern_makes_an_artifact_of_each_directory() -> None:
    generator = GENERATOR.replace("  artifacts:", '  pathPattern: "@repo/apps/{App}"\n  artifacts:')
    generator = generator.replace("name: web", 'name: "all-{App}"')
    generator += '        - {from: "@repo/apps/{App}/**", to: "@artifact/"}\n'
    more = {
        "clusters/a/web.yaml": kustomization("./", artifact="all-base"),
        "apps/base/kustomization.yaml": "resources: [web.yaml]\n",
    }
    target = find.find(platform(generator, "", more), "web")
    assert (target.site.path, target.field.path) == ("apps/base", "apps/base/web.yaml")


def test_the_checks_look_into_artifacts() -> None:
    operation = '{from: "@repo/apps/**", to: "@artifact/apps/"}'
    more = {"apps/prod/kustomization.yaml": LISTED.replace("../base", "../gone")}
    places = [finding.place for finding in check.findings(platform(copies(operation), "./apps/prod", more))]
    assert "apps/prod/kustomization.yaml:3" in places


@each_row(
    ("pattern", "path", "matches"),
    [
        ("*.md", "a.md", True),
        ("*.md", "x/a.md", False),
        ("**/testdata/**", "a/b/testdata/x/y", True),
        ("**/testdata/**", "testdata/x", True),
        ("subdir/**", "subdir", True),
        ("subdir/**", "subdirs/x", False),
        ("{a,b}.yaml", "b.yaml", True),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("a/*/c", "a/b/d/c", False),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/b", True),
        ("a**b", "ax/xb", False),
    ],
)
def test_a_pattern_of_doublestar(pattern: str, path: str, matches: bool) -> None:
    assert path_matches(pattern, path) is matches


@pytest.mark.parametrize(
    "pattern", ["*a" * 2000 + "*b", "**/" * 2000 + "b", "{a,a}" * 1000 + "b", "{" * 4000, "[" * 4000]
)
def test_no_pattern_takes_long(pattern: str) -> None:
    begun_s = process_time()
    assert not path_matches(pattern, "a" * 250)
    assert process_time() - begun_s < 1


def test_braces_mean_nothing_to_path_match() -> None:
    assert step_matches("{a,b}", "{a,b}")
    assert not step_matches("{a,b}", "a")


OCI = flux("web", "./prod").replace("GitRepository\n    name: flux-system", "OCIRepository\n    name: fleet")


class TestPushed:
    """A source that is pushed from the repository: nothing in git tells, but for the option or the annotation."""

    def test_the_option_says_which_directory_is_built(self) -> None:
        tree = platform("", "", {"clusters/a/web.yaml": OCI})
        with pytest.raises(FieldMissing, match="not this repository") as refused:
            find.find(tree, "web")
        assert refused.value.hint.endswith("where it is pushed from this one: --path DIR")
        target = find.find(tree, "web", Choice(path="./apps/prod"))
        assert (target.field.path, target.site.source.kind) == ("apps/base/web.yaml", "OCIRepository")
        with pytest.raises(FieldMissing, match=r"^clusters/a/web.yaml:1: --path apps/gone: is no directory"):
            find.find(tree, "web", Choice(path="apps/gone"))

    def test_a_plan_with_the_option_is_proved(self) -> None:
        tree = platform("", "", {"clusters/a/web.yaml": OCI})
        target = find.find(tree, "web", Choice(path="./apps/prod"))
        content = tree.files[target.field.path]
        edits = manifest.plan(content, target.field, "new")
        after = {target.field.path: manifest.apply(content, edits)}
        proof = prove(Reading(tree), after, edits, target.images, [target.site])
        assert [change.values for change in proof.changes] == [
            f"{target.image} → {target.image.with_tag('new')}"
        ]
        assert len(proof.arrivals) == 1

    def test_adopting_writes_the_option_down(self) -> None:
        tree = platform("", "", {"clusters/a/web.yaml": OCI})
        plan = adoption.propose("web", Choice(path="./apps/prod/"), Origin(), "tip", tree)
        ((before, after),) = plan.files.values()
        assert before is not None
        assert after is not None
        added = set(after.decode().splitlines()) - set(before.decode().splitlines())
        assert added == {
            "  annotations:",
            f"    bump/image: {plan.target.repository}",
            "    bump/path: apps/prod",
        }

    def test_the_annotation_says_it_to_every_command(self) -> None:
        annotated = OCI.replace("metadata:\n", "metadata:\n  annotations: {bump/path: apps/prod}\n")
        tree = platform("", "", {"clusters/a/web.yaml": annotated})
        assert find.find(tree, "web").field.path == "apps/base/web.yaml"
        assert [site.path for site in find.sites(tree) if site.name == "web"] == ["apps/prod"]
        with pytest.raises(FieldMissing, match="apps/gone"):
            find.find(tree, "web", Choice(path="apps/gone"))
        wrong = platform("", "", {"clusters/a/web.yaml": annotated.replace("apps/prod", "apps/gone")})
        with pytest.raises(
            FieldMissing, match=r"^clusters/a/web.yaml:4: bump/path names apps/gone, which is no dir"
        ):
            find.find(wrong, "web")

    def test_it_is_no_way_to_another_directory_of_a_source_that_is_known(self) -> None:
        tree = platform(copies('{from: "@repo/apps/**", to: "@artifact/apps/"}'), "./apps/prod")
        with pytest.raises(FieldMissing, match="--path is for a source that is pushed"):
            find.find(tree, "web", Choice(path="apps/base"))


def test_files_from_elsewhere_below_a_directory_that_is_walked_are_met() -> None:
    operations = [
        '{from: "@repo/apps/**", to: "@artifact/apps/"}',
        '{from: "@repo/apps/base/**", to: "@artifact/apps/flat/deep/er/"}',
    ]
    tree = platform(
        copies(*operations), "./apps/flat", {"apps/flat/web.yaml": deployment("web", "reg.example/web:1.0")}
    )
    with pytest.raises(FieldMissing, match="@artifact/apps/flat/deep/er/ brings files from elsewhere"):
        find.find(tree, "web")


def test_a_single_file_goes_into_a_directory_that_is_there_already() -> None:
    operations = [
        '{from: "@repo/apps/base/web.yaml", to: "@artifact/apps/base/"}',
        '{from: "@repo/apps/base/kustomization.yaml", to: "@artifact/apps/base"}',
    ]
    assert find.find(platform(copies(*operations), "./apps/base"), "web").field.path == "apps/base/web.yaml"
