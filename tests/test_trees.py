"""`make trees`: the figures of the finder and of `bump check` on a folder of repositories."""

from pathlib import Path

import pytest
from trees import flux

from benchmarks import trees as measured_trees

SYNC = flux("flux-system", "./clusters/east")
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: default}}
spec:
  template:
    spec:
      containers:
        - name: {name}
          image: {image}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A tree with a site by convention, one that an annotation settles, one without an image, and a file that nothing lists."""
    root = tmp_path / "acme+platform"
    files = {
        "clusters/east/flux-system/gotk-sync.yaml": SYNC,
        "clusters/east/apps.yaml": "---\n".join(
            flux(name, f"./apps/{name}") for name in ("web", "queue", "empty")
        ),
        "apps/web/deployment.yaml": DEPLOYMENT.format(name="web", image="registry.example/web:1.0"),
        "apps/queue/deployment.yaml": DEPLOYMENT.format(name="queue", image="registry.example/broker:2.0"),
        "apps/queue/kustomization.yaml": "resources: [deployment.yaml]\n",
        "apps/queue/old.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old, namespace: default}\n",
        "apps/empty/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new, namespace: default}\n",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def test_each_site_is_found_settled_or_refused(repository: Path) -> None:
    measured = measured_trees.measure(repository)
    assert [(place.site, place.number, place.is_by_convention) for place in measured.places] == [
        ("web", 9, True),
        ("queue", 9, False),
    ]
    assert measured.places[1].line == "image: registry.example/broker:2.0"
    assert (measured.sites, measured.with_image, measured.refusals) == (4, 2, ())
    assert "unlisted-file" in {finding.id for finding in measured.findings}


def test_the_table_counts_what_was_read_by_eye(repository: Path) -> None:
    eye = measured_trees.read_by_eye(
        "# read on a Sunday\nwrong acme+platform web  # another one's\nfalse acme+platform unlisted-file apps/queue/old.yaml  # kept\n"
    )
    measured = measured_trees.measure(repository)
    head, rule, row, total = measured_trees.table([measured], eye)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:7] == ["acme/platform", "4", "2", "1", "1", "0", "1"]
    assert cells[8] == "1"
    assert len(head) == len(rule) == len(row) == len(total)


def test_a_finding_is_false_only_where_it_was_read(repository: Path) -> None:
    measured = measured_trees.measure(repository)
    other = measured_trees.read_by_eye(
        "false acme+platform unlisted-file apps/web/old.yaml\nfalse other unlisted-file *\n"
    )
    assert other.false_in(measured) == 0
    assert measured_trees.read_by_eye("false acme+platform unlisted-file *\n").false_in(measured) == 1


def test_an_empty_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measured_trees.main([str(tmp_path)]) == 2
    assert "expected one for each repository" in capsys.readouterr().err
