"""The comment and the summary: whole texts, and what foreign text may not do, rendered with GitHub's own Markdown."""

import re
import shlex
from dataclasses import replace

import pytest
from github_pages import FAILED, NEW, OLD, PAGES, READY, Page, report, stages, story
from hypothesis import example, given
from hypothesis import strategies as st
from tables import each_row

from bumper.errors import FieldMissing, Outcome
from bumper.fluxtree.layers import Gap
from bumper.fluxtree.proof import Proof
from bumper.image import ImageReference
from bumper.manifest import Edit
from bumper.objects import ObjectKey
from bumper.ports.run import State, Step
from bumper.publish import markdown
from bumper.publish.chart import gantt
from bumper.publish.comment import LIMIT, MARKER, Detail, holds, merged, sections, summary
from bumper.publish.evidence import in_order
from bumper.publish.remedy import Remedy, pasted, remedies
from bumper.publish.story import SiteStory, Story
from bumper.rollout.site import WorkloadEnd
from bumper.rollout.verdict import Verdict
from bumper.safe_text import printable

SIGNS = "@#:<>&`*_~[]()!|\\$/.-+=\"'{}\n\r\t \u2028\x1b\x00aZ09é🙂"
WORDS = [
    "<!--",
    "-->",
    "</pre>",
    "</details>",
    "```",
    "www.x.yz",
    "https://x.yz",
    "GH-12",
    "@octo/team",
    "a@b.cd",
    ":100:",
]
WORDS += ["\n\n# x", "<!-- /gitops-bump -->"]
NASTY = st.lists(st.sampled_from([*SIGNS, *WORDS]), max_size=40).map("".join)
PLACES = [
    "message",
    "reason",
    "hint",
    "serving",
    "evidence",
    "warning",
    "detail",
    "stage",
    "site",
    "place",
    "tag",
    "error",
]
CHANGE = (
    f"<code>{OLD}</code> → <code>{NEW}</code> ([compare](https://github.com/octo/web/compare/{OLD}...{NEW}))"
)
CHANGE_IN_A_ROW = (
    f"[<code>{OLD}</code> →\u00a0<code>{NEW}</code>](https://github.com/octo/web/compare/{OLD}...{NEW})"
)
PLACES += ["standing", "notice", "rolled_back"]


def test_ready_is_told_whole() -> None:
    assert merged("", story(READY)) == (
        f"""{MARKER}

<!-- gitops-bump: daf4486551319abe -->
<!-- row ✅ Ready|[web](https://web.example)|{CHANGE_IN_A_ROW}|9.4 s -->
### ✅ [web](https://web.example) is Ready in 9.4 s: {CHANGE}

✅ image 0.3 s · ✅ commit 0.9 s · ✅ fetched 1.2 s · ✅ applied 0.7 s · ✅ rolled out 6.3 s

<details><summary>Details</summary>

- **image** reg.io/web:abc1234 sha256:9f2c… linux/amd64
- **commit** main@\u2060sha1:3f9d2ab k8s/web/deployment.yaml:21
- **fetched** main@\u2060sha1:3f9d2ab
- **applied** Kustomization flux-system/web
- **rolled out** 0/1 available pod web-7c9fd pulling the image
- **timeline** pushed 0.9 s, ready 8.2 s
- **reference** <code>reg.io/web:abc1234@\u2060sha256:{"9f" * 32}</code>
- **line** <code>k8s/web/deployment.yaml:21</code> in [<code>main@\u2060sha1:3f9d2ab</code>](https://github.com/octo/platform/commit/3f9d2ab0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6)

{gantt([("", stages())])}

</details>

<sub>[this run](https://github.com/octo/web/actions/runs/42)</sub>
<!-- /gitops-bump -->"""
    )


def test_a_failure_that_was_rolled_back_says_to_what() -> None:
    failed = story(FAILED)
    (site,) = failed.sites
    back = replace(site.reports[0], rolled_back=f"to {OLD} as main@sha1:3f9d2ab: Ready in 3.4 s")
    text = merged("", replace(failed, sites=(replace(site, reports=(back,)),)))
    assert f"**Rolled back:** to {OLD} as main@" in text
    assert "3f9d2ab: Ready in 3.4 s" in text
    assert "### ❌ [web](https://web.example) failed and was rolled back: " in text
    kept = replace(back, rolled_back="no: main moved on")
    text = merged("", replace(failed, sites=(replace(site, reports=(kept,)),)))
    assert "### ❌ [web](https://web.example) failed: " in text


