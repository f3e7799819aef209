"""Access and settings, looked at before the day a deploy needs them."""

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from bumper.app import examine
from bumper.app.context import Context
from bumper.app.wiring import Assembly
from bumper.commands import options
from bumper.doctor import access, clocks, finding, hosting
from bumper.doctor.finding import Finding, Mark, of_error
from bumper.errors import BumpError, Refused, UsageError
from bumper.revision import Revision
from bumper.status import sites as roster
from bumper.status.sites import Entry
from bumper.systems.terminal import width_of

if TYPE_CHECKING:
    from bumper.ports import Right

SUMMARY = (
    "Looks at the access and the settings that a deploy needs, changes nothing, and says what is missing."
)
_NOTE = """\
What bump needs to follow {sites}, and no more: for kubectl apply -f -
Its token: kubectl create token {account} -n {namespace}, or a pod with this service account.
The namespaces must be there."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `bump doctor`."""
    parser.add_argument(
        "sites", nargs="*", metavar="SITE", help="the sites to look at; default: all of the tree"
    )
    parser.add_argument(
        "--rbac",
        action="store_true",
        help="print the RBAC manifest that following these sites needs, and look at nothing else",
    )
    options.add_repository(parser)
    parser.add_argument(
        "--commit-via",
        choices=(options.BY_GIT, options.BY_API, options.BY_PULL),
        default=options.BY_GIT,
        help="the way that commits take, by which the rules of the branch are weighed (default: %(default)s)",
    )
    options.add_contexts(parser, "look at")
    parser.add_argument(
        "--timeout",
        type=options.duration,
        default=10.0,
        metavar="TIME",
        help="how long each system may take to answer (default: 10s)",
    )
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the findings. Returns 0 if all that is needed is there, 6 if not; warnings change nothing."""
    with Assembly(arguments, context) as parts:
        if arguments.rbac:
            return _print_rbac(arguments, parts, context)
        findings = _examine(arguments, parts, context)
        if arguments.output == "json":
            context.stdout.write(json.dumps(finding.as_data(findings), indent=2) + "\n")
        else:
            width = width_of(context.stdout, context.environ)
            parts.terminal(name_sites=False).write(finding.lines(findings, width))
        return finding.exit_code(findings)


def _print_rbac(arguments: argparse.Namespace, parts: Assembly, context: Context) -> int:
    repository = parts.repository(arguments.timeout)
    tip = Revision(arguments.branch, repository.fetch(arguments.branch))
    entries = roster.several(repository.tree(tip.sha), tip, arguments.sites)
    namespace = entries[0].desired.source.namespace
    objects = access.manifests(_rights(entries), namespace)
    if arguments.output == "json":
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        context.stdout.write(json.dumps(listed, indent=2) + "\n")
    else:
        sites = ", ".join(arguments.sites) or f"every site of {repository.url}"
        note = _NOTE.format(sites=sites, account=access.ACCOUNT, namespace=namespace)
        context.stdout.write(access.as_yaml(objects, note))
    return 0


def _rights(entries: Sequence[Entry]) -> tuple["Right", ...]:
    from bumper.systems.kube.rights import Subject, needed

    return needed(Subject(one.desired, one.site.depends_on, one.pods_namespace) for one in entries)


def _examine(arguments: argparse.Namespace, parts: Assembly, context: Context) -> list[Finding]:
    """All findings, in the order of a deploy. Git comes first: it says which images and objects matter."""
    from bumper.systems.kube import Timeouts

    timeout_s = arguments.timeout
    repository = parts.repository(timeout_s)
    try:
        tip = Revision(arguments.branch, repository.fetch(arguments.branch))
        entries = roster.several(repository.tree(tip.sha), tip, arguments.sites)
        followed = sum(one.image is not None for one in entries)
        found = f"{tip.short} read: {len(entries)} Flux Kustomizations, {followed} with an image to deploy"
        findings = [Finding("git", repository.url, Mark.GOOD, found)]
    except (UsageError, Refused):
        raise
    except BumpError as error:
        tip, entries = None, []
        why = "without the repository nothing is known of the sites: images and rights were not looked at"
        findings = [of_error("git", repository.url, error, why)]
    jobs: list[Callable[[], list[Finding]]] = []
    if tip:
        jobs.append(lambda: examine.of_push(repository, tip))
    jobs.append(lambda: _of_hosting(repository.url, arguments, parts))
    registry = parts.registry(timeout_s)
    jobs.append(lambda: examine.of_registries(registry, entries, _wall))
    try:
        rights = _rights(entries)
        for cluster in parts.clusters(Timeouts(connect_s=timeout_s, answer_s=timeout_s)):
            jobs.append(partial(examine.of_cluster, cluster, entries, rights, tip, _wall))
    except UsageError as error:
        findings.append(of_error("cluster", "kubeconfig", error, "a deploy would be pushed and not followed"))
    with ThreadPoolExecutor(len(jobs)) as pool:
        for answer in [pool.submit(job) for job in jobs]:
            findings += answer.result()
    return findings


def _of_hosting(url: str, arguments: argparse.Namespace, parts: Assembly) -> list[Finding]:
    """Nothing where the repository is not GitHub's."""
    try:
        found = parts.hosting(url, arguments.timeout)
    except BumpError as error:
        why = "rules of the branch that forbid a push show only at the push"
        return [of_error("git", "GitHub", error, why, Mark.WARNING)]
    if found is None:
        return []
    clock = clocks.finding("GitHub", found.dated_s, _wall())
    return [*hosting.findings(found, arguments.branch, arguments.commit_via), *([clock] if clock else [])]


def _wall() -> datetime:
    return datetime.now(UTC)
