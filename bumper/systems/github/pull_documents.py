"""What is asked of GitHub about branches and pull requests, as GraphQL documents. Each operation has a name: errors are told by it."""

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
OPEN_PULLS = (
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
    + _LOOK
)
ONE_PULL = (
    """
query PullRequestState($owner: String!, $name: String!, $number: Int!, $ref: String!) {
  repository(owner: $owner, name: $name) {
    ref(qualifiedName: $ref) { target { oid } }
    pullRequest(number: $number) { ...Look }
  }
}
"""
    + _LOOK
)
CHECKS = """
query PullRequestChecks($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { statusCheckRollup { state } } }
}
"""
FIND_BRANCH = """
query FindBranch($owner: String!, $name: String!, $ref: String!) {
  repository(owner: $owner, name: $name) { ref(qualifiedName: $ref) { id } }
}
"""
CREATE_BRANCH = "mutation CreateBranch($input: CreateRefInput!) { createRef(input: $input) { ref { id } } }"
MOVE_BRANCH = "mutation MoveBranch($input: UpdateRefInput!) { updateRef(input: $input) { ref { id } } }"
DELETE_BRANCH = (
    "mutation DeleteBranch($input: DeleteRefInput!) { deleteRef(input: $input) { clientMutationId } }"
)
CREATE_PULL = (
    """
mutation OpenPullRequest($input: CreatePullRequestInput!) {
  createPullRequest(input: $input) { pullRequest { ...Look } }
}
"""
    + _LOOK
)
REWORD_PULL = """
mutation RewordPullRequest($input: UpdatePullRequestInput!) {
  updatePullRequest(input: $input) { pullRequest { id } }
}
"""
ARM = """
mutation EnableAutoMerge($input: EnablePullRequestAutoMergeInput!) {
  enablePullRequestAutoMerge(input: $input) { pullRequest { id } }
}
"""
DISARM = """
mutation DisableAutoMerge($input: DisablePullRequestAutoMergeInput!) {
  disablePullRequestAutoMerge(input: $input) { pullRequest { id } }
}
"""
MERGE = """
mutation MergePullRequest($input: MergePullRequestInput!) { mergePullRequest(input: $input) { pullRequest { id } } }
"""
ENQUEUE = """
mutation EnqueuePullRequest($input: EnqueuePullRequestInput!) { enqueuePullRequest(input: $input) { clientMutationId } }
"""
COMMENT = "mutation Comment($input: AddCommentInput!) { addComment(input: $input) { clientMutationId } }"
CLOSE = """
mutation ClosePullRequest($input: ClosePullRequestInput!) { closePullRequest(input: $input) { pullRequest { id } } }
"""
