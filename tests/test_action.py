"""The step of a workflow: inputs to the command line, JSON to outputs and annotations; and what the shipped files must hold."""

import argparse
import io
import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tables import each_row

from bumper.app.action import kubeconfig, run_look
from bumper.app.context import Context
from bumper.app.surroundings import Surroundings
from bumper.app.version import VERSION
from bumper.commands import action
from bumper.commands.action import Takes
from bumper.commands.parser import parser_of
from bumper.errors import EXIT_USAGE, Outcome, Transient, UsageError
from bumper.publish import inputs
from bumper.publish.step import annotations_of, outputs_of

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = YAML(typ="safe").load((ROOT / "action.yml").read_text())
FILES = [ROOT / "action.yml", *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]


def command_line(environ: dict[str, str]) -> list[str]:
    return action.command_line(Surroundings.of(environ))[1]


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load((ROOT / ".github" / "workflows" / name).read_text())
    return loaded


def options_of(command: str) -> dict[str, Takes]:
    """What stands behind the options of a command, by the inputs that stand for them."""
    options = action.options_of(parser_of(command)).items()
    known = [(option, takes) for option, takes in options if option not in ("help", "version")]
    return {name: takes for option, takes in known for name in inputs.EXCEPTIONS.get(option, (option,))}


def test_inputs_become_the_options_of_the_main_job() -> None:
    environ = {
        "BUMP_INPUT_SET": "web=abc1234\n\n  api=abc1234 \n",
        "BUMP_INPUT_CONTEXT": "blue\ngreen",
        "BUMP_INPUT_REPO": "octo/platform",
        "BUMP_INPUT_BRANCH": "main",
        "BUMP_INPUT_TIMEOUT": "5m",
        "BUMP_INPUT_WAIT": "false",
        "BUMP_INPUT_DRY_RUN": "true",
        "BUMP_INPUT_COMMENT": "false",
        "BUMP_INPUT_DEPLOYMENT": "true",
        "GITHUB_SERVER_URL": "https://github.example",
    }
    assert sorted(command_line(environ)) == sorted(
        [
            "--output=json",
            "--branch=main",
            "--timeout=5m",
            "--set=web=abc1234",
            "--set=api=abc1234",
            "--context=blue",
            "--context=green",
            "--repo=https://github.example/octo/platform",
            "--dry-run",
            "--no-wait",
            "--publish=summary",
            "--publish=deployment",
        ]
    )


def test_every_option_of_a_deploy_is_an_input_of_its_name_and_every_input_of_a_command_an_option() -> None:
    offered = {name for command in action.STEPS for name in options_of(command)}
    assert set(options_of("deploy")) <= set(ACTION["inputs"])
    # Of the other commands those that a person has at a terminal only are left out.
    assert offered - set(ACTION["inputs"]) == {"exit-code", "offline", "schema", "watch"}
    no_option = {
        "command", "kubeconfig", "receiver-url", "receiver-token", "token", "source-token", "source-repository",
        "app-id", "app-private-key",
    }  # fmt: skip
    assert set(ACTION["inputs"]) - offered == no_option
    assert {
        name
        for name, takes in options_of("deploy").items()
        if takes is Takes.NOTHING and name in ACTION["inputs"] and name != "wait"
    } == inputs.FLAGS


def test_the_reusable_workflow_takes_what_the_action_takes() -> None:
    deploy_site = workflow("deploy-site.yml")
    (step,) = [step for step in deploy_site["jobs"]["deploy"]["steps"] if step.get("id") == "bump"]
    # Another word there: `platform` is the platform's repository. It deploys one site, by its commit.
    elsewhere = {"platform": "image-platform", "repo": "platform"}
    left_out = {"set", "tag", "source", "comment", "summary"}
    trigger = deploy_site["on"]["workflow_call"]
    for name in options_of("deploy").keys() - left_out:
        called = elsewhere.get(name, name)
        assert called in trigger["inputs"], name
        assert f"inputs.{called} " in step["with"][name].replace("}}", " }}"), name
    assert "inputs.runs-on" in deploy_site["jobs"]["deploy"]["runs-on"]


