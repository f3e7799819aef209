"""Arguments, exit codes, what goes to which stream; as a process of its own where that is what is asked."""

import argparse
import io
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
from tables import each_row

from bumper.app.context import Context
from bumper.app.version import VERSION
from bumper.cli import COMMANDS, MAIN_COMMAND, main, parser_of
from bumper.commands.action import options_of
from bumper.commands.parser import Parser
from bumper.errors import EXIT_CODES, EXIT_MEANINGS, EXIT_USAGE, UsageError

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
USAGE = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
EXIT_CODE_TABLE = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")


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
        (["--site", "web"], "expected one of --sha and --tag, neither is given"),
        (
            ["--site", "web", "--sha", "abc1234", "--tag", "v1"],
            "expected one of --sha and --tag, both are given",
        ),
        (["--site", "web", "--sha", "xyz"], "'xyz' is no commit"),
        (["--set", "web"], "expected SITE=SHA"),
        (["--set", "api=abc1234", "--set", "web=v1"], "--set web: 'v1' is no commit"),
        (
            ["hold", "web", "--to", "1.0"],
            "no such option --to here: it is one of bump rollback, bump promote",
        ),
        (["web", "--sha", "abc1234", "--until", "3d"], "--until here: it is one of bump hold, bump freeze"),
        (["status", "--sah", "abc1234"], "no such option --sah"),
        (["--set", "web=abc1234", "--set", "web=abc1235"], "names a site twice"),
        (["--site", "a", "--site", "b", "--sha", "abc1234"], "--site is given twice, as 'a' and as 'b'"),
        (["--site", "a", "--sha", "abc1234", "--timeout", "10m", "--timeout=5m"], "as '10m' and as '5m'"),
        (["--site", "web api", "--sha", "abc1234"], "--site 'web api': a site has no space in its name"),
        (["rollback"], "no site given"),
        (["new-site", "--host", "web.example.org"], "no site given"),
        (["web", "--sha", "abc1234", "--tag", "v1"], "web: expected one of --sha and --tag"),
        (["web", "--set", "web=abc1234"], "--set cannot be combined"),
        (["edit", "a.yaml", "--image", "a", "--image", "b", "--tag", "1"], "--image is given twice"),
        (["--set", "web=abc1234", "--site", "web"], "--set cannot be combined"),
        (["--set", "a=abc1234", "--set", "b=abc1234", "--container", "x"], "speak of one site"),
        (
            ["--set", "a=abc1234", "--set", "b=abc1234", "--kustomization", "x"],
            "for all of one site in one commit: --site SITE --sha SHA --kustomization A --kustomization B",
        ),
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stauts"], "no such command 'stauts'; did you mean 'status'?"),
        (["stauts", "web", "--watch"], "no such command 'stauts'; did you mean 'status'?"),
        (["--output", "text", "stauts"], "no such command 'stauts'; did you mean 'status'?"),
        (["edti", "a.yaml", "--image", "reg.io/web", "--tag", "2.0"], "no such command 'edti'; did you mean 'edit'?"),
        (["web"], "no such command 'web'"),
        (["undo", "web"], "no such command 'undo'; did you mean 'rollback'?"),
        (["web=abc1234"], "no such command 'web=abc1234': a site with its commit stands behind --set"),
        (["rolback", "--site", "web"], "no such command 'rolback'; did you mean 'rollback'?"),
        (["deploy", "--site", "web", "--sha", "abc1234"], "no such command 'deploy': a deploy is what bump does without one"),
        (["--repo", ".", "status"], "'status' is a command, and a command comes first"),
        (["--sha", "abc1234", "status"], "'status' is a command, and a command comes first"),
    ],
)  # fmt: skip
def test_a_word_that_is_no_command_is_said_with_the_nearest(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    done = bump(*arguments, cwd=tmp_path)
    assert (done.code, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first == f"error: {message}"
    assert second.startswith("help:  ")


def test_what_to_type_instead_can_be_pasted(tmp_path: Path) -> None:
    for line, instead in {
        ("web",): "see bump --help; a deploy needs no command: bump web --sha SHA",
        ("web", "abc1234"): "see bump --help; a deploy needs no command: bump web --sha abc1234",
        ("web", "api", "--sha", "abc1234"): (
            "see bump --help; several sites go in one commit: bump --set web=abc1234 --set api=abc1234"
        ),
        ("web", "--sha", "abc1234", "api"): (
            "several sites go in one commit by --set SITE=SHA --set SITE=SHA"
        ),
        ("web=abc1234",): "bump --set web=abc1234",
        ("help",): "bump --help",
        ("version",): "bump --version",
        ("status", "--repo", "acme/platform"): "--repo https://github.com/acme/platform.git",
        (
            "depoly",
            "web",
            "--sha",
            "abc1234",
            "--reason",
            "it is slow",
        ): "bump web --sha abc1234 --reason 'it is slow'",
    }.items():
        assert bump(*line, cwd=tmp_path).stderr.endswith(f"\nhelp:  {instead}\n")


def test_an_error_is_broken_between_words_and_a_command_is_not(tmp_path: Path) -> None:
    class Window(io.StringIO):
        """What somebody looks at."""

        def isatty(self) -> bool:
            return True

    for columns in (60, 80, 100, 140):
        stderr = Window()
        context = Context({"COLUMNS": str(columns)}, tmp_path, stdout=io.StringIO(), stderr=stderr)
        assert main(["deploy", "web", "--sha", "abc1234", *["--reason", "word " * 40]], context) == 2
        assert main(["hold", "web", "--sha", "abc1234", "--until", "3d", "--repo", "."], context) == 2
        assert main(["status", "--to", "production"], context) == 2
        *others, helped = [
            line for line in stderr.getvalue().splitlines() if line.startswith("help:  bump web")
        ]
        assert not others
        assert helped.endswith("word word '"), "it is copied as one line"
        lines = [line for line in stderr.getvalue().splitlines() if not line.startswith("help:")]
        assert max(map(len, lines)) <= columns
        assert "bump rollback" in " ".join(line.strip() for line in lines)


def test_beside_an_image_a_bare_word_is_the_site(tmp_path: Path) -> None:
    for line in (["web", "--sha", "abc1234"], ["--tag=v1", "web"], ["--dry-run", "web", "--tag", "v1"]):
        done = bump(*line, "--no-wait", cwd=tmp_path)
        assert "no platform repository" in done.stderr


def test_the_environment_names_the_repository_that_no_option_names(tmp_path: Path) -> None:
    for line in (
        ["history"],
        ["web", "--tag", "v1", "--no-wait"],
        ["remove-site", "web", "--yes", "--no-wait"],
    ):
        done = bump(*line, cwd=tmp_path, environ={"BUMP_REPO": "/nowhere"})
        assert "/nowhere: neither a URL nor a directory" in done.stderr
        done = bump(*line, "--repo", "/elsewhere", cwd=tmp_path, environ={"BUMP_REPO": "/nowhere"})
        assert "/elsewhere: neither a URL nor a directory" in done.stderr
    done = bump("history", "--offline", cwd=tmp_path, environ={"BUMP_REPO": "/nowhere"})
    assert "no git checkout" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "contexts"),
    [
        ([], ["east", "west"]),
        (["--context", "north"], ["north"]),
        (["--follow", "github"], []),
    ],
)
def test_the_environment_names_the_clusters_that_no_option_names(
    arguments: list[str], contexts: list[str]
) -> None:
    parsed = parser_of("track").parse(["web", *arguments], {"BUMP_CONTEXT": "east, west"})
    assert parsed.context == contexts
    assert parser_of("track").parse(["web"], {}).context == []


