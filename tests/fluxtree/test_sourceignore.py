"""Which files Flux leaves out. git is the oracle where it and go-git's matcher agree: without `!`, `**` only in the middle."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import each_row
from trees import MemoryTree, deployment, flux, repository, sync

from bumper.errors import FieldMissing
from bumper.fluxtree import sourceignore
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites import find
from bumper.fluxtree.sourceignore import Exclusions, Rule, deciding

_NAME = st.sampled_from(["a", "b", "ab", "web.yaml", "x.yml", "c-1"])
_STEP = st.sampled_from(["a", "b", "ab", "a*", "*", "?b", "[ab]", "[^a]*", "*.yaml", "web.yaml", "c-?", "**"])
_PATTERN = st.builds(
    lambda start, steps, end: f"{start}{'/'.join(steps)}{end}",
    st.sampled_from(["", "/"]),
    st.lists(_STEP, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)
_PATH = st.lists(_NAME, min_size=1, max_size=4).map("/".join)


def _git_ignores(directory: Path, pattern: str, path: str) -> bool:
    (directory / ".git" / "info" / "exclude").write_text(f"{pattern}\n")
    asked = ["git", "-C", str(directory), "check-ignore", "--no-index", "-q", path]
    return subprocess.run(asked, check=False).returncode == 0


@pytest.fixture(scope="module")
def empty_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("ignored")
    subprocess.run(["git", "init", "-q", str(directory)], check=True)
    return directory


def _differs(pattern: str) -> bool:
    """Whether go-git reads it in a way of its own: `**` that ends it or stands alone, and a name that follows `**` twice."""
    steps = pattern.strip("/").split("/")
    return "**" in (steps[-1], *(step for step in steps if steps.count("**") > 1))


@settings(max_examples=60)
@given(_PATTERN, _PATH)
def test_a_rule_reads_as_git_reads_it(empty_repository: Path, pattern: str, path: str) -> None:
    if _differs(pattern):
        return
    decided = deciding([Rule(pattern)], path) is not None
    assert decided == _git_ignores(empty_repository, pattern, path), (pattern, path)


@each_row(
    ("written", "path", "is_left_out"),
    [
        ("/*\n!/apps", "apps/web.yaml", False),  # git would not look into what is left out
        ("apps/\n!apps/web.yaml", "apps/web.yaml", False),
        ("apps/\n!apps/web.yaml", "apps/other.yaml", True),
        ("apps/", "apps", False),
        ("*.yaml \n", "web.yaml", True),
        ("# apps/\n\n", "apps/web.yaml", False),
        ("/apps/**/web.yaml", "apps/x/y/web.yaml", True),
        ("/apps/**", "apps/x/y/web.yaml", True),
        ("**/secret/**", "a/secret/web.yaml", True),
        ("a**b/web.yaml", "ab/web.yaml", False),
        ("web.yaml", "apps/web.yaml", True),
        ("/web.yaml", "apps/web.yaml", False),
    ],
)
def test_what_go_git_decides(written: str, path: str, is_left_out: bool) -> None:
    assert bool(deciding(sourceignore.rules(written, ".sourceignore"), path)) == is_left_out


def _platform(**more: str) -> dict[str, str]:
    return {
        "k8s/flux-system/gotk-sync.yaml": sync("./k8s"),
        "k8s/web.yaml": flux("web", "./apps/web"),
        "apps/web/deployment.yaml": deployment("web", "reg.io/web:1.0"),
        **{path.replace("__", "/"): text for path, text in more.items()},
    }


LEFT_OUT = {
    "the directory, by the rules at the root": (
        {".sourceignore": "# all but clusters\n/*\n!/k8s\n"},
        "k8s/web.yaml:7: Kustomization web has path apps/web, which Flux leaves out: .sourceignore:2 /*",
    ),
    "the directory, by rules beside it": (
        {"apps/.sourceignore": "web/\n"},
        "which Flux leaves out: apps/.sourceignore:1 web/",
    ),
    "the only file, by rules beside it": (
        {"apps/web/.sourceignore": "deployment.yaml\n"},
        "apps/web/deployment.yaml:1: Flux leaves it out: apps/web/.sourceignore:1 deployment.yaml",
    ),
    "a file that a kustomization names": (
        {
            ".sourceignore": "deployment.yaml\n",
            "apps/web/kustomization.yaml": "resources: [deployment.yaml]\n",
        },
        "apps/web/kustomization.yaml:1: resources names deployment.yaml, which Flux leaves out: .sourceignore:1 deployment.yaml",
    ),
    "by spec.ignore": (
        {"k8s/flux-system/gotk-sync.yaml": sync("./k8s").replace('git"}', 'git", ignore: "/apps"}')},
        "which Flux leaves out: k8s/flux-system/gotk-sync.yaml:4 /apps",
    ),
    "by sparseCheckout": (
        {"k8s/flux-system/gotk-sync.yaml": sync("./k8s").replace('git"}', 'git", sparseCheckout: [./k8s]}')},
        "which Flux leaves out: k8s/flux-system/gotk-sync.yaml:4 sparseCheckout k8s",
    ),
}


@each_row(("more", "message"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_flux_does_not_see_is_refused_with_the_rule(more: dict[str, str], message: str) -> None:
    with pytest.raises(FieldMissing) as caught:
        find.find(MemoryTree(_platform() | more), "web")
    assert message in caught.value.message


def test_spec_ignore_counts_for_more_than_a_file() -> None:
    source = repository("flux-system", "https://git.example/platform.git").replace(
        'git"}', 'git", ignore: "!/apps/web"}'
    )
    files = _platform() | {
        ".sourceignore": "/apps\n",
        "k8s/flux-system/gotk-sync.yaml": source + "---\n" + flux("flux-system", "./k8s"),
    }
    assert find.find(MemoryTree(files), "web").field.path == "apps/web/deployment.yaml"


def test_a_rule_of_anybody_takes_the_place_of_fluxs_own_list() -> None:
    own = {"apps/web/cloudbuild.yaml": deployment("web", "reg.io/web:2.0")}
    assert find.find(MemoryTree(_platform() | own), "web").field.path == "apps/web/deployment.yaml"
    reading = Reading(MemoryTree(_platform() | own | {"docs/.sourceignore": "x\n"})).of(Exclusions())
    assert reading.is_file("apps/web/cloudbuild.yaml")


def test_a_directory_of_which_nothing_is_left_is_none() -> None:
    reading = Reading(MemoryTree(_platform() | {".sourceignore": "*.yaml\n"})).of(Exclusions())
    assert not reading.is_directory("apps/web")
    assert reading.left_out("apps/web") == ".sourceignore:1 *.yaml"
    assert reading.left_out("apps/nothing") == ""
