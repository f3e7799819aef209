from importlib import metadata
from pathlib import Path

import pytest

from bumper.app.version import name_and_version
from bumper.errors import UsageError


def checkout(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_checkout_says_its_own_version(tmp_path: Path) -> None:
    folder = checkout(tmp_path, '[project]\nname = "gitops-bump"\nversion = "9.8.7"\n')
    assert name_and_version(folder) == "gitops-bump 9.8.7"


@pytest.mark.parametrize("text", ['[project]\nname = "other"\nversion = "9.8.7"\n', "[tool]\n", "[", ""])
def test_where_the_file_is_not_ours_the_installed_package_says_it(tmp_path: Path, text: str) -> None:
    installed = f"gitops-bump {metadata.version('gitops-bump')}"
    assert name_and_version(checkout(tmp_path, text)) == installed
    assert name_and_version(tmp_path / "absent") == installed


def test_a_version_that_nobody_knows_is_said_to_be_unknown(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no version is known"):
        name_and_version(tmp_path, "gitops-bump-of-nobody")