def test_a_failure_tells_outcome_cause_evidence_what_is_served_what_next_and_stages_in_this_order() -> None:
    text = merged("", story(FAILED))
    passages = [
        "### ❌ [web](https://web.example) failed: ",
        "**ImagePullBackOff**: reg.io/web:abc1234 is not in the registry",
        '- ` pod web-7c9fd: Failed to pull image "reg.io/web:abc1234": not found `\n- ` pod web-7c9fd: Back-off pulling image `',
        "**Serving now:** 08a2c8e, 1/1 available: visitors see the old version",
        "**Next:** push the image",
        "or\n\n```sh\nbump rollback --site web\n```",
        "✅ applied 0.7 s · ❌ rolled out 6.3 s",
        "<details>",
        "rolled out 6.3 s :crit",
    ]
    places = [text.index(passage) for passage in passages]
    assert places == sorted(places)


def test_what_helps_is_told_in_the_order_of_the_hint() -> None:
    hint = "see whether it is up: kubectl get nodes; or to push without following: wait: false"
    text = summary(replace(story(None), error=FieldMissing("no answer", hint=hint)))
    assert (
        "**Next:** see whether it is up\n\n```sh\nkubectl get nodes\n```\n\nor to push without following: wait: false\n"
        in text
    )


def test_what_goes_on_is_told_with_its_stages_so_far() -> None:
    text = merged("", story(None))
    assert "### ⏳ web is being deployed: " in text
    assert "✅ applied 0.7 s · ⏳ rolled out 6.3 s<br>**rolled out** 0/1" in text
    assert "**rolled out** 0/1 available pod web-7c9fd pulling the image" in text
    assert text.endswith(f"<sub>[this run]({PAGES.run})</sub>\n<!-- /gitops-bump -->")


@each_row(
    "outcome",
    [outcome for outcome in Outcome if outcome not in (Outcome.REFUSED, Outcome.CONTENTION, Outcome.DENIED)],
)
def test_every_verdict_has_a_headline(outcome: Outcome) -> None:
    assert "⏳" not in merged("", story(Verdict(outcome, "Reason", "message")))
    page = Page(merged("", story(Verdict(outcome, "Reason", "message"))))
    headline = page.text.strip().splitlines()[0]
    assert re.match(
        rf"(✅|⚠️|❌) web (is|was|failed|would|could) ?.*: {OLD} → {NEW} \(compare\)$", headline
    ), headline


def test_a_run_that_was_refused_says_why_and_what_helps() -> None:
    error = FieldMissing("k8s/web: no Deployment with the image of 'web'", hint="name it with --image")
    text = summary(replace(story(None), error=error))
    assert text.startswith(f"### ❌ web was not deployed: <code>{OLD}</code> → <code>{NEW}</code>")
    assert (
        "**Refused:** k8s/web: no Deployment with the image of 'web'\n\n**Next:** name it with --image"
        in text
    )
    early = summary(Story(pages=PAGES, error=error))
    assert early.startswith("### ❌ Nothing was deployed\n\n**Refused:** ")


def test_a_run_that_was_interrupted_says_where_things_stand() -> None:
    text = summary(
        replace(
            story(None),
            standing=("web: abc1234 is on the branch", "it goes on; to follow again: bump track --site web"),
        )
    )
    assert text.startswith("### ⚠️ web is not followed any more: ")
    assert (
        "web: abc1234 is on the branch<br>it goes on\n\n**Next:** to follow again\n\n```sh\nbump track --site web\n```"
        in text
    )


def test_several_clusters_of_a_site_are_told_one_after_the_other() -> None:
    both = replace(
        story(READY).sites[0],
        reports=(report(READY, site="web in blue"), report(FAILED, site="web in green")),
    )
    text = merged("", replace(story(READY), sites=(both,)))
    assert "### ❌ 2 sites: 1 Ready, 1 failed\n\n| site | change | outcome |" in text
    assert f"| ✅ [web in blue](https://web.example) | {CHANGE_IN_A_ROW} | Ready, 9.4 s |" in text
    assert text.index("<summary>Details of web in blue</summary>") < text.index(
        "### ❌ [web in green](https://web.example) failed"
    )
    assert text.count("<!-- /gitops-bump -->") == 1


