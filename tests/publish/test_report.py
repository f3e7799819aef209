from dataclasses import replace

from bumper.errors import FieldMissing, Outcome
from bumper.image import ImageReference
from bumper.ports.run import State, Step
from bumper.publish import problem, report
from bumper.publish.report import Report, RollbackReport, SiteReport
from bumper.revision import Revision
from bumper.rollout.verdict import Stage, Verdict
from bumper.style import COMMAND, duration, plain

OLD = ImageReference("reg.io/web", "1.0")
NEW = ImageReference("reg.io/web", "2.0", "sha256:" + "a" * 64)
REVISION = Revision("main", "3f9d2ab0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6")
STEPS = (
    Step("web", "image", State.DONE, "reg.io/web:2.0", 0.3),
    Step("web", "fetched", State.DONE, "main@sha1:3f9d2ab", 1.2),
)


def site(verdict: Verdict, name: str = "web") -> SiteReport:
    return SiteReport(
        name, OLD, NEW, "k8s/web/deployment.yaml:21", REVISION, verdict, STEPS, "https://web.example"
    )


def text(report_: Report) -> list[str]:
    return [plain(line) for line in report.verdicts(report_)]


def test_ready_says_how_long_and_where() -> None:
    ready = site(Verdict(Outcome.READY, "Ready", "1/1 available"))
    assert text(Report((ready,), 1.5)) == ["Ready in 1.5 s   https://web.example"]


def test_a_failure_says_cause_evidence_what_is_served_and_what_next() -> None:
    failed = site(
        Verdict(
            Outcome.FAILED,
            "ImagePullBackOff",
            "reg.io/web:2.0 is not in the registry",
            hint="push the image",
            serving="1.0, 1/1 available",
            evidence=("pod web-1: manifest unknown",),
            warnings=("the digest differs",),
        )
    )
    assert text(Report((failed,), 6.3)) == [
        "Failed: reg.io/web:2.0 is not in the registry",
        "  serving now  1.0, 1/1 available",
        "  warning      the digest differs",
        "  seen         pod web-1: manifest unknown",
        "  next         push the image",
    ]


def test_what_failed_comes_first_then_what_it_was_rolled_back_to_and_the_worst_stays() -> None:
    failed = site(Verdict(Outcome.FAILED, "CrashLoop", "it crashed", hint="kubectl logs web-1"))
    calm = site(Verdict(Outcome.READY, "Ready", ""), "api")
    back = replace(site(Verdict(Outcome.READY, "Ready", "")), previous=NEW, image=OLD)
    ended = report.with_rollback(
        Report((failed, calm), 2.0), RollbackReport(Report((back,), 1.5, notices=("a notice",))), {"web"}
    )
    assert text(ended) == [
        "web: Failed: it crashed",
        "  rolled back  to 1.0 as main@sha1:3f9d2ab: Ready in 1.5 s",
        "api: Ready in 1.5 s   https://web.example",
    ]
    data = report.as_data(ended)
    assert (data["outcome"], data["exitCode"], data["seconds"]) == ("failed", 11, 3.5)
    assert (data["rollback"]["outcome"], data["rollback"]["notices"]) == ("ready", ["a notice"])
    assert [site["rolledBack"] for site in data["sites"]] == [
        "to 1.0 as main@sha1:3f9d2ab: Ready in 1.5 s",
        "",
    ]


def test_a_rollback_that_was_not_made_or_failed_says_why_and_what_helps() -> None:
    failed = site(Verdict(Outcome.FAILED, "CrashLoop", "it crashed", hint="kubectl logs web-1"))
    refused = report.with_rollback(
        Report((failed,), 2.0), RollbackReport(error=FieldMissing("web: nowhere to go")), {"web"}
    )
    assert text(refused)[1:] == ["  rolled back  no: web: nowhere to go", "  next         kubectl logs web-1"]
    assert report.as_data(refused)["rollback"]["error"]["message"] == "web: nowhere to go"
    worse = replace(site(Verdict(Outcome.FAILED, "BuildFailed", "no build", hint="repair it")), image=OLD)
    both = report.with_rollback(Report((failed,), 2.0), RollbackReport(Report((worse,), 1.0)), {"web"})
    assert text(both)[1:] == [
        "  rolled back  to 1.0 as main@sha1:3f9d2ab: Failed: no build",
        "  next         repair it",
    ]


