"""The operations of the sandbox's GraphQL API that speak of pull requests; see `graphql`."""

from typing import Any

from sandbox_github.hosted import Fault, Hosted, Hosting, OpenPull, branch_name, shown_ref

Data = dict[str, Any]


def open_pulls(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted = hosting.named(asked, reads)
    pulls = [pull for pull in hosted.pulls.values() if pull.state == "OPEN" and pull.base == asked["base"]]
    methods = hosted.rules.methods
    return {
        "repository": {
            "id": f"R_{hosted.name}",
            "squashMergeAllowed": "SQUASH" in methods,
            "mergeCommitAllowed": "MERGE" in methods,
            "rebaseMergeAllowed": "REBASE" in methods,
            "ref": shown_ref(hosted, branch_name(asked["ref"]), "target"),
            "ofThisBranch": {
                "nodes": [_seen(hosting, hosted, pull) for pull in pulls if pull.branch == asked["head"]][:1]
            },
            "pullRequests": {"nodes": [_seen(hosting, hosted, pull) for pull in pulls[:-101:-1]]},
        }
    }


def pull_request(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted = hosting.named(asked, reads)
    pull = _seen(hosting, hosted, hosted.pulls[asked["number"]])
    return {
        "repository": {"ref": shown_ref(hosted, branch_name(asked["ref"]), "target"), "pullRequest": pull}
    }


def checks(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted = hosting.named(asked, reads)
    if not hosted.rules.shows_checks:
        raise Fault("FORBIDDEN", "Resource not accessible by integration")
    checks = hosted.pulls[asked["number"]].checks
    return {"repository": {"pullRequest": {"statusCheckRollup": {"state": checks} if checks else None}}}


def open_pull(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    wanted = asked["input"]
    hosted = hosting.hosted(wanted["repositoryId"].removeprefix("R_"), reads)
    branch, base = wanted["headRefName"], wanted["baseRefName"]
    if any(pull.state == "OPEN" and pull.branch == branch for pull in hosted.pulls.values()):
        raise Fault("UNPROCESSABLE", f"A pull request already exists for {hosted.name}:{branch}.")
    number = len(hosted.pulls) + 1
    pull = OpenPull(number, branch, base, wanted["title"], wanted["body"], hosted.tip(branch))
    hosted.pulls[number] = pull
    return {"createPullRequest": {"pullRequest": _seen(hosting, hosted, pull)}}


def reword(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    _, pull = _pull(hosting, asked["input"]["pullRequestId"], reads)
    pull.title, pull.body = asked["input"]["title"], asked["input"]["body"]
    return {"updatePullRequest": {"pullRequest": {"id": asked["input"]["pullRequestId"]}}}


def automate(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted, pull = _pull(hosting, asked["input"]["pullRequestId"], reads)
    if not hosted.rules.auto_merge:
        raise Fault("UNPROCESSABLE", "Auto merge is not allowed for this repository")
    state = hosted.merge_state(pull)
    if state in ("CLEAN", "UNSTABLE"):
        raise Fault("UNPROCESSABLE", f"Pull request Pull request is in {state.lower()} status")
    _refuse_method(hosted, asked["input"])
    pull.automatic = asked["input"]
    return {"enablePullRequestAutoMerge": {"pullRequest": {"id": asked["input"]["pullRequestId"]}}}


def disarm(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    _pull(hosting, asked["input"]["pullRequestId"], reads)[1].automatic = None
    return {"disablePullRequestAutoMerge": {"pullRequest": {"id": asked["input"]["pullRequestId"]}}}


def merge(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted, pull = _pull(hosting, asked["input"]["pullRequestId"], reads)
    _refuse_method(hosted, asked["input"])
    if hosted.merge_state(pull) != "CLEAN" or pull.state != "OPEN" or hosted.rules.queue:
        raise Fault("UNPROCESSABLE", "Pull Request is not mergeable")
    if asked["input"]["expectedHeadOid"] != pull.head:
        raise Fault("UNPROCESSABLE", "Head branch was modified. Review and try the merge again.")
    hosted.merge(pull, asked["input"])
    return {"mergePullRequest": {"pullRequest": {"id": asked["input"]["pullRequestId"]}}}


def enqueue(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    _, pull = _pull(hosting, asked["input"]["pullRequestId"], reads)
    pull.is_queued = True
    return {"enqueuePullRequest": {"clientMutationId": None}}


def comment(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    _pull(hosting, asked["input"]["subjectId"], reads)[1].comments.append(asked["input"]["body"])
    return {"addComment": {"clientMutationId": None}}


def close(hosting: Hosting, asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    _, pull = _pull(hosting, asked["input"]["pullRequestId"], reads)
    pull.state, pull.closed_by = "CLOSED", login
    return {"closePullRequest": {"pullRequest": {"id": asked["input"]["pullRequestId"]}}}


def _refuse_method(hosted: Hosted, wanted: Data) -> None:
    if wanted["mergeMethod"] not in hosted.rules.methods:
        method = wanted["mergeMethod"].capitalize()
        raise Fault("UNPROCESSABLE", f"{method} merges are not allowed on this repository.")


def _pull(hosting: Hosting, node: str, reads: tuple[str, ...]) -> tuple[Hosted, OpenPull]:
    name, _, number = node.removeprefix("PR_").partition(":")
    hosted = hosting.hosted(name, reads)
    return hosted, hosted.pulls[int(number)]


def _seen(hosting: Hosting, hosted: Hosted, pull: OpenPull) -> Data:
    review = pull.review or ("REVIEW_REQUIRED" if hosted.rules.reviews else None)
    return {
        "id": f"PR_{hosted.name}:{pull.number}",
        "number": pull.number,
        "url": f"{hosting.site}/{hosted.name}/pull/{pull.number}",
        "body": pull.body,
        "state": pull.state,
        "headRefName": pull.branch,
        "isCrossRepository": False,
        "mergeStateStatus": hosted.merge_state(pull) if pull.state == "OPEN" else "UNKNOWN",
        "reviewDecision": review,
        "isInMergeQueue": pull.is_queued,
        "isMergeQueueEnabled": hosted.rules.queue,
        "headRef": shown_ref(hosted, pull.branch, "id", "target"),
        "headRefOid": pull.head,
        "changedFiles": hosted.changed_files(pull),
        "commits": {"totalCount": hosted.commits_of(pull)},
        "mergeCommit": {"oid": pull.merge} if pull.merge else None,
        "autoMergeRequest": {"enabledAt": "2026-01-02T03:04:05Z"} if pull.automatic else None,
        "timelineItems": {"nodes": [{"actor": {"login": pull.closed_by}}] if pull.closed_by else []},
    }