def test_notices_and_the_diff_of_a_dry_run_are_said_once() -> None:
    run = replace(
        story(Verdict(Outcome.PLANNED, "DryRun", "would go"), sites=("web", "api")),
        notices=("no permission to watch pods",),
        diff="--- a/x\n+++ b/x\n@@ -1 +1 @@\n-  <a>\n+  b\n",
    )
    text = summary(run)
    assert text.count("> ⚠️ no permission to watch pods") == 1
    assert text.count("<pre>--- a/x\n+++ b/x\n@@ -1 +1 @@\n-  &lt;a&gt;\n+  b</pre>") == 1


def test_what_the_headline_of_an_unchanged_site_says_is_not_said_again() -> None:
    verdict = Verdict(
        Outcome.UNCHANGED, "Ready", f"{NEW} was already there and is Ready", warnings=("moved",)
    )
    text = summary(story(verdict))
    assert text.count("already there") == 1
    assert "> ⚠️ moved" in text


def test_what_changes_in_what_is_built_is_said_with_its_hash() -> None:
    edit = Edit("k8s/web/web.yaml", 9, 1, 2, b"1", b"2")
    gap = Gap("k8s/web/kustomization.yaml", 3, "a|b is not in this repository")
    plan = Proof((edit,), unproved=(gap,), reconciles=12)
    run = replace(story(READY), plan=plan)
    page = summary(run)
    assert (
        "**Plan (not proved):** no image that is seen here; nothing else; 12 Kustomizations reconcile<br><code>"
        f"{plan.hash}</code>" in page
    )
    assert str(gap) not in page
    assert f"- ` not proved: {gap} `" in summary(replace(run, diff="+ 2"))


def test_a_run_replaces_its_own_sections_and_keeps_those_of_others() -> None:
    first = merged("", story(None, sites=("web", "api")))
    docs = merged(first, story(READY, sites=("docs",)))
    both = merged(docs, story(READY, sites=("web", "api")))
    assert re.findall(r"^\| ✅ \[(\w+)\]", both, re.MULTILINE) == ["web", "api", "docs"]
    assert both.startswith(f"{MARKER}\n\n### ✅ 3 sites: 3 Ready\n")
    assert "being deployed" not in both
    assert holds(both, story(READY, sites=("docs",)))
    assert not holds(first, story(READY, sites=("web",)))
    assert merged(both, story(READY, sites=("web", "api"))) == both


def test_sites_of_one_name_have_a_section_each_and_take_the_place_of_the_one_that_they_shared() -> None:
    shared = merged(merged("", story(READY, sites=("docs",))), story(READY, sites=("web",)))
    east = merged(shared, story(READY, sites=("web (east)",)))
    both = merged(east, story(READY, sites=("web (west)",)))
    assert re.findall(r"\[([^]]+)\]\(https://web.example\) is Ready", both) == [
        "docs",
        "web (east)",
        "web (west)",
    ]


def test_two_platforms_that_run_the_same_site_have_a_section_each() -> None:
    staging = replace(story(READY), pages=replace(PAGES, platform="https://github.com/octo/staging"))
    assert merged(merged("", story(READY)), staging).count("is Ready") == 2


def test_commits_are_compared_and_other_tags_are_not() -> None:
    def headline(previous: str, wanted: str) -> str:
        site_report = replace(
            report(READY), previous=ImageReference("w", previous), image=ImageReference("w", wanted)
        )
        run = replace(story(READY), sites=(SiteStory("web", previous, wanted, {}, (site_report,)),))
        return summary(run).splitlines()[0]

    assert "compare/08a2c8e...abc1234" in headline("08a2c8e", "abc1234")
    assert "compare" not in headline("v1.2", "abc1234")
    assert "compare" not in headline("", "abc1234")
    assert headline("abc1234", "abc1234").endswith(": <code>abc1234</code>")


@given(NASTY, st.sampled_from(PLACES))
@example("</pre><script>alert(1)</script> @octocat", "evidence")
@example("x\n\n<!-- /gitops-bump -->\n# @octocat closes #1", "message")
@example("https://evil.example [x](http://evil.example) www.evil.example a@evil.example", "hint")
@example("~~~\n```\n|", "detail")
def test_foreign_text_stays_in_its_place_and_does_nothing(nasty: str, where: str) -> None:
    calm, wild = (_with(text, where) for text in ("calm", f"x{nasty}x"))
    for write in (summary, lambda run: merged("", run)):
        expected, page = Page(write(calm)), Page(write(wild))
        assert page.shape == expected.shape
        assert sorted(set(page.links)) == sorted(set(expected.links))
        assert page.does == expected.does == []
    again = merged(merged("", wild), calm)
    assert again == merged("", calm) or where == "site"


