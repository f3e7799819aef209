"""The operations of the sandbox's GraphQL API that speak of pull requests; see `github_graphql`."""

from typing import TYPE_CHECKING, Any

from sandbox_github.hosted import Fault, Hosted, OpenPull, branch_name, shown_ref

if TYPE_CHECKING:
    from sandbox_github.graphql import GraphQLApi

Data = dict[str, Any]


def open_pulls(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted = api.named(asked, reads)
    found = [one for one in hosted.pulls.values() if one.state == "OPEN" and one.base == asked["base"]]
    methods = hosted.rules.methods
    return {
        "repository": {
            "id": f"R_{hosted.name}",
            "squashMergeAllowed": "SQUASH" in methods,
            "mergeCommitAllowed": "MERGE" in methods,
            "rebaseMergeAllowed": "REBASE" in methods,
            "ref": shown_ref(hosted, branch_name(asked["ref"]), "target"),
            "ofThisBranch": {
                "nodes": [_seen(api, hosted, one) for one in found if one.branch == asked["head"]][:1]
            },
            "pullRequests": {"nodes": [_seen(api, hosted, one) for one in found[:-101:-1]]},
        }
    }


def one_pull(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted = api.named(asked, reads)
    pull = _seen(api, hosted, hosted.pulls[asked["number"]])
    return {
        "repository": {"ref": shown_ref(hosted, branch_name(asked["ref"]), "target"), "pullRequest": pull}
    }


def checks(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted = api.named(asked, reads)
    if not hosted.rules.shows_checks:
        raise Fault("FORBIDDEN", "Resource not accessible by integration")
    checks = hosted.pulls[asked["number"]].checks
    return {"repository": {"pullRequest": {"statusCheckRollup": {"state": checks} if checks else None}}}


def open_pull(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    wanted = asked["input"]
    hosted = api.hosted(wanted["repositoryId"].removeprefix("R_"), reads)
    branch, base = wanted["headRefName"], wanted["baseRefName"]
    if any(one.state == "OPEN" and one.branch == branch for one in hosted.pulls.values()):
        raise Fault("UNPROCESSABLE", f"A pull request already exists for {hosted.name}:{branch}.")
    number = len(hosted.pulls) + 1
    pull = OpenPull(number, branch, base, wanted["title"], wanted["body"], hosted.tip(branch))
    hosted.pulls[number] = pull
    return {"createPullRequest": {"pullRequest": _seen(api, hosted, pull)}}


def reword(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    _, pull = _pull(api, asked["input"]["pullRequestId"], reads)
    pull.title, pull.body = asked["input"]["title"], asked["input"]["body"]
    return {"updatePullRequest": {"pullRequest": {"id": asked["input"]["pullRequestId"]}}}


def automate(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted, pull = _pull(api, asked["input"]["pullRequestId"], reads)
    if not hosted.rules.auto_merge:
        raise Fault("UNPROCESSABLE", "Auto merge is not allowed for this repository")
    state = hosted.merge_state(pull)
    if state in ("CLEAN", "UNSTABLE"):
        raise Fault("UNPROCESSABLE", f"Pull request Pull request is in {state.lower()} status")
    _refuse_method(hosted, asked["input"])
    pull.automatic = asked["input"]
    return {"enablePullRequestAutoMerge": {"pullRequest": {"id": asked["input"]["pullRequestId"]}}}


def disarm(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    _pull(api, asked["input"]["pullRequestId"], reads)[1].automatic = None
    return {"disablePullRequestAutoMerge": {"pullRequest": {"id": asked["input"]["pullRequestId"]}}}


def merge(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    hosted, pull = _pull(api, asked["input"]["pullRequestId"], reads)
    _refuse_method(hosted, asked["input"])
    if hosted.merge_state(pull) != "CLEAN" or pull.state != "OPEN" or hosted.rules.queue:
        raise Fault("UNPROCESSABLE", "Pull Request is not mergeable")
    if asked["input"]["expectedHeadOid"] != pull.head:
        raise Fault("UNPROCESSABLE", "Head branch was modified. Review and try the merge again.")
    hosted.merge(pull, asked["input"])
    return {"mergePullRequest": {"pullRequest": {"id": asked["input"]["pullRequestId"]}}}


def enqueue(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    _, pull = _pull(api, asked["input"]["pullRequestId"], reads)
    pull.is_queued = True
    return {"enqueuePullRequest": {"clientMutationId": None}}


def comment(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    _pull(api, asked["input"]["subjectId"], reads)[1].comments.append(asked["input"]["body"])
    return {"addComment": {"clientMutationId": None}}


def close(api: "GraphQLApi", asked: Data, login: str, reads: tuple[str, ...]) -> Data:
    _, pull = _pull(api, asked["input"]["pullRequestId"], reads)
    pull.state, pull.closed_by = "CLOSED", login
    return {"closePullRequest": {"pullRequest": {"id": asked["input"]["pullRequestId"]}}}


def _refuse_method(hosted: Hosted, wanted: Data) -> None:
    if wanted["mergeMethod"] not in hosted.rules.methods:
        told = wanted["mergeMethod"].capitalize()
        raise Fault("UNPROCESSABLE", f"{told} merges are not allowed on this repository.")


def _pull(api: "GraphQLApi", node: str, reads: tuple[str, ...]) -> tuple[Hosted, OpenPull]:
    name, _, number = node.removeprefix("PR_").partition(":")
    hosted = api.hosted(name, reads)
    return hosted, hosted.pulls[int(number)]


def _seen(api: "GraphQLApi", hosted: Hosted, pull: OpenPull) -> Data:
    review = pull.review or ("REVIEW_REQUIRED" if hosted.rules.reviews else None)
    return {
        "id": f"PR_{hosted.name}:{pull.number}",
        "number": pull.number,
        "url": f"{api.site}/{hosted.name}/pull/{pull.number}",
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
