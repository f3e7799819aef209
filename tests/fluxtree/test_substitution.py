"""What Flux fills into a text, and which variable brings a value of git: rows from fluxcd/pkg, envsubst."""

import pytest
from trees import MemoryTree, deployment, flux, sync

from bumper.errors import FieldMissing
from bumper.fluxtree.sites.find import find
from bumper.fluxtree.substitution import Variables, last_given, put_in
from bumper.manifest import apply, plan

VALUES = {"TAG": "1.0", "NAME": "web", "EMPTY": "", "LINES": "a\nb\n"}
ROWS = [
    ("reg/web:${TAG}", "reg/web:1.0", "TAG"),
    ("reg/${NAME}:${TAG:=2.0}", "reg/web:1.0", "TAG"),
    ("${EMPTY}x", "x", "EMPTY"),
    ("reg/web:${EMPTY:-2.0}", "reg/web:2.0", ""),
    ("reg/${NAME}:${EMPTY:=2.0}", "reg/web:2.0", "NAME"),
    ("reg/web:${GONE:=2.0}", "reg/web:2.0", ""),
    ("reg/web:${GONE}", "reg/web:${GONE}", ""),
    ("$${TAG} costs $$1", "${TAG} costs $1", ""),
    ("${LINES}", "ab", "LINES"),
    ("${HIDDEN:=2.0}", "${HIDDEN:=2.0}", ""),
]


def test_what_is_filled_in_and_by_what(subtests: pytest.Subtests) -> None:
    known = Variables(VALUES, secret={"HIDDEN": "passwords"})
    for written, made, name in ROWS:
        with subtests.test(written):
            assert put_in(written, known) == made
            last = last_given(written, known)
            assert (last["name"] if last else "") == name
            assert put_in(written, Variables()) == written
    # What the cluster alone holds may define it.
    lacking = Variables(VALUES, lacking=("ConfigMap settings",))
    assert put_in("${GONE:=2.0} ${EMPTY:=2.0}", lacking) == "${GONE:=2.0} 2.0"


def test_an_image_is_decided_by_what_flux_fills_in_and_by_nothing_that_only_looks_so(
    subtests: pytest.Subtests,
) -> None:
    def tree(image: str, substitute: str) -> dict[str, str]:
        post_build = f"  postBuild: {{substitute: {substitute}}}\n"
        return {
            "clusters/prod/flux-system/gotk-sync.yaml": sync("./clusters/prod"),
            "clusters/prod/web.yaml": flux("web", "./apps/web") + post_build,
            "apps/web/web.yaml": deployment("web", f"'{image}'"),
        }

    with subtests.test("a variable is edited where it gets its value"):
        files = tree("reg.io/web:${TAG:=0.1}", '{TAG: "1.0"}')
        field = find(MemoryTree(files), "web").field
        content = files[field.path].encode()
        assert field.path == "clusters/prod/web.yaml"
        assert apply(content, plan(content, field, "2.0")) == content.replace(b"1.0", b"2.0")
    with subtests.test("an empty one leaves its default, which is a part of a text"):
        field = find(MemoryTree(tree("reg.io/web:${TAG:=0.1}", '{TAG: ""}')), "web").field
        assert field.unsafe
    with subtests.test("what is no variable is no tag of one"), pytest.raises(FieldMissing):
        find(MemoryTree(tree("reg.io/web:$${TAG}", '{TAG: "1.0"}')), "web")
    with subtests.test("a patch that the parent fills variables into is refused where it stands"):
        path = "/spec/template/spec/containers/0/image"
        change = f"{{op: replace, path: {path}, value: 'reg.io/web:${{TAG}}'}}"
        patch = f"  patches:\n    - patch: |\n        - {change}\n"
        files = tree("reg.io/web:0.1", "{}") | {
            "clusters/prod/flux-system/gotk-sync.yaml": sync("./clusters/prod")
            + '  postBuild: {substitute: {TAG: "1.0"}}\n',
            "clusters/prod/web.yaml": flux("web", "./apps/web")
            + f"{patch}      target: {{kind: Deployment}}\n",
        }
        field = find(MemoryTree(files), "web").field
        assert (field.path, field.span.line, field.image.tag) == ("clusters/prod/web.yaml", 12, "1.0")
        assert field.unsafe.startswith("it stands in a patch into which variables are filled")