def _with(text: str, where: str) -> Story:
    verdict = {
        "message": replace(FAILED, message=text),
        "reason": replace(FAILED, reason=text),
        "hint": replace(FAILED, hint=text),
        "serving": replace(FAILED, serving=text),
        "evidence": replace(FAILED, evidence=(text, text)),
        "warning": replace(FAILED, warnings=(text,)),
    }.get(where, FAILED)
    site_report = report(verdict)
    if where in ("detail", "stage"):
        step = Step("web", "image", State.FAILED, "x", 1.0)
        site_report = replace(
            site_report,
            steps=(replace(step, stage=text) if where == "stage" else replace(step, detail=text),),
        )
    if where == "rolled_back":
        site_report = replace(site_report, rolled_back=text)
    if where == "place":
        site_report = replace(site_report, place=text)
    if where == "tag":
        site_report = replace(site_report, image=ImageReference("reg.io/web", text))
    run = replace(story(FAILED), sites=(SiteStory("web", OLD, NEW, {}, (site_report,)),))
    if where == "site":
        return replace(run, sites=(SiteStory(text, OLD, NEW, {}, (replace(site_report, site=text),)),))
    if where == "error":
        return replace(story(None), error=FieldMissing(text, hint=text))
    if where == "standing":
        return replace(story(None), standing=(text, text))
    return replace(run, notices=(text,)) if where == "notice" else run


@given(NASTY)
def test_what_is_shown_is_what_was_written(nasty: str) -> None:
    shown = Page(f"a {markdown.inline(nasty)} z").text
    assert "".join(shown.replace("\u2060", "").split()) == "".join(f"a {printable(nasty)} z".split())


@given(NASTY, st.integers(40, 300))
def test_a_text_is_cut_to_the_bytes_that_are_left(nasty: str, limit: int) -> None:
    cut = markdown.inline(nasty * 20, limit)
    assert markdown.size(cut) <= limit
    assert Page(f"a {cut} z").shape == ["p", "/p"]


@given(st.lists(NASTY, max_size=30), st.integers(0, 400))
def test_a_block_of_lines_says_how_many_it_leaves_out(lines: list[str], limit: int) -> None:
    block = Page(markdown.preformatted(lines, limit))
    assert block.shape == ["pre", "/pre"]
    shown = block.text.removesuffix("\n").split("\n") if lines else []
    left_out = re.fullmatch(r"\((\d+) more lines\)", shown[-1]) if shown else None
    assert len(shown) - bool(left_out) + int(left_out[1] if left_out else 0) == len(lines)


@given(NASTY)
def test_a_chart_holds_a_closed_set_of_characters(nasty: str) -> None:
    chart = gantt([(f"x{nasty}", (Step(nasty, nasty, State.DONE, nasty, 3.0),) * 2)])
    lines = chart.splitlines()
    assert lines[0] == "```mermaid"
    assert lines[-1] == "```"
    assert len(lines) == 10
    assert re.fullmatch(r"  section [A-Za-z0-9._/ -]+", lines[6])
    assert re.fullmatch(r"  [A-Za-z0-9._/ -]+ 3\.0 s :done, 0, 3000", lines[7])


@each_row(
    ("lengths_s", "axis", "ticks"),
    [
        ((0.3, 0.2), "", ""),
        ((0.3, 30), "", ""),
        ((2.0, 4.0), "%s s", "1second"),
        ((5, 9.4), "%s s", "5second"),
        ((60, 100), "%s s", "30second"),
        ((120, 480), "%s min", "2second"),
        ((600, 3000), "%s min", "10second"),
    ],
)
def test_a_chart_is_drawn_where_it_says_something_with_few_ticks(
    lengths_s: tuple[float, ...], axis: str, ticks: str
) -> None:
    chart = gantt([("web", [Step("web", "x", State.DONE, "", length_s) for length_s in lengths_s])])
    assert bool(chart) is bool(axis)
    assert not axis or f"axisFormat {axis}\n  tickInterval {ticks}\n" in chart