def test_the_workflow_of_the_actions_page_offers_every_command_in_the_words_of_the_action() -> None:
    bump = workflow("bump.yml")
    offered = bump["on"]["workflow_dispatch"]["inputs"]
    assert len(offered) <= 25, "GitHub takes no more"
    assert tuple(offered["command"]["options"]) == action.STEPS
    (step,) = [step for step in bump["jobs"]["bump"]["steps"] if step.get("uses", "").startswith("./")]
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert {name for name in offered if f"inputs.{name}" not in step["with"].get(name, "")} == set()


@each_row(
    ("command", "given", "expected"),
    [
        ("deploy", {"SHA": "abc1234", "PIN": "true", "CONTAINER": "web\njob"}, "--container=job --pin --sha=abc1234"),
        ("rollback", {"TO": "1.0", "REASON": "it is slow", "DRY_RUN": "true"}, "--dry-run --reason=it is slow --to=1.0"),
        ("hold", {"UNTIL": "3d", "REASON": "a fair"}, "--reason=a fair --until=3d"),
        ("promote", {"FROM": "staging", "TO": "live", "SOAK": "2h"}, "--from=staging --soak=2h --to=live"),
        ("freeze", {"ALL": "true", "REASON": "it burns", "UNTIL": "3h"}, "--all --reason=it burns --until=3h"),
        ("release", {"PIN": "false", "KUSTOMIZATION": "apps"}, "--kustomization=apps"),
        ("status", {"CONTEXT": "east\nwest"}, "--context=east --context=west"),
    ],
)  # fmt: skip
def test_the_input_command_says_what_is_done(command: str, given: dict[str, str], expected: str) -> None:
    environ = {f"BUMP_INPUT_{name}": text for name, text in given.items()}
    named, line = action.command_line(
        Surroundings.of(
            {**environ, "BUMP_INPUT_COMMAND": command, "BUMP_INPUT_SITE": "web", "BUMP_INPUT_REPO": "a/b"}
        )
    )
    assert named == command
    assert "--site=web" in line
    assert set(re.split(r" (?=--)", expected)) <= set(line)
    assert ("--output=json" in line) is (command != "status")
    assert any("--publish" in option for option in line) is (command in ("deploy", "promote", "rollback"))


def test_several_sites_stand_in_one_line_or_in_several() -> None:
    for sites in ("web shop", "web\n shop\n", "web  shop"):
        line = command_line(
            {"BUMP_INPUT_COMMAND": "promote", "BUMP_INPUT_SITE": sites, "BUMP_INPUT_REPO": "a/b"}
        )
        assert [option for option in line if option.startswith("--site")] == ["--site=web", "--site=shop"]


@each_row(
    ("given", "refusal"),
    [
        ({"COMMAND": "relase"}, "command: 'relase', expected one of deploy, .*; did you mean 'release'"),
        ({"COMMAND": "rollback", "SHA": "abc1234"}, "sha: rollback has no such input"),
        ({"COMMAND": "hold", "WAIT": "false"}, "wait: hold has no such input"),
        ({"COMMAND": "status", "DRY_RUN": "true"}, "dry-run: status has no such input"),
        ({"RECORD": "file"}, "record: deploy has no such input"),
        ({"PIN": "yes"}, "pin: 'yes', expected true or false"),
    ],
)
def test_an_input_that_the_command_has_not_is_refused(given: dict[str, str], refusal: str) -> None:
    environ = {f"BUMP_INPUT_{name}": text for name, text in given.items()}
    with pytest.raises(UsageError, match=refusal):
        command_line({**environ, "BUMP_INPUT_REPO": "a/b"})