def test_a_cluster_of_the_environment_that_is_not_there_is_refused(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{apiVersion: v1, kind: Config, contexts: [], clusters: [], users: []}")
    environ = {"KUBECONFIG": str(kubeconfig), "BUMP_CONTEXT": "east", "BUMP_REPO": "http://127.0.0.1:9/x.git"}
    done = bump("web", "--tag", "v1", cwd=tmp_path, environ=environ)
    assert done.code == 2
    assert "east" in done.stderr


def test_without_arguments_it_shows_how_its_help_begins_and_exits_2(tmp_path: Path) -> None:
    done = bump(cwd=tmp_path)
    assert done.code == 2
    *beginning, last = done.stdout.splitlines()
    assert bump("--help", cwd=tmp_path).stdout.startswith("\n".join(beginning))
    assert last == "bump --help shows every option, bump COMMAND --help those of a command."
    assert all(f"bump {verb} " in done.stdout for verb in COMMANDS)
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
    assert running.returncode == 0


def test_with_a_context_the_signals_of_the_process_are_left_alone(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    assert bump("--site", "web", cwd=tmp_path).code == 2
    assert [signal.getsignal(number) for number in signal.valid_signals()] == before


def test_with_json_an_error_is_one_object_on_stdout(tmp_path: Path) -> None:
    done = bump("--site", "web", "--sha", "xyz", "--output", "json", cwd=tmp_path)
    assert json.loads(done.stdout)["error"]["reason"] == "UsageError"
    assert done.stderr.startswith("error: ")


def test_who_has_neither_repository_nor_cluster_is_told_of_the_repository(tmp_path: Path) -> None:
    done = bump("web", "--sha", "abc1234", cwd=tmp_path)
    assert done.code == 2
    assert done.stderr.startswith("error: no platform repository: none is named")


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
    ("arguments", "allowed", "most_of_ours"),
    [
        (["--help"], [], 32),
        (["--version"], [], 33),
        (["--site", "web", "--sha", "xyz"], [], 32),
        (["rollback", "--site", "web", "--force"], [], 32),
        (["track", "--site", "web", "--commit", "abc"], [], 33),
        (["remove-site", "web"], [], 80),
        (["hold", "--site", "web"], [], 75),
        (["edit", "pod.yaml", "--image", "reg.io/web", "--tag", "2.0"], ["ruamel"], 48),
    ],
)
def test_what_asks_no_system_starts_with_little(
    arguments: list[str], allowed: list[str], most_of_ours: int, tmp_path: Path
) -> None:
    """What is paid at each start: the modules of ours, and libraries that are slow to load, those of Python among them."""
    (tmp_path / "pod.yaml").write_text("spec:\n  containers:\n  - {name: web, image: 'reg.io/web:1.0'}\n")
    script = "import sys\nfrom bumper.cli import main\nmain(sys.argv[1:])\n"
    script += "slow = {'azure', 'git', 'httpx', 'kr8s', 'kubernetes', 'rich', 'ruamel'}\n"
    script += "slow |= {'asyncio', 'dataclasses', 'difflib', 'email', 'http', 'inspect'}\n"
    script += "slow |= {'logging', 'queue', 'subprocess', 'threading', 'tomllib', 'traceback'}\n"
    script += "imported = slow & {name.split('.')[0] for name in sys.modules} | {'bumper.rollout'} & set(sys.modules)\n"
    script += "print(sum(name.startswith('bumper') for name in sys.modules), *sorted(imported))"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
    )
    of_ours, *imported = done.stdout.splitlines()[-1].split()
    assert imported == allowed
    assert int(of_ours) <= most_of_ours