def test_several_sites_are_named_and_the_worst_counts() -> None:
    both = Report(
        (
            site(Verdict(Outcome.READY, "Ready", "")),
            site(Verdict(Outcome.TIMED_OUT, "Timeout", "still moving"), "api"),
        ),
        9,
    )
    assert text(both) == ["web: Ready in 1.5 s   https://web.example", "api: Timed out: still moving"]
    assert both.exit_code == 3
    assert report.as_data(both)["outcome"] == "timed-out"


def test_the_diff_of_a_dry_run_comes_first() -> None:
    planned = Report(
        (site(Verdict(Outcome.PLANNED, "DryRun", "would change")),),
        0.1,
        diff="--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
    )
    assert text(planned) == ["--- a/x", "+++ b/x", "@@ -1 +1 @@", "-a", "+b", "Planned: would change"]


def test_json_holds_what_a_script_needs() -> None:
    verdict = Verdict(
        Outcome.FAILED, "BuildFailed", "kustomize build failed", hint="fix it", stage=Stage.APPLIED
    )
    data = report.as_data(Report((site(verdict),), 2.0, notices=("polling",)))
    assert data["exitCode"] == 11
    assert data["notices"] == ["polling"]
    assert data["sites"] == [
        {
            "site": "web",
            "kustomization": "",
            "outcome": "failed",
            "reason": "BuildFailed",
            "message": "kustomize build failed",
            "hint": "fix it",
            "serving": "",
            "evidence": [],
            "warnings": [],
            "stage": "applied",
            "image": "reg.io/web:2.0",
            "tag": "2.0",
            "digest": "sha256:" + "a" * 64,
            "previousTag": "1.0",
            "place": "k8s/web/deployment.yaml:21",
            "commit": REVISION.sha,
            "revision": str(REVISION),
            "url": "https://web.example",
            "rolledBack": "",
            "order": None,
            "places": ["k8s/web/deployment.yaml:21"],
            "stays": [],
            "workloads": [],
            "timeline": [],
            "stages": [
                {"stage": "image", "state": "done", "detail": "reg.io/web:2.0", "seconds": 0.3},
                {"stage": "fetched", "state": "done", "detail": "main@sha1:3f9d2ab", "seconds": 1.2},
            ],
        }
    ]


def test_an_error_names_its_help() -> None:
    error = FieldMissing("k8s/web/deployment.yaml:14: no container 'api'", hint="pass --container")
    assert [plain(line) for line in problem.lines(error)] == [
        "error: k8s/web/deployment.yaml:14: no container 'api'",
        "help:  pass --container",
    ]
    assert problem.as_data(error) == {
        "outcome": "refused",
        "exitCode": 4,
        "error": {"reason": "FieldMissing", "message": error.message, "hint": "pass --container"},
        "sites": [],
    }


def test_each_thing_that_helps_against_an_error_has_a_line_of_its_own() -> None:
    hint = "bump release --site web; or to deploy it all the same: --force --reason TEXT"
    _, *helps = problem.lines(FieldMissing("web is held", hint=hint))
    assert [(plain(line), line[-1].style) for line in helps] == [
        ("help:  bump release --site web", COMMAND),
        ("or:    to deploy it all the same: --force --reason TEXT", ""),
    ]
    hint = "wait for the mirror: the same bump follows it; once more: export BUMP_TOKEN=abc"
    _, *helps = problem.lines(FieldMissing("web is not there", hint=hint))
    assert [line[-1].style for line in helps] == [COMMAND]
    (line,) = problem.lines(FieldMissing("", hint="wait: the same bump follows it"))[1:]
    assert line[-1].style == "", "prose is broken at the window"


def test_durations_are_read_at_a_glance() -> None:
    shown = {0.04: "0.0 s", 12.34: "12.3 s", 59.9: "59.9 s", 60: "1 min 0 s", 185: "3 min 5 s"}
    assert {seconds: duration(seconds) for seconds in shown} == shown