@each_row(
    ("hint", "shown"),
    [
        ("pass --container with one of the names found", "pass the input container with one of the names found"),
        ("name it: --image REPOSITORY", "name it: image: REPOSITORY"),
        ("to push without following: --no-wait", "to push without following: wait: false"),
        (
            "bump release --site web --kustomization apps; or to deploy it all the same: --force --reason TEXT",
            "bump release --site web --kustomization apps; or to deploy it all the same: force: true, reason: TEXT",
        ),
        (
            "give each a name (bump adopt NAME --kustomization FILE), then --set NAME=SHA for each",
            "give each a name (bump adopt NAME --kustomization FILE), then set: NAME=SHA for each",
        ),
        (
            "or leave it as it is: --container api --container web",
            "or leave it as it is: container: api, web (a line each)",
        ),
        ("--set a=SHA --set b=SHA; more", "set: a=SHA, b=SHA (a line each); more"),
        ("give it more time with --timeout", "give it more time with the input timeout"),
        ("kubectl get pods -n web --show-labels", "kubectl get pods -n web --show-labels"),
        (
            "build it: docker buildx build --platform linux/amd64; or name it with --platform",
            "build it: docker buildx build --platform linux/amd64; or name it with the input platform",
        ),
        ("--serves '/PATH text={tag}'", "serves: '/PATH text={tag}'"),
        ("argument --timeout: '5x' is no duration", "the input timeout: '5x' is no duration"),
        ("see bump rollback --help", "see the inputs in action.yml"),
        ("pass a token in BUMP_TOKEN", "pass a token in the input token"),
        ("set KUBECONFIG, or name a context with --context", "set the input kubeconfig, or name a context with the input context"),
        ("KUBECONFIG: there is no file /x", "KUBECONFIG: there is no file /x"),
        ("export BUMP_TOKEN=…", "export BUMP_TOKEN=…"),
    ],
)  # fmt: skip
def test_a_hint_names_inputs_where_it_names_options(hint: str, shown: str) -> None:
    assert inputs.named(hint) == shown
    error = Transient(hint, hint=hint)
    error.reword(inputs.named)
    assert (error.message, error.hint) == (shown, shown)


def test_a_variable_that_an_input_stands_for_is_one_that_the_action_sets_by_it() -> None:
    steps = ACTION["runs"]["steps"]
    set_by_inputs = steps[-1]["env"]
    for variable, name in inputs.VARIABLES.items():
        assert set_by_inputs[variable] == f"${{{{ inputs.{name} }}}}"


def test_a_kubeconfig_that_is_none_is_called_by_its_input(tmp_path: Path) -> None:
    environ = {"BUMP_INPUT_KUBECONFIG": "hello", "RUNNER_TEMP": str(tmp_path)}
    context = Context(environ, tmp_path, io.StringIO(), io.StringIO())

    def job(inner: Context) -> int:
        raise UsageError(f"{inner.environ['KUBECONFIG']}: not a mapping, expected a kubeconfig")

    assert run_look(job, context, in_summary=False) == 2
    shown = context.stdout
    assert isinstance(shown, io.StringIO)
    assert "error: kubeconfig: not a mapping, expected a kubeconfig\n" in shown.getvalue()


def test_what_needs_a_permission_that_the_job_has_not_had_is_off_until_it_is_asked_for() -> None:
    assert [word for word in command_line({"BUMP_INPUT_REPO": "a/b"}) if word.startswith("--publish")] == [
        "--publish=comment",
        "--publish=summary",
    ]
    assert {
        name: ACTION["inputs"][name]["default"] for name in ("comment", "summary", "deployment", "status")
    } == {
        "comment": "true",
        "summary": "true",
        "deployment": "false",
        "status": "false",
    }