def test_a_clone_is_read_without_what_asks_a_server(tmp_path: Path) -> None:
    git = ("git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@localhost")
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=x"], check=True)
    script = (
        "import sys\nfrom bumper.cli import main\nprint(main(['history', '--offline', '--branch', 'main']))\n"
    )
    script += "asking = {'git', 'http', 'ssl', 'bumper.systems.git.repository', 'bumper.systems.http'}\n"
    script += "print(*sorted(asking & set(sys.modules)))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-2:] == ["0", ""], done.stderr


def test_it_says_its_version(tmp_path: Path) -> None:
    done = process("--version", cwd=tmp_path)
    assert done == Ran(0, f"gitops-bump {VERSION}\n", "")
    assert bump("--site", "web", "--version", cwd=tmp_path) == done


def test_the_docs_show_the_help_as_it_is(tmp_path: Path) -> None:
    shown = re.search(r"\$ bump --help\n(.*?)```", USAGE, re.DOTALL)
    assert shown
    assert shown[1] == process("--help", cwd=tmp_path).stdout


def test_the_docs_show_the_exit_codes_as_they_are() -> None:
    section = EXIT_CODE_TABLE
    rows = dict(re.findall(r"^\| (\d+) \| [^|]* \| (.*) \|$", section, re.MULTILINE))
    assert rows == {str(code): meaning for code, meaning in EXIT_MEANINGS.items()}
    for outcome, code in EXIT_CODES.items():
        row = re.search(rf"^\| {code} \| ([^|]*) \|", section, re.MULTILINE)
        assert row
        assert outcome.value in row[1].split(", ")


