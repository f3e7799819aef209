"""Arguments, exit codes, what goes to which stream; as a process of its own where that is what is asked."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import commandline
import pytest
from commandline import Ran

from bumper.cli import COMMANDS, MAIN_COMMAND, parser_of
from bumper.errors import EXIT_BUG, EXIT_CODES, EXIT_MEANINGS

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def surroundings(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "BUMP_", "KUBE"))
    }
    return {**kept, "COLUMNS": "100", **(environ or {})}


def bump(*arguments: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Ran:
    return commandline.bump(*arguments, cwd=cwd, environ=surroundings(environ))


def process(*arguments: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Ran:
    with commandline.process(*arguments, cwd=cwd, environ=surroundings(environ)) as running:
        stdout, stderr = running.communicate()
    return Ran(running.returncode, stdout, stderr)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--sha", "abc1234"], "no site given"),
        (["--site", "web"], "expected one of --sha and --tag"),
        (["--site", "web", "--sha", "abc1234", "--tag", "v1"], "expected one of --sha and --tag"),
        (["--site", "web", "--sha", "xyz"], "'xyz' is no commit"),
        (["--set", "web"], "expected SITE=SHA"),
        (["--set", "web=abc1234", "--set", "web=abc1235"], "names a site twice"),
        (["--set", "web=abc1234", "--site", "web"], "--set cannot be combined"),
        (["--set", "a=abc1234", "--set", "b=abc1234", "--container", "x"], "speak of one site"),
        (["--site", "web", "--sha", "abc1234", "--timeout", "soon"], "'soon' is no duration"),
        (["--site", "web", "--sha", "abc1234", "--nonsense"], "--nonsense"),
        (["track", "--site", "web", "--commit", "abc"], "40 digits"),
        (["--site", "web", "--sha", "abc1234", "--dry-run"], "no git checkout"),
    ],
)
def test_a_wrong_command_line_exits_2_and_says_why(
    arguments: list[str], problem: str, tmp_path: Path
) -> None:
    done = bump(*arguments, cwd=tmp_path)
    assert done.code == 2, done.stderr
    assert problem in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_arguments_it_shows_its_help_and_exits_2(tmp_path: Path) -> None:
    done = bump(cwd=tmp_path)
    assert done.code == 2
    assert done.stdout == bump("--help", cwd=tmp_path).stdout
    assert process(cwd=tmp_path).code == 2


def test_the_console_script_is_the_program(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("bump")
    done = subprocess.run(
        [script, "--site", "web"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")


def test_an_output_that_nobody_reads_any_more_is_no_bug_of_ours(tmp_path: Path) -> None:
    with commandline.process("--help", cwd=tmp_path, environ=surroundings()) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == EXIT_BUG


def test_with_a_context_the_signals_of_the_process_are_left_alone(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    assert bump("--site", "web", cwd=tmp_path).code == 2
    assert [signal.getsignal(number) for number in signal.valid_signals()] == before


def test_with_json_an_error_is_one_object_on_stdout(tmp_path: Path) -> None:
    done = bump("--site", "web", "--sha", "xyz", "--output", "json", cwd=tmp_path)
    assert json.loads(done.stdout)["error"]["reason"] == "UsageError"
    assert done.stderr.startswith("error: ")


def test_a_kubeconfig_that_cannot_be_used_is_known_before_anything_is_written(tmp_path: Path) -> None:
    environ = {"KUBECONFIG": str(tmp_path / "absent"), "HOME": str(tmp_path)}
    done = bump(
        "--site",
        "web",
        "--sha",
        "abc1234",
        "--repo",
        "http://127.0.0.1:9/x.git",
        cwd=tmp_path,
        environ=environ,
    )
    assert done.code == 2, done.stderr
    assert "kubeconfig" in done.stderr


@pytest.mark.parametrize("verb", [MAIN_COMMAND, *COMMANDS])
def test_every_command_has_a_help(verb: str, tmp_path: Path) -> None:
    verbs = [] if verb == MAIN_COMMAND else [verb]
    done = bump(*verbs, "--help", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert done.stdout.startswith("usage: bump")


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], []),
        (["--site", "web", "--sha", "xyz"], []),
        (["rollback", "--site", "web", "--force"], []),
        (["track", "--site", "web", "--commit", "abc"], []),
        (["remove-site", "web"], []),
        (["hold", "--site", "web"], []),
        (["edit", "pod.yaml", "--image", "reg.io/web", "--tag", "2.0"], ["ruamel"]),
    ],
)
def test_what_asks_no_system_imports_no_slow_library_and_no_rollout(
    arguments: list[str], allowed: list[str], tmp_path: Path
) -> None:
    (tmp_path / "pod.yaml").write_text("spec:\n  containers:\n  - {name: web, image: 'reg.io/web:1.0'}\n")
    script = "import sys\nfrom bumper.cli import main\nmain(sys.argv[1:])\n"
    script += "slow = {'azure', 'git', 'httpx', 'kr8s', 'kubernetes', 'rich', 'ruamel'}\n"
    script += "imported = slow & {name.split('.')[0] for name in sys.modules} | {'bumper.rollout'} & set(sys.modules)\n"
    script += "print(sorted(imported))"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout.splitlines()[-1] == str(allowed)


def test_the_readme_shows_the_help_as_it_is(tmp_path: Path) -> None:
    shown = re.search(r"\$ bump --help\n(.*?)```", README, re.DOTALL)
    assert shown
    assert shown[1] == process("--help", cwd=tmp_path).stdout


def test_the_readme_shows_the_exit_codes_as_they_are() -> None:
    section = README.partition("### Exit codes")[2].partition("\n#")[0]
    rows = dict(re.findall(r"^\| (\d+) \| [^|]* \| (.*) \|$", section, re.MULTILINE))
    assert rows == {str(code): meaning for code, meaning in EXIT_MEANINGS.items()}
    for outcome, code in EXIT_CODES.items():
        row = re.search(rf"^\| {code} \| ([^|]*) \|", section, re.MULTILINE)
        assert row
        assert outcome.value in row[1].split(", ")


def test_every_option_of_every_command_is_explained() -> None:
    for verb in (MAIN_COMMAND, *COMMANDS):
        for action in parser_of(verb)._actions:
            assert action.help, f"{verb} {action.dest}"


def test_an_output_that_lacks_a_letter_fails_nothing(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text("spec:\n  containers:\n  - {name: web, image: 'reg.io/web:1.0'}\n", encoding="utf-8")
    arguments = ("edit", "pod.yaml", "--image", "reg.io/web", "--tag", "2.0")
    done = process(*arguments, cwd=tmp_path, environ={"PYTHONIOENCODING": "latin-1"})
    assert done.code == 0, done.stderr
    assert "reg.io/web:2.0" in file.read_text(encoding="utf-8")


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    done = bump("edit", "a.yaml", "--image", "reg.io/web", "--tag", "2.0", cwd=tmp_path)
    assert done.code == 2
    assert done.stderr.startswith("error: a.yaml")