def test_a_failure_is_rolled_back_where_that_is_asked_for_and_told() -> None:
    platform = {"BUMP_INPUT_REPO": "a/b"}
    assert "--auto-rollback" not in command_line(platform)
    assert "--auto-rollback" in command_line({**platform, "BUMP_INPUT_AUTO_ROLLBACK": "true"})
    site = {
        "site": "web",
        "outcome": "failed",
        "message": "crashed",
        "serving": "",
        "hint": "",
        "rolledBack": "to 1.0: Ready",
    }
    assert annotations_of({"outcome": "failed", "sites": [site]}) == [
        ("error", "web: failed", "crashed\nrolled back: to 1.0: Ready")
    ]


def test_a_plan_is_expected_where_a_hash_is_given() -> None:
    platform = {"BUMP_INPUT_REPO": "a/b", "BUMP_INPUT_EXPECT_PLAN": ""}
    assert not any("plan" in option for option in command_line(platform))
    assert "--expect-plan=0123" in command_line({**platform, "BUMP_INPUT_EXPECT_PLAN": "0123"})


def test_a_site_is_asked_as_the_input_says() -> None:
    inputs = {
        "BUMP_INPUT_SERVES": "/build.json json=sha",
        "BUMP_INPUT_RESOLVE": "a.example:80:::1\nb.example:80:::1\n",
    }
    arguments = command_line({"BUMP_INPUT_REPO": "a/b", **inputs})
    assert "--serves=/build.json json=sha" in arguments
    assert arguments.count("--resolve=a.example:80:::1") == arguments.count("--resolve=b.example:80:::1") == 1


def test_an_input_can_be_no_option() -> None:
    arguments = command_line({"BUMP_INPUT_SITE": "--force", "BUMP_INPUT_REPO": "https://host.example/a/b"})
    assert "--site=--force" in arguments
    assert "--repo=https://host.example/a/b" in arguments


def test_the_platform_is_where_the_action_comes_from() -> None:
    assert "--repo=https://github.com/octo/platform" in command_line(
        {"BUMP_ACTION_REPOSITORY": "octo/platform"}
    )
    with pytest.raises(UsageError, match="no platform repository"):
        command_line({})
    with pytest.raises(UsageError, match="wait: 'yes', expected true or false"):
        command_line({"BUMP_INPUT_REPO": "a/b", "BUMP_INPUT_WAIT": "yes"})


def site(outcome: Outcome, name: str = "web") -> dict[str, Any]:
    return {
        "site": name,
        "outcome": outcome.value,
        "reason": "Reason",
        "message": f"{name} message",
        "hint": "hint",
        "serving": "old",
        "commit": "c" * 40,
        "previousTag": "1",
        "tag": "2",
        "digest": "sha256:1",
        "stages": [{"stage": "image", "seconds": 0.5}],
    }


def test_outputs_speak_of_the_worst_site_and_hold_all() -> None:
    sites = [site(Outcome.READY), {**site(Outcome.FAILED, "api"), "tag": "9"}]
    result = {"outcome": "failed", "exitCode": 11, "sites": sites, "plan": {"hash": "ab" * 32}}
    outputs = outputs_of(result)
    assert set(outputs) == set(ACTION["outputs"])
    assert (outputs["outcome"], outputs["tag"], outputs["previous-tag"]) == ("failed", "9", "1")
    assert json.loads(outputs["durations"]) == {"web": {"image": 0.5}, "api": {"image": 0.5}}
    assert outputs["plan"] == "ab" * 32
    assert json.loads(outputs["verdict"]) == result


def test_an_error_has_outputs_too() -> None:
    error = {"reason": "ImageMissing", "message": "reg.io/web:1: no such image", "hint": "push it"}
    result = {"outcome": "refused", "exitCode": 4, "error": error, "sites": []}
    outputs = outputs_of(result)
    assert (outputs["outcome"], outputs["reason"], outputs["commit"]) == ("refused", "ImageMissing", "")
    assert annotations_of(result) == [("error", "bump: refused", "reg.io/web:1: no such image\npush it")]


