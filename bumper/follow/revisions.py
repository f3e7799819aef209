"""What git knows of the revisions that a cluster speaks of.

Law: what git has answered is asked once; what it could not tell stays unknown and is asked again, but not at each look.
"""

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from bumper.errors import BumpError, FieldAmbiguous, SiteMissing
from bumper.fluxtree.sites.find import Target, find
from bumper.objects import Object
from bumper.observation import Desired, Observation, RevisionFacts
from bumper.ports.git import Repository, Tree
from bumper.ports.run import Clock
from bumper.request import Choice
from bumper.revision import Revision
from bumper.rollout.flux import ORIGIN

ASK_AGAIN_S = 5.0
# A branch is fetched anew only where Flux has had time to come by itself, and not often then.
PATIENCE_S, FETCH_AGAIN_S = 15.0, 30.0


class Revisions:
    """What one repository says of its commits, remembered. May be asked from several threads.

    Hundreds of sites ask of the same few commits: git is asked once for all of them, and where it did not answer, as often as for one.
    """

    def __init__(self, repository: Repository, choice: Choice, clock: Clock) -> None:
        self._repository = repository
        self._choice = choice
        self._clock = clock
        self._known: dict[tuple[str, str, str], RevisionFacts] = {}
        self._ancestry: dict[tuple[str, str], bool] = {}
        self._asked_s: dict[tuple[str, str, str], float] = {}
        self._unanswered_s: dict[tuple[str, ...], float] = {}
        # When each of our commits was first asked about, when the branch was last fetched for it, and whether it was gone from it.
        self._first_s: dict[str, float] = {}
        self._fetched_s: dict[str, float] = {}
        self._off_branch: set[str] = set()
        self._lock = threading.Lock()

    def facts(self, desired: Desired, shas: Iterable[str]) -> dict[str, RevisionFacts]:
        """The facts of each commit, for the site that `desired` names."""
        with self._lock:
            return {sha: self._facts(desired, sha) for sha in shas}

    def commits(self) -> set[str]:
        """Those of which something is remembered."""
        with self._lock:
            return {sha for _, _, sha in self._known}

    def _facts(self, desired: Desired, sha: str) -> RevisionFacts:
        if desired.revision and sha == desired.revision.sha:
            gone = self._is_off_branch(desired.revision)
            return RevisionFacts(includes_commit=True, image=desired.image, is_off_branch=gone)
        key = (desired.label, desired.identity, sha)
        known = self._known.get(key)
        if known and (_is_complete(known, desired) or self._clock.now() - self._asked_s[key] < ASK_AGAIN_S):
            return known
        self._asked_s[key] = self._clock.now()
        self._known[key] = self._ask(desired, sha)
        return self._known[key]

    def _ask(self, desired: Desired, sha: str) -> RevisionFacts:
        includes = self._contains(sha, desired.revision.sha) if desired.revision else None
        if includes is False:
            return RevisionFacts(includes_commit=False, image=None)
        tree = self._tree(sha)
        if tree is None:
            return RevisionFacts(includes_commit=includes, image=None)
        try:
            target = self._target(desired, tree)
        except SiteMissing:
            subject, author = self._repository.subject(sha), self._repository.author(sha)
            return RevisionFacts(includes, None, subject, author, is_removed=True)
        except BumpError:
            # Moved, not to be read, or git does not answer: in each case not known, and asked again.
            return RevisionFacts(includes_commit=includes, image=None)
        return RevisionFacts(
            includes, target.image, self._repository.subject(sha), self._repository.author(sha)
        )

    def _target(self, desired: Desired, tree: Tree) -> Target:
        """Where the site's image stands in that commit: as it was named, or where several Kustomizations are meant by our own."""
        choice = self._choice.named(desired.named or self._choice.kustomization)
        try:
            return find(tree, desired.site, choice)
        except FieldAmbiguous as ambiguous:
            if not desired.identity or choice.kustomization:
                raise
            try:
                return find(tree, desired.site, choice.named(desired.identity))
            except SiteMissing:
                # Its file was moved: the name is there, so that it is not removed.
                raise ambiguous from None

    def _is_off_branch(self, revision: Revision) -> bool:
        """Whether somebody took our commit off the branch (a force-push); not where git does not answer: unknown is never "no"."""
        now_s = self._clock.now()
        began_s = self._first_s.setdefault(revision.sha, now_s)
        last_s = self._fetched_s.get(revision.sha, began_s + PATIENCE_S - FETCH_AGAIN_S)
        if revision.sha in self._off_branch or now_s - last_s < FETCH_AGAIN_S:
            return revision.sha in self._off_branch
        self._fetched_s[revision.sha] = now_s
        try:
            tip = self._repository.fetch(revision.name)
        except BumpError:
            return False
        if tip != revision.sha and self._contains(tip, revision.sha) is False:
            self._off_branch.add(revision.sha)
        return revision.sha in self._off_branch

    def _contains(self, descendant: str, ancestor: str) -> bool | None:
        pair = (descendant, ancestor)
        if pair not in self._ancestry and not self._was_unanswered(pair):
            includes = self._repository.contains(descendant, ancestor)
            if includes is None:
                self._unanswered_s[pair] = self._clock.now()
            else:
                self._ancestry[pair] = includes
        return self._ancestry.get(pair)

    def _tree(self, sha: str) -> Tree | None:
        """The files of a commit; None where git does not have it, or does not answer."""
        if self._was_unanswered((sha,)):
            return None
        try:
            return self._repository.tree(sha)
        except BumpError:
            self._unanswered_s[sha,] = self._clock.now()
            return None

    def _was_unanswered(self, question: tuple[str, ...]) -> bool:
        """Whether git was asked this a moment ago, for another site, and could not tell."""
        unanswered_s = self._unanswered_s.get(question)
        return unanswered_s is not None and self._clock.now() - unanswered_s < ASK_AGAIN_S


def revisions_of(observation: Observation) -> set[str]:
    """The commits that the Flux objects speak of."""
    artifact = _status(observation.source).get("artifact") or {}
    status = _status(observation.kustomization)
    texts = [
        artifact.get("revision"),
        (artifact.get("metadata") or {}).get(ORIGIN),
        *(status.get(f"last{field}Revision") for field in ("Applied", "AppliedOrigin", "Attempted")),
    ]
    revisions = [Revision.parse(text) for text in texts if text]
    return {revision.sha for revision in revisions if revision}


def _is_complete(facts: RevisionFacts, desired: Desired) -> bool:
    if facts.includes_commit is False:
        return True
    return (facts.image is not None or facts.is_removed) and (
        facts.includes_commit is True or desired.revision is None
    )


def _status(obj: Object | None) -> Mapping[str, Any]:
    return (obj or {}).get("status") or {}