def test_the_readme_is_short_and_every_link_of_the_docs_leads_somewhere() -> None:
    assert len(README.splitlines()) <= 170
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[\w-]+)?\)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
        for target, anchor in re.findall(r"\]\(([\w/.-]*\.md)#([\w-]+)\)", text):
            headings = re.findall(
                r"^#+ (.*)$", (page.parent / target).read_text(encoding="utf-8"), re.MULTILINE
            )
            assert anchor in {
                re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings
            }


def test_the_messages_that_the_docs_explain_are_those_of_the_program() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "bumper").rglob("*.py"))
    cells = re.findall(r"^\| (`.*?) \| ", page, re.MULTILINE)
    messages = [message for cell in cells for message in re.findall("`([^`]+)`", cell)]
    assert len(messages) > 25
    assert [message for message in messages if message not in source] == []


def test_every_command_and_every_option_of_the_main_job_stands_in_the_docs() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert [verb for verb in COMMANDS if f"bump {verb}" not in pages] == []
    assert [name for name in options_of(parser_of(MAIN_COMMAND)) if f"--{name}" not in USAGE] == []


def test_every_option_of_every_command_is_explained() -> None:
    for verb in (MAIN_COMMAND, *COMMANDS):
        for action in parser_of(verb)._actions:
            assert action.help, f"{verb} {action.dest}"


@each_row("verb", [MAIN_COMMAND, *COMMANDS])
def test_an_option_is_taken_once_or_says_that_it_is_repeatable(verb: str) -> None:
    parser = parser_of(verb)
    for action in parser._actions:
        option = action.option_strings[-1] if action.option_strings else ""
        if option and action.nargs != 0:
            refusal = _refusal(parser, [option, _value_of(action), option, _value_of(action)])
            assert ("is given twice" in refusal) != ("repeatable" in str(action.help)), (
                f"{verb} {option}: {refusal}"
            )


def _value_of(action: argparse.Action) -> str:
    if action.choices:
        return str(next(iter(action.choices)))
    values = {
        "platform": "linux/amd64",
        "publish": "summary",
        "serves": "sha",
        "resolve": "web.example:443:::1",
        "message": "{change}",
        "trailer": "Refs: 7",
        "aks": "group/name",
        "action": f"owner/name@{'a' * 40}",
    }
    return values.get(action.dest, "1")


def _refusal(parser: Parser, arguments: list[str]) -> str:
    try:
        parser.parse_args(arguments)
    except UsageError as error:
        return error.message
    return ""