@each_row(
    ("outcome", "levels"),
    [
        (Outcome.READY, []),
        (Outcome.UNCHANGED, []),
        (Outcome.SUPERSEDED, ["warning"]),
        (Outcome.TIMED_OUT, ["warning"]),
        (Outcome.FAILED, ["error"]),
        (Outcome.SUSPENDED, ["error"]),
    ],
)
def test_what_is_not_where_it_should_be_is_annotated(outcome: Outcome, levels: list[str]) -> None:
    annotations = annotations_of({"outcome": outcome.value, "exitCode": 0, "sites": [site(outcome)]})
    assert [level for level, _, _ in annotations] == levels
    assert all(text == "web message\nserving now: old\nhint" for _, _, text in annotations)


def test_a_wrong_input_ends_the_step_with_an_annotation_and_outputs(tmp_path: Path) -> None:
    log = io.StringIO()
    outputs = tmp_path / "outputs"
    environ = {"BUMP_INPUT_REPO": "octo/platform", "BUMP_INPUT_SITE": "web", "GITHUB_OUTPUT": str(outputs)}
    context = Context(environ=environ, cwd=tmp_path, stdout=log, stderr=io.StringIO())
    assert action.run(argparse.Namespace(), context) == EXIT_USAGE
    first, *messages, resumed, annotation = log.getvalue().splitlines()
    assert first.startswith("::stop-commands::")
    assert resumed == f"::{first.removeprefix('::stop-commands::')}::"
    assert annotation.startswith(
        "::error title=bump%3A usage::web: expected one of the input sha and the input tag, neither is given%0Asha: SHA of"
    )
    assert messages[0].startswith("error: web: expected one of")
    assert "outcome<<" in outputs.read_text()


@pytest.mark.parametrize("takes_nothing", [".", "absent/outputs", "/dev/full"])
def test_outputs_that_nobody_takes_are_said_and_change_nothing(tmp_path: Path, takes_nothing: str) -> None:
    log = io.StringIO()
    environ = {
        "BUMP_INPUT_REPO": "octo/platform",
        "BUMP_INPUT_SITE": "web",
        "GITHUB_OUTPUT": str(tmp_path / takes_nothing),
    }
    context = Context(environ=environ, cwd=tmp_path, stdout=log, stderr=io.StringIO())
    assert action.run(argparse.Namespace(), context) == EXIT_USAGE
    assert f"::warning title=GITHUB_OUTPUT::GITHUB_OUTPUT: {tmp_path / takes_nothing}: " in log.getvalue()


def test_a_look_is_shown_in_the_log_and_in_the_summary(tmp_path: Path) -> None:
    log, summary = io.StringIO(), tmp_path / "summary"
    context = Context({"GITHUB_STEP_SUMMARY": str(summary)}, tmp_path, stdout=log, stderr=io.StringIO())

    def look(inner: Context) -> int:
        inner.stdout.write("SITE\nweb  <ready>\n::error::not a command\n")
        return 0

    assert run_look(look, context, in_summary=True) == 0
    first, *shown, last = log.getvalue().splitlines()
    assert first.startswith("::stop-commands::")
    assert shown == ["SITE", "web  <ready>", "::error::not a command"]
    assert last == f"::{first.removeprefix('::stop-commands::')}::"
    assert summary.read_text() == "<pre>SITE\nweb  &lt;ready&gt;\n::error::not a command</pre>\n"


def test_a_look_that_fails_says_so_in_the_words_of_a_workflow(tmp_path: Path) -> None:
    log = io.StringIO()
    context = Context({}, tmp_path, stdout=log, stderr=io.StringIO())

    def look(inner: Context) -> int:
        raise UsageError("no such site", hint="name it: --site SITE")

    assert run_look(look, context, in_summary=True) == EXIT_USAGE
    assert "error: no such site\nhelp:  name it: site: SITE\n" in log.getvalue()
    assert log.getvalue().endswith("::error title=bump%3A usage::no such site%0Aname it: site: SITE\n")