def test_a_failure_links_to_the_page_that_takes_it_back_and_names_what_to_fill_in() -> None:
    verdict = replace(
        FAILED, hint="bump rollback --site web --kustomization 'a b' --repo https://x.example/p.git"
    )
    page = f"{PAGES.platform}/actions/workflows/bump.yml"
    failed = replace(story(verdict), pages=replace(PAGES, actions=page))
    assert (
        f"```\n\nor [run the workflow on the Actions page]({page}) with command <code>rollback</code>, "
        "site <code>web</code>, kustomization <code>a b</code>, dry-run <code>off</code>\n" in summary(failed)
    )
    assert "Actions page" not in summary(story(verdict))
    assert "Actions page" not in summary(replace(story(READY), pages=replace(PAGES, actions=page)))


def test_the_line_that_tells_most_comes_first_and_nothing_twice() -> None:
    uid = "(d43f3091-9763-4702-ae52-65764e03a45c)"
    seen = (
        f"CrashLoopBackOff: back-off 20s restarting failed container=web pod=web-1_web{uid}",
        f"BackOff: Back-off restarting failed container web in pod web-1_web{uid}",
        "log: starting",
        "log: fatal: no DATABASE_URL",
        "log: bye",
    )
    assert in_order(seen) == [
        "log: fatal: no DATABASE_URL",
        "log: starting",
        "log: bye",
        "CrashLoopBackOff: back-off 20s restarting failed container=web pod=web-1_web",
    ]
    assert in_order(("log: a", "log: b")) == ["log: b", "log: a"]
    assert in_order(("x", "y", "x")) == ["x", "y"]
    pulled = 'ImagePullBackOff: Back-off pulling image "reg.io/web:1": ErrImagePull: not found'
    bare = ("Failed: Error: ErrImagePull", "Failed: Error: ImagePullBackOff")
    assert in_order((bare[0], pulled, bare[1])) == [pulled]
    assert in_order(bare) == [*bare]


@each_row(
    ("hint", "expected"),
    [
        ("push the image, or: bump rollback --site web", [Remedy("push the image"), Remedy("", "bump rollback --site web")]),
        ("kubectl get pods -n web -o yaml; a deploy of it wants --no-wait",
         [Remedy("", "kubectl get pods -n web -o yaml"), Remedy("a deploy of it wants --no-wait")]),
        ("who wrote it: kubectl get deployment web -o yaml", [Remedy("who wrote it", "kubectl get deployment web -o yaml")]),
        ("compare it: bump --dry-run shows its file, the docs its message",
         [Remedy("compare it: bump --dry-run shows its file, the docs its message")]),
        ("push it again; wait if it is a mirror; or: bump rollback --site web",
         [Remedy("push it again; wait if it is a mirror"), Remedy("", "bump rollback --site web")]),
        ("", []),
    ],
)  # fmt: skip
def test_a_hint_is_taken_apart_into_commands_and_words(hint: str, expected: list[Remedy]) -> None:
    assert remedies(hint) == expected


def test_a_command_says_where_it_is_carried_out() -> None:
    place = " --repo https://x.example/p.git --context east"
    assert pasted("wait; or: bump rollback --site web --image 'a b'; or bump check", place) == (
        f"wait; or: bump rollback --site web --image 'a b'{place}; or bump check"
    )
    assert pasted("bump rollback --site web", "") == "bump rollback --site web"


@given(NASTY)
def test_a_command_is_one_block_of_code(nasty: str) -> None:
    assert Page(f"a\n\n{markdown.command(f'x{nasty}x')}\n\nz").shape == [
        "p", "/p", "pre", "code", "/code", "/pre", "p", "/p",
    ]  # fmt: skip


@each_row(
    ("command", "rows"),
    [
        ("kubectl logs web-1 -n web", ["kubectl logs web-1 -n web"]),
        ("kubectl logs web-6f4dd5df7c-56fkg -n web -c web --previous",
         ["kubectl logs web-6f4dd5df7c-56fkg \\", "  -n web -c web --previous"]),
        ("bump rollback --site web --repo https://github.com/octo/platform.git --kustomization 'a b'",
         ["bump rollback --site web --repo \\", "  https://github.com/octo/platform.git \\", "  --kustomization 'a b'"]),
        ("bump rollback --site web --reason 'what stays open is left as it is",
         ["bump rollback --site web --reason 'what stays open is left as it is"]),
    ],
)  # fmt: skip
def test_a_command_goes_on_in_the_next_line_where_a_phone_would_cut_it(command: str, rows: list[str]) -> None:
    block = markdown.command(command).splitlines()
    assert block == ["```sh", *rows, "```"]
    if len(rows) > 1:
        # A shell takes both signs away.
        assert shlex.split("\n".join(rows).replace("\\\n", "")) == shlex.split(command)