def test_a_second_site_is_shown_the_way_for_several(tmp_path: Path) -> None:
    done = bump("--site", "a", "--site", "b", "--sha", "abc1234", cwd=tmp_path)
    assert done.stderr == (
        "error: --site is given twice, as 'a' and as 'b'\n"
        "help:  several sites go in one commit by --set SITE=SHA --set SITE=SHA\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("history", "--branch=--"), "no platform repository: none is named"),
        (("track", "--follow=--"), "argument --follow: invalid choice: '--'"),
        (("history", "--limit=" + "9" * 5000), "is no number; expected 0 or more"),
        (("history", "--limit=²"), "is no number; expected 0 or more"),
        (("--site=web", "--tag=1", "--timeout=" + "9" * 5000), "is no duration"),
        (("--site=web", "--tag=1", "--timeout=9999999999h"), "is too long"),
        (("sweep", "--older-than=--"), "is no duration"),
    ],
)
def test_values_that_no_calendar_no_list_and_no_parser_expects(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    run = bump(*arguments, cwd=tmp_path)
    assert run.code == 2
    assert message in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("verb", [MAIN_COMMAND, *COMMANDS])
def test_a_value_that_nothing_can_take_is_refused_at_once_and_not_repeated(verb: str, tmp_path: Path) -> None:
    command, long = [] if verb == MAIN_COMMAND else [verb], "x" * 100_000
    options = [
        action.option_strings[-1]
        for action in parser_of(verb)._actions
        if action.option_strings and action.nargs != 0
    ]
    lines = [*([*command, f"{option}={long}"] for option in options), [*command, long]]
    lines += [[*command, option, long] for option in options]
    for line in lines:
        done = bump(*line, cwd=tmp_path)
        assert done.code == 2
        assert len(done.stderr) < 2000
        assert "characters" in done.stderr


@pytest.mark.parametrize("length", [1001, 19_000])
def test_an_error_shows_the_beginning_of_a_long_value(length: int, tmp_path: Path) -> None:
    done = bump("--site", "web", "--sha", "x" * length, cwd=tmp_path)
    assert done.code == 2
    assert "error: --sha: 'xxx" in done.stderr
    assert f"… ({length + 2:,} characters) is no commit" in done.stderr
    assert len(done.stderr) < 500


@each_row("name", ["x" * 300, "x/" * 5000, "nowhere"])
def test_a_tree_that_is_no_directory_is_refused(name: str, tmp_path: Path) -> None:
    done = bump("demo", "--tree", name, cwd=tmp_path)
    assert done.code == 2
    assert "no such directory" in done.stderr


def test_an_option_with_a_default_is_taken_once(tmp_path: Path) -> None:
    done = bump("status", "--output", "text", "--output", "json", cwd=tmp_path)
    assert done.code == 2
    assert "as 'text' and as 'json'" in done.stderr


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


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        (["status", "--contxt", "a"], "error: no such option --contxt; did you mean '--context'?\n"),
        (["setup", "--clustr=none"], "error: no such option --clustr; did you mean '--cluster'?\n"),
        (["--sites", "web", "--sha", "abc1234"], "error: no such option --sites; did you mean '--site'?\n"),
        (["web", "--zzz", "--sha", "abc1234"], "error: no such option --zzz\n"),
        (["-v"], "error: no such option -v; did you mean '--version'?\n"),
        (["status", "-o", "json"], "error: no such option -o; did you mean '--offline' or '--output'?\n"),
        (["web", "--sha", "abc1234", "-y"], "error: no such option -y\n"),
        (["status", "web", "api"], "error: 'api': no more words are expected\n"),
    ],
)
def test_an_option_that_there_is_not_is_shown_its_neighbour(
    line: list[str], refusal: str, tmp_path: Path
) -> None:
    ran = commandline.bump(*line, environ={}, cwd=tmp_path)
    assert ran.code == EXIT_USAGE
    assert ran.stderr.startswith(refusal)


@each_row(
    ("line", "sites"),
    [
        ("hold web --reason TEXT api", ["web", "api"]),
        ("doctor --context east web api", ["web", "api"]),
        ("sweep", []),
        ("rollback --to v1 web", "web"),
        ("rollback --site web", ""),
    ],
)
def test_sites_stand_wherever_a_word_may(line: str, sites: object) -> None:
    verb, *arguments = line.split()
    assert parser_of(verb).parse(arguments, {}).bare_site == sites


def test_help_begins_with_what_a_command_is_about() -> None:
    for verb in COMMANDS:
        shown = parser_of(verb).format_help()
        usage = shown.partition("\n\n")[0]
        titles = re.findall(r"^(\w[\w ,]*):$", shown, re.MULTILINE)
        assert usage.startswith(f"usage: bump {verb} ")
        assert usage.rstrip().endswith("[OPTION ...]")
        assert max(map(len, usage.splitlines())) <= 80
        assert len(usage.splitlines()) <= 2, "what has to stand there, and no wall of options"
        assert titles[-1] == "options", "what every command has comes last"
    usage = " ".join(parser_of("edit").format_help().partition("\n\n")[0].split())
    assert usage.startswith("usage: bump edit FILE [FILE ...] --image REPOSITORY --tag TAG [--diff | ")


def test_help_breaks_no_option_at_its_hyphens(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in ("60", "80"):
        monkeypatch.setenv("COLUMNS", columns)
        shown = {verb: parser_of(verb).format_help().splitlines() for verb in (MAIN_COMMAND, *COMMANDS)}
        assert [line for lines in shown.values() for line in lines if re.search(r"--\w*-$|\w-$", line)] == []