@pytest.mark.parametrize("command", [*action.STEPS, "stauts"])
@each_row(("wanted", "expected"), [("", 1), ("maybe", 1), ("false", 0)])
def test_what_ends_a_step_early_stands_in_the_summary_of_the_job(
    tmp_path: Path, command: str, wanted: str, expected: int
) -> None:
    summary = tmp_path / f"summary-{wanted}"
    environ = {
        "BUMP_INPUT_COMMAND": command,
        "BUMP_INPUT_TIMEOUT": "soon",
        "BUMP_INPUT_OLDER_THAN": "yesterday",
        "BUMP_INPUT_SUMMARY": wanted,
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    context = Context(environ, tmp_path, io.StringIO(), io.StringIO())
    assert action.run(argparse.Namespace(), context) == EXIT_USAGE
    text = summary.read_text() if summary.exists() else ""
    assert text.count("### ❌ Nothing was deployed\n\n**Not started:** ") == expected


def test_a_kubeconfig_is_a_file_of_ours_alone_and_removed(tmp_path: Path) -> None:
    environ = {"BUMP_INPUT_KUBECONFIG": "apiVersion: v1\n", "RUNNER_TEMP": str(tmp_path)}
    context = Context(environ=environ, cwd=tmp_path, stdout=io.StringIO(), stderr=io.StringIO())
    with kubeconfig(context) as within:
        path = Path(within["KUBECONFIG"])
        assert path.read_text() == "apiVersion: v1\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []
    with kubeconfig(Context({}, tmp_path, io.StringIO(), io.StringIO())) as within:
        assert "KUBECONFIG" not in within


def test_every_input_reaches_the_program_by_the_environment() -> None:
    text = (ROOT / "action.yml").read_text()
    assert {name for name in ACTION["inputs"] if f"${{{{ inputs.{name} }}}}" not in text} == set()
    read = {
        f"BUMP_INPUT_{name.upper().replace('-', '_')}"
        for name in ACTION["inputs"]
        if not re.fullmatch(r"receiver-\w+|(source-)?token|source-repository|app-.*", name)
    }
    (step,) = [step for step in ACTION["runs"]["steps"] if step.get("id") == "bump"]
    assert {name for name in step["env"] if name.startswith("BUMP_INPUT_")} == read


def test_the_action_has_what_the_marketplace_asks_for() -> None:
    assert 0 < len(ACTION["description"]) <= 125
    assert ACTION["name"]
    assert ACTION["branding"] == {"icon": "arrow-up-circle", "color": "blue"}
    assert all(
        declared["description"] for declared in [*ACTION["inputs"].values(), *ACTION["outputs"].values()]
    )


@pytest.mark.parametrize(("tag", "code"), [("present", 0), ("v99.0.0", 1)])
def test_a_release_takes_its_part_of_the_changelog(tmp_path: Path, tag: str, code: int) -> None:
    (step,) = [s for s in workflow("release.yml")["jobs"]["release"]["steps"] if "awk" in s.get("run", "")]
    environ = {
        "PATH": os.environ["PATH"],
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_REF_NAME": f"v{VERSION}" if tag == "present" else tag,
    }
    script = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
    ended = subprocess.run(script, cwd=ROOT, env=environ, check=False, capture_output=True)
    assert ended.returncode == code
    if code == 0:
        notes = (tmp_path / "notes.md").read_text()
        assert "The first version." in notes
        assert "\n## [" not in notes


def test_windows_is_refused_in_words(tmp_path: Path) -> None:
    find = ACTION["runs"]["steps"][0]
    script = ["bash", "--noprofile", "--norc", "-p", "-e", "-o", "pipefail", "-c", find["run"]]
    environ = {**os.environ, "GITHUB_OUTPUT": str(tmp_path / "outputs")}
    refused = subprocess.run(
        script, env={**environ, "RUNNER_OS": "Windows"}, check=False, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert refused.stdout == (
        "::error title=bump::this action runs on Linux and macOS, and this is a Windows runner: "
        "give the job that deploys runs-on: ubuntu-24.04\n"
    )
    on_macos = subprocess.run(script, env={**environ, "RUNNER_OS": "macOS"}, check=False, capture_output=True)
    assert on_macos.returncode == 0


@each_row("path", FILES, ids=lambda path: path.name)
def test_no_expression_stands_in_a_script_and_every_action_is_pinned(path: Path) -> None:
    loaded = YAML(typ="safe").load(path.read_text())
    steps = [
        *loaded.get("runs", {}).get("steps", []),
        *(s for job in loaded.get("jobs", {}).values() for s in job.get("steps", [])),
    ]
    assert steps
    for step in steps:
        assert "${{" not in step.get("run", "")
        if "uses" in step and not step["uses"].startswith("./"):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", step["uses"])
    for line in path.read_text().splitlines():
        assert not re.search(r"uses: \w.*@[0-9a-f]{40}$", line), "the version stands beside a pin"


def test_the_action_uses_no_other_one_and_takes_nothing_from_where_it_runs() -> None:
    steps = ACTION["runs"]["steps"]
    assert [step["uses"] for step in steps if "uses" in step] == []
    assert {step["shell"] for step in steps} == {"bash --noprofile --norc -p -e -o pipefail {0}"}
    for step in steps:
        assert step["env"]["LD_PRELOAD"] == step["env"]["LD_AUDIT"] == step["env"]["LD_LIBRARY_PATH"] == ""
        starts = re.findall(r'"\$(?:python|program|BUMP_PYTHON)" (-\S+)', step["run"])
        assert set(starts) == {"-I"}


def test_what_runs_by_the_clock_does_not_ask_its_event_for_the_repository(subtests: pytest.Subtests) -> None:
    """The event `schedule` tells the schedule alone; it runs on the default branch, which is the ref then."""
    clocked = [path for path in FILES[1:] if re.search(r"^ +(# )?schedule:", path.read_text(), re.MULTILINE)]
    assert {path.name for path in clocked} >= {"report.yml", "sweep.yml", "promote.yml"}
    for path in clocked:
        with subtests.test(path.name):
            fallbacks = re.findall(r"github\.event\.repository\S+( \|\| github\.ref_name)?", path.read_text())
            assert all(fallbacks), fallbacks


@each_row("path", FILES[1:], ids=lambda path: path.name)
def test_workflows_begin_without_permissions_and_jobs_have_the_least(path: Path) -> None:
    loaded = YAML(typ="safe").load(path.read_text())
    assert loaded["permissions"] == {}
    assert all("permissions" in job and "timeout-minutes" in job for job in loaded["jobs"].values())
    group = loaded["concurrency"]
    if "bump-" in group["group"]:
        assert group == {"group": "bump-${{ inputs.site }}", "cancel-in-progress": False, "queue": "max"}


def test_the_commit_is_written_down_for_visitors_inside_of_the_site_alone(tmp_path: Path) -> None:
    (step,) = [
        step
        for step in workflow("deploy-site.yml")["jobs"]["deploy"]["steps"]
        if "BUILD_JSON" in step.get("env", {})
    ]
    site, outside = tmp_path / "site", tmp_path / "bump"
    for folder in (site / "web", site / ".git", outside):
        folder.mkdir(parents=True)
    (site / "web" / "away").symlink_to(outside)

    def write(build_json: str) -> int:
        environ = {
            "PATH": os.environ["PATH"],
            "FOLDER": "web",
            "BUILD_JSON": build_json,
            "SHA": "abc1234" * 5,
        }
        script = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
        return subprocess.run(script, cwd=tmp_path, env=environ, check=False, capture_output=True).returncode

    assert write("public/.well-known/build.json") == 0
    assert json.loads((site / "web/public/.well-known/build.json").read_text()) == {"sha": "abc1234" * 5}
    for outward in ("away/build.json", "../../bump/build.json", "../.git/config"):
        assert write(outward) == 1
    assert list(outside.iterdir()) == list((site / ".git").iterdir()) == []
