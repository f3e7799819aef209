"""What a failure's summary offers to whoever has no terminal: the workflow of the platform repository, where it has one."""

from pathlib import Path

import pytest
from commandline import bump

from bumper_sandbox.stack import Stack

SITE = "kevinryan-io"


@pytest.mark.slow
def test_it_links_to_the_workflow_that_the_platform_has(stack: Stack, tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    stack.registry.push(SITE, "bad1234")
    stack.behaviours["bad1234"] = "crash"
    command = ("--site", SITE, "--sha", "bad1234", "--repo", stack.url, "--publish", "summary")
    environ = {**stack.child_environ(), "GITHUB_STEP_SUMMARY": str(summary)}

    without = bump(*command, environ=environ, cwd=tmp_path)
    assert without.code == 11, without.stderr
    assert "Actions page" not in summary.read_text()
    assert f"\n  or           bump rollback --site {SITE} --repo {stack.url}\n" in without.stdout
    assert f"```sh\nbump rollback --site {SITE} \\\n  --repo \\\n  {stack.url}\n```" in summary.read_text()

    stack.commit({".github/workflows/bump.yml": b"name: Bump\n"}, "Add a workflow")
    summary.unlink()
    assert bump(*command, environ=environ, cwd=tmp_path).code == 11
    page = stack.url.removesuffix(".git") + "/actions/workflows/bump.yml"
    assert (
        f"or [run the workflow on the Actions page]({page}) with command <code>rollback</code>, site <code>{SITE}</code>, "
        "dry-run <code>off</code>" in summary.read_text()
    )
