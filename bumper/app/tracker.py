"""Who is asked how a rollout goes: the clusters, or without access to them the platform's branch on GitHub.

Law: whoever is asked after the push is opened before it, so that nothing is written that could not be followed. A recording holds one
rollout.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING

from bumper.app.namesakes import build_in, elsewhere, live_builds, require_followed
from bumper.app.settings import FollowSettings, FollowVia
from bumper.app.wiring import Systems
from bumper.dataclasses import replace
from bumper.deploy.image_policy import Nodes
from bumper.errors import BumpError
from bumper.fluxtree.sites.find import Site, Target
from bumper.fluxtree.sites.selection import live_build
from bumper.follow import loop
from bumper.follow.baseline import WITHOUT, BaselineLook, Known, key_of, on_parent
from bumper.follow.loop import Followed
from bumper.follow.revisions import Revisions
from bumper.follow.serving import ask, asked_of
from bumper.observation import Desired
from bumper.ports.deadline import until
from bumper.ports.kubernetes import Cluster
from bumper.progress import Journal
from bumper.publish.story import Landing
from bumper.recording.encoding import Subject
from bumper.request import Choice, Live, LiveBuild
from bumper.revision import Revision
from bumper.rollout import baseline
from bumper.rollout.answers import Asked

if TYPE_CHECKING:
    from bumper.recording.recorder import Recorder
    from bumper.systems.github.announced import AnnouncedBranch


class Tracker:
    """Opens the clusters at once, and what they are recorded to; nothing of it unless following `is_wanted`.

    UsageError where there is no kubeconfig, or the recording cannot be written.
    """

    def __init__(self, systems: Systems, settings: FollowSettings, choice: Choice | None = None) -> None:
        self._systems = systems
        self._settings = settings
        self._choice = choice or Choice()
        self._listens = settings.is_wanted and settings.via is FollowVia.GITHUB
        asks_clusters = settings.is_wanted and not self._listens
        self._remedy = WITHOUT if settings.can_stop_early else ""
        self.clusters = systems.clusters(settings.contexts, remedy=self._remedy) if asks_clusters else []
        self._recorder = systems.recorder(settings.record) if asks_clusters and settings.record else None
        self._branch: AnnouncedBranch | None = None
        self._look: BaselineLook | None = None
        self._baselines: Known = {}
        self._asked: dict[str, Asked] = {}
        self._targets: Sequence[Target] = ()
        self._elsewhere: dict[str, frozenset[str]] = {}
        # By the name of a cluster what it builds under the name of a site, each asked once.
        self._builds: dict[str, Callable[[Site], LiveBuild | None]] = {}

    @cached_property
    def live(self) -> Live | None:
        """What the clusters build under a name that the repository has several times, or not at all; None where none is followed."""
        return live_builds(self.clusters) if self.clusters else None

    @property
    def choice(self) -> Choice:
        """What the user chose; where that leaves namesakes, the clusters tell which of them they have."""
        return replace(self._choice, live=self.live)

    def open(self) -> None:
        """Opens what can only be found by the repository. UsageError where that is not at home on GitHub."""
        if self._listens and not self._branch:
            self._branch = self._systems.announced()

    def connect(self) -> None:
        """Begins to connect to the clusters, which git need not be waited for."""
        for cluster in self.clusters:
            cluster.begin_to_connect()

    def nodes(self, journal: Journal) -> Callable[[], list[Nodes]]:
        """What the clusters run on: asked for at once, waited for when it is called. What cannot be read is told."""
        asked = {cluster.name: cluster.platforms() for cluster in self.clusters}

        def known() -> list[Nodes]:
            nodes = []
            for name, answer in asked.items():
                try:
                    nodes.append(Nodes(name, answer.result()))
                except BumpError as error:
                    journal.notice(
                        f"{name}: the nodes can't be read ({error.message}): not known whether the image can run there; "
                        "--platform says what must be there"
                    )
            return nodes

        return known

    def look_ahead(self, targets: Iterable[Target]) -> None:
        """Begins to look how the sites stand before anything is pushed."""
        self._targets = tuple(targets)
        desired = [desired for target in self._targets for desired in target.desired(None)]
        self._look = BaselineLook.begin(self.clusters, desired, self._systems.clock)

    def expect(self, target: Target, tag: str, previous: str) -> None:
        """Has the site asked for this tag once it is Ready, where the caller or git wants that; Refused where it can't be asked."""
        label = target.site.label
        self._asked.pop(label, None)
        if asked := asked_of(target, tag, previous, self._settings.serves):
            self._asked[label] = asked

    def require_clusters(self, journal: Journal) -> None:
        """Waits for that look, and tells what is broken already. UsageError or Unreachable where nobody could follow the deploy."""
        if self._look is None:
            return
        self._baselines, self._builds = self._look.known(self._systems.repository), {}
        self.tell_apart(self._targets, journal)
        for name, seen in self._baselines.items():
            notices = [
                f"{desired.label}: {text}" if len(self.clusters) < 2 else f"{name}: {text}"
                for desired in self._look.desired
                if desired.label not in self._elsewhere[name]
                and (text := baseline.notice(desired, seen[key_of(desired)]))
            ]
            for notice in dict.fromkeys(notices):
                journal.notice(notice)

    def found_running(self) -> dict[str, str]:
        """By site the tag that ran in every cluster before the push; none of a site where that is not known."""
        if self._look is None or not self._baselines:
            return {}
        tags = {desired.label: desired.image.tag for desired in self._look.desired if desired.image.tag}
        for name, seen in self._baselines.items():
            for desired in self._look.desired:
                is_here = desired.label not in self._elsewhere[name]
                if is_here and not baseline.ran(desired, seen[key_of(desired)]):
                    tags.pop(desired.label, None)
        return tags

    def tell_apart(self, targets: Sequence[Target], journal: Journal) -> None:
        """Finds out which clusters have another site under the name of one of these, and says where a site is not followed.

        UsageError for a site that none of them has.
        """
        builds = self._builds or {cluster.name: self._builds_in(cluster) for cluster in self.clusters}
        self._builds = builds
        self._elsewhere = {name: elsewhere(targets, build_of) for name, build_of in builds.items()}
        for target in targets if any(self._elsewhere.values()) else ():
            seen = {name: build_of(target.site) for name, build_of in builds.items()}
            require_followed(target, seen, self._remedy)
        for name, labels in self._elsewhere.items():
            for label in sorted(labels):
                journal.notice(f"{label}: not followed in {name}, which builds another site under its name")

    def landing(self, target: Target, tag: str, revision: Revision) -> Landing:
        """What is told of a site whose tag is on the branch: with the clusters that it is followed in, where not in all of them."""
        site = target.site
        names = [name for name, labels in self._elsewhere.items() if site.label not in labels]
        contexts = tuple(names) if len(names) < len(self._elsewhere) else ()
        shared = site.name if site.where else ""
        return Landing(tag, revision, target.url, contexts, site.identity, shared)

    def _builds_in(self, cluster: Cluster) -> Callable[[Site], LiveBuild | None]:
        """What a cluster builds under the name of a site, as it was seen before the push where somebody looked."""

        def build_of(site: Site) -> LiveBuild | None:
            namespace, name = site.kustomization.namespace, site.kustomization.name
            for (label, _), seen in self._baselines.get(cluster.name, {}).items():
                if label == site.label:
                    return live_build(seen.kustomization, namespace)
            return build_in(cluster, namespace, name)

        return cache(build_of)

    def follow(
        self, subjects: Sequence[Subject], targets: Sequence[Target], journal: Journal, *, parent: str = ""
    ) -> list[Followed]:
        """The verdicts of all subjects, which stand on one revision; `targets` are where git holds them, in the same order.

        `parent` is the commit that ours was put on, empty where nothing was written. The sites themselves are asked last.
        """
        clock = self._systems.context.clock
        deadline_s = clock.now() + self._settings.timeout_s
        with until(clock, deadline_s):
            ended = self._followed(subjects, targets, journal, parent)
        if not self._asked:
            return ended
        access = self._systems.site(self._settings.resolve)
        return ask(self._asked, ended, access, clock, deadline_s, journal)

    def _followed(
        self, subjects: Sequence[Subject], targets: Sequence[Target], journal: Journal, parent: str
    ) -> list[Followed]:
        if parent:
            self._baselines = on_parent(self._baselines, parent, self._systems.repository)
        if self._branch:
            return self._listen(self._branch, subjects, targets, journal)
        desired = [desired for subject in subjects for desired in subject.followed]
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return self._watch(desired, journal, None)
        names = [cluster.name for cluster in self.clusters]
        recorder.begin(
            names,
            self._settings.timeout_s,
            subjects,
            started_s=journal.started,
            notices=journal.notices,
            elsewhere=self._elsewhere,
        )
        followed = self._watch(desired, journal, recorder)
        recorder.end()
        return followed

    def _watch(
        self, desired: Sequence[Desired], journal: Journal, recorder: "Recorder | None"
    ) -> list[Followed]:
        # All that judges a rollout, which a push that follows nothing does without.
        from bumper.follow.cluster import follow

        clock, timeout_s = self._systems.clock, self._settings.timeout_s
        revisions, baselines = self._revisions(), self._baselines
        split(journal, desired, self.clusters)
        return follow(
            desired, self.clusters, revisions, clock, timeout_s, journal, recorder, baselines, self._elsewhere
        )

    def _listen(
        self,
        branch: "AnnouncedBranch",
        subjects: Sequence[Subject],
        targets: Sequence[Target],
        journal: Journal,
    ) -> list[Followed]:
        from bumper.follow.commit_statuses import Awaited, listen

        awaited = [
            Awaited.of(subject.desired, target) for subject, target in zip(subjects, targets, strict=True)
        ]
        clock, timeout_s = self._systems.clock, self._settings.timeout_s
        return listen(
            awaited, branch, self._revisions(), clock, timeout_s, journal, lambda: self._poke(subjects)
        )

    def _revisions(self) -> Revisions:
        return Revisions(self._systems.repository, self.choice, self._systems.clock)

    def _poke(self, subjects: Sequence[Subject]) -> str:
        shas = [subject.revision.sha for subject in subjects if subject.revision]
        sources = dict.fromkeys(subject.desired.fetched for subject in subjects)
        return self._systems.poke(self._systems.repository.tree(shas[0]), sources) if shas else ""


def split(journal: Journal, desired: Sequence[Desired], clusters: Sequence[Cluster]) -> None:
    """Has the journal count on for each site in each of several clusters from where the site stands."""
    for site in dict.fromkeys(each.label for each in desired) if len(clusters) > 1 else ():
        journal.split(site, [loop.label(site, cluster.name, is_alone=False) for cluster in clusters])
