"""What the extra for reports is made of."""

import re
import tomllib
from pathlib import Path

from bumper.systems.drawing import LIBRARIES

ROOT = Path(__file__).parents[2]


def test_the_libraries_that_are_named_are_those_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = [re.split("[<>=]", needed)[0] for needed in project["optional-dependencies"]["report"]]
    assert tuple(extra) == LIBRARIES


def test_nobody_is_sent_to_an_index_for_a_package_that_this_project_does_not_publish() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bumper").rglob("*.py")]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    installed = [line for line in lines if re.search(r"install [^`]*gitops-bump", line)]
    assert installed
    assert [line for line in installed if "@ git+" not in line] == []
