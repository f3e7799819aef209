"""The scripts of shells and the manual page, as shells and man themselves read them; what is not installed is left out, and said."""

import shutil
import subprocess
from pathlib import Path

import pytest
from commandline import bump

from bumper.commands.action import options_of
from bumper.commands.parser import COMMANDS, MAIN_COMMAND, parser_of

_COMPLETE = """
source "$1"; shift
function_name=$(complete -p bump | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=(bump "$@"); COMP_CWORD=$#
"$function_name" 2>/dev/null; printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "bump"
    path.write_text(bump("completion", "bash", environ={}).stdout)
    return path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["ro"], {"rollback"}),
        (["re"], {"release", "remove-site", "report"}),
        (["--pl"], {"--platform"}),
        (["rollback", "--commit-via", ""], {"git", "api", "pr"}),
        (["hold", "--un"], {"--until"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes_verbs_options_and_values(script: Path, typed: list[str], offered: set[str]) -> None:
    command = ["bash", "--norc", "-c", _COMPLETE, "bash", str(script), *typed]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert set(ended.stdout.split()) == offered, ended.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_theirs(tmp_path: Path, shell: str) -> None:
    text = bump("completion", shell, environ={}).stdout
    assert all(verb in text for verb in COMMANDS)
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"NOT TESTED in {shell}, which is not installed (apt-get install {shell})")
    path = tmp_path / "script"
    path.write_text(text)
    ended = subprocess.run([program, "-n", str(path)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_manual_page_has_every_option_of_every_verb() -> None:
    page = bump("man", environ={}).stdout
    options = {name for verb in (MAIN_COMMAND, *COMMANDS) for name in options_of(parser_of(verb))}
    assert {name for name in options if f"\\-\\-{name.replace('-', chr(92) + '-')}" not in page} == set()
    assert all(f".SH BUMP {verb.upper()}".replace("-", "\\-") in page for verb in COMMANDS)


def test_man_can_read_the_page(tmp_path: Path) -> None:
    program = shutil.which("groff")
    if program is None:
        pytest.skip("NOT TESTED with groff, which is not installed (apt-get install groff-base)")
    path = tmp_path / "bump.1"
    path.write_text(bump("man", environ={}).stdout)
    command = [program, "-man", "-Tutf8", "-ww", "-z", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
