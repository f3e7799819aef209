"""What is asked of GitHub about branches and pull requests, and the shape of the answers. Each operation has a name: errors are told
by it.

What GitHub's schema lets be null is `Maybe`, unless nobody could go on without it.
"""

from bumper.systems.github.graphql import Operation
from bumper.systems.http.document import Maybe, Shape

_OID: Shape = Maybe({"target": Maybe({"oid": str})})
_PULL: Shape = {
    "id": str,
    "number": int,
    "url": str,
    "body": str,
    "state": str,
    "headRefName": str,
    "isCrossRepository": bool,
    "mergeStateStatus": str,
    "reviewDecision": Maybe(str),
    "isInMergeQueue": bool,
    "isMergeQueueEnabled": bool,
    "headRef": _OID,
    "headRefOid": str,
    "changedFiles": int,
    "commits": {"totalCount": int},
    "mergeCommit": Maybe({"oid": str}),
    "autoMergeRequest": Maybe({}),
    "timelineItems": {"nodes": [{"actor": Maybe({"login": str})}]},
}

_LOOK = """
fragment Look on PullRequest {
  id number url body state headRefName isCrossRepository mergeStateStatus reviewDecision isInMergeQueue isMergeQueueEnabled
  headRef { id target { oid } }
  headRefOid changedFiles
  commits(first: 1) { totalCount }
  mergeCommit { oid }
  autoMergeRequest { enabledAt }
  timelineItems(last: 1, itemTypes: [CLOSED_EVENT]) { nodes { ... on ClosedEvent { actor { login } } } }
}
"""
OPEN_PULLS = Operation(
    """
query OpenPullRequests($owner: String!, $name: String!, $base: String!, $ref: String!, $head: String!) {
  repository(owner: $owner, name: $name) {
    id squashMergeAllowed mergeCommitAllowed rebaseMergeAllowed
    ref(qualifiedName: $ref) { target { oid } }
    ofThisBranch: pullRequests(first: 1, states: [OPEN], baseRefName: $base, headRefName: $head) { nodes { ...Look } }
    pullRequests(first: 100, states: [OPEN], baseRefName: $base, orderBy: {field: CREATED_AT, direction: DESC}) {
      nodes { ...Look }
    }
  }
}
"""
    + _LOOK,
    {
        "repository": {
            "id": str,
            "squashMergeAllowed": bool,
            "mergeCommitAllowed": bool,
            "rebaseMergeAllowed": bool,
            "ref": _OID,
            "ofThisBranch": {"nodes": [_PULL]},
            "pullRequests": {"nodes": [_PULL]},
        }
    },
)
ONE_PULL = Operation(
    """
query PullRequestState($owner: String!, $name: String!, $number: Int!, $ref: String!) {
  repository(owner: $owner, name: $name) {
    ref(qualifiedName: $ref) { target { oid } }
    pullRequest(number: $number) { ...Look }
  }
}
"""
    + _LOOK,
    {"repository": {"ref": _OID, "pullRequest": _PULL}},
)
CHECKS = Operation(
    """
query PullRequestChecks($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { statusCheckRollup { state } } }
}
""",
    {"repository": {"pullRequest": {"statusCheckRollup": Maybe({"state": str})}}},
)
FIND_BRANCH = Operation(
    """
query FindBranch($owner: String!, $name: String!, $ref: String!) {
  repository(owner: $owner, name: $name) { ref(qualifiedName: $ref) { id } }
}
""",
    {"repository": {"ref": Maybe({"id": str})}},
)
CREATE_BRANCH = Operation(
    "mutation CreateBranch($input: CreateRefInput!) { createRef(input: $input) { ref { id } } }", {}
)
MOVE_BRANCH = Operation(
    "mutation MoveBranch($input: UpdateRefInput!) { updateRef(input: $input) { ref { id } } }", {}
)
DELETE_BRANCH = Operation(
    "mutation DeleteBranch($input: DeleteRefInput!) { deleteRef(input: $input) { clientMutationId } }", {}
)
CREATE_PULL = Operation(
    """
mutation OpenPullRequest($input: CreatePullRequestInput!) {
  createPullRequest(input: $input) { pullRequest { ...Look } }
}
"""
    + _LOOK,
    {"createPullRequest": {"pullRequest": _PULL}},
)
REWORD_PULL = Operation(
    """
mutation RewordPullRequest($input: UpdatePullRequestInput!) {
  updatePullRequest(input: $input) { pullRequest { id } }
}
""",
    {},
)
ARM = Operation(
    """
mutation EnableAutoMerge($input: EnablePullRequestAutoMergeInput!) {
  enablePullRequestAutoMerge(input: $input) { pullRequest { id } }
}
""",
    {},
)
DISARM = Operation(
    """
mutation DisableAutoMerge($input: DisablePullRequestAutoMergeInput!) {
  disablePullRequestAutoMerge(input: $input) { pullRequest { id } }
}
""",
    {},
)
MERGE = Operation(
    """
mutation MergePullRequest($input: MergePullRequestInput!) { mergePullRequest(input: $input) { pullRequest { id } } }
""",
    {},
)
ENQUEUE = Operation(
    """
mutation EnqueuePullRequest($input: EnqueuePullRequestInput!) { enqueuePullRequest(input: $input) { clientMutationId } }
""",
    {},
)
COMMENT = Operation(
    "mutation Comment($input: AddCommentInput!) { addComment(input: $input) { clientMutationId } }", {}
)
CLOSE = Operation(
    """
mutation ClosePullRequest($input: ClosePullRequestInput!) { closePullRequest(input: $input) { pullRequest { id } } }
""",
    {},
)
