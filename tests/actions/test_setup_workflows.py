"""The workflows that `bump setup` writes pass the linters that our own pass. `make actions` builds them."""

import subprocess
import sys
from pathlib import Path

from setup.variants import variants

from bumper.setup import workflow

ROOT = Path(__file__).parents[2]


def test_every_workflow_that_a_set_up_writes_passes_both_linters(tmp_path: Path) -> None:
    written = dict.fromkeys(workflow.written(site, setup) for setup in variants() for site in setup.sites)
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for number, text in enumerate(written):
        (folder / f"deploy-{number}.yml").write_text(text)
    (actionlint,) = (ROOT / ".venv" / "bin").glob("actionlint-*")
    programs = Path(sys.executable).parent
    configuration = str(ROOT / ".github" / "actionlint.yaml")
    linters = [
        [str(actionlint), "-config-file", configuration, *map(str, sorted(folder.iterdir()))],
        [str(programs / "zizmor"), "--offline", "--quiet", "--no-progress", str(folder)],
    ]
    for linter in linters:
        ended = subprocess.run(linter, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(written) > 40
