"""Every command takes its site as an option and by position, and says which names are near one that is not there."""

import json
import os
from pathlib import Path

import commandline
import pytest
from commandline import Ran

from bumper_sandbox.stack import Stack

SITE = "sddbook-com"
# The command line of each that needs a site, with `{}` where the site is named.
OF_A_SITE = [
    "{} --sha abc1234 --dry-run",
    "track {} --timeout 5s",
    "status {}",
    "rollback {} --to abc1234 --dry-run",
    "hold {} --reason freeze --dry-run",
    "release {} --dry-run",
    "remove-site {} --dry-run",
    "doctor {} --rbac",
]
OTHERS = ["history {}", "new-site {} --host new.example.org --tag 1.0.0 --dry-run"]


def bump(stack: Stack, line: str, cwd: Path | None = None) -> Ran:
    environ = {**os.environ, **stack.child_environ()}
    return commandline.bump(*line.split(), "--repo", stack.url, environ=environ, cwd=cwd)


@pytest.mark.parametrize("line", OF_A_SITE)
@pytest.mark.parametrize("form", ["{}", "--site {}", "--site={0} {0}"])
@pytest.mark.slow
def test_the_site_is_looked_for_in_either_form(stack: Stack, line: str, form: str) -> None:
    done = bump(stack, line.format(form.format("sddbok-com")))
    assert done.code in (4, 6), done.stderr
    assert "sddbok-com: no Flux Kustomization has this name (found: " in done.stdout + done.stderr
    assert f"; did you mean '{SITE}'?" in done.stdout + done.stderr


@pytest.mark.parametrize("form", ["{}", "--site {}"])
@pytest.mark.slow
def test_a_command_that_asks_no_kustomization_takes_either_form(stack: Stack, form: str) -> None:
    history = bump(stack, OTHERS[0].format(form.format("web")) + " --output json")
    assert json.loads(history.stdout)["site"] == "web"
    stack.registry.push("new-example", "1.0.0")
    added = bump(stack, OTHERS[1].format(form.format("new-example")))
    assert "k8s/new-example/" in added.stdout, added.stderr


@pytest.mark.parametrize("line", [*OF_A_SITE, *OTHERS])
def test_two_forms_that_name_different_sites_are_refused(stack: Stack, line: str) -> None:
    done = bump(stack, line.format("--site web api"))
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: --site names web, and without --site stands api\n"
        "help:  name the site in one of the two ways; a text of several words needs quotes\n"
    )


def test_several_sites_are_taken_by_position(stack: Stack) -> None:
    names = (SITE, "docs-kevinryan-io")
    by_position = bump(stack, f"hold {' '.join(names)} --reason freeze --dry-run")
    by_option = bump(stack, f"hold --site {names[0]} --site {names[1]} --reason freeze --dry-run")
    assert by_position.code == by_option.code == 0, by_position.stderr
    for done in (by_position, by_option):
        assert all(f"k8s/flux-system/{name}-sync.yaml" in done.stdout for name in names)