@given(st.lists(NASTY, min_size=1, max_size=9))
def test_what_others_said_is_shown_as_it_is_a_line_each(lines: list[str]) -> None:
    page = Page(markdown.quoted(lines, 100_000))
    assert page.shape == ["ul", *["li", "code", "/code", "/li"] * len(lines), "/ul"]
    assert [item.split() for item in page.text.strip("\n").split("\n")] == [
        Page(markdown.preformatted([line], 100_000)).text.split() for line in lines
    ]


@pytest.mark.parametrize("sites", [1, 6])
@pytest.mark.slow
def test_a_body_is_never_longer_than_github_takes(sites: int) -> None:
    long = "<é&*`🙂" * 180
    verdict = replace(
        FAILED, message=long, hint=long, serving=long, evidence=(long,) * 12, warnings=(long,) * 12
    )
    run = replace(
        story(verdict, sites=tuple(f"site-{number}" for number in range(sites))), notices=(long,) * 12
    )
    for text in (merged("", run), summary(run)):
        assert len(text.encode()) <= LIMIT
        assert "site-0" in text
    body = merged("", run)
    assert body.count("<!-- gitops-bump: ") - 1 == body.count("<!-- /gitops-bump -->") > 0
    others = merged(merged("", story(READY, sites=("docs",))), run)
    assert len(others.encode()) <= LIMIT
    assert merged(body, run) == body
    if sites == 6:
        assert re.search(r"\(\d+ more sites are left out", body)


def test_the_longest_detail_that_fits_is_chosen() -> None:
    evidence = tuple(f"line {number} of the log" for number in range(400))
    single, many = (story(replace(FAILED, evidence=evidence), sites=("web",) * count) for count in (1, 15))
    many = replace(
        many, sites=tuple(replace(site, site=f"web-{number}") for number, site in enumerate(many.sites))
    )
    assert "line 399" in merged("", single)
    assert "line 9 " in merged("", many)
    assert "line 399" not in merged("", many)
    assert sections(single, Detail.LINE) != sections(single, Detail.SHORT) != sections(single, Detail.FULL)


def test_secrets_do_not_get_out() -> None:
    token = "ghp_" + "a1B2" * 9
    text = merged(
        "", story(replace(FAILED, evidence=(f"password=hunter22 {token}",), message=f"token {token}"))
    )
    assert token not in text
    assert "hunter22" not in text


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://x.example/a b", "https://x.example/)[x](", "", "data:x"]
)
def test_only_plain_web_addresses_are_linked(address: str) -> None:
    assert markdown.link("x", address) == "x"
    assert stages()


def test_each_of_several_workloads_has_a_line() -> None:
    ends = (
        WorkloadEnd(ObjectKey("Deployment", "web", "web"), READY, "1/1 available", is_rolled_out=True),
        WorkloadEnd(ObjectKey("Deployment", "web", "a|b"), FAILED),
        WorkloadEnd(ObjectKey("StatefulSet", "web", "db"), FAILED, "2/2 available", is_rolled_out=True),
        WorkloadEnd(ObjectKey("CronJob", "web", "tidy"), None, "waiting"),
    )
    shown = story(FAILED)
    (site,) = shown.sites
    reports = (
        replace(site.reports[0], workloads=ends, places=("a.yaml:1", "b.yaml:2"), stays=("c.yaml:3 web:1",)),
    )
    text = merged("", replace(shown, sites=(replace(site, reports=reports),)))
    assert (
        "| workload | | |\n|---|---|---|\n"
        "| Deployment web/web | ✅ ready | 1/1 available |\n"
        "| Deployment web/a&#124;b | ❌ failed | ImagePullBackOff |\n"
        "| StatefulSet web/db | ✅ rolled out | 2/2 available |\n"
        "| CronJob web/tidy | ⚠️ moving | waiting |\n"
    ) in text
    assert "- **line** <code>a.yaml:1</code>, <code>b.yaml:2</code> in " in text
    assert "- **stays** <code>c.yaml:3 web:1</code>" in text
    page = Page(text)
    assert page.shape.count("tr") >= 5
