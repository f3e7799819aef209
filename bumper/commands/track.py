"""Follows a commit that is already on the branch."""

import argparse
import re

from bumper import options
from bumper.assembly import Assembly
from bumper.commands import Context
from bumper.errors import UsageError
from bumper.follow import Lineage, follow
from bumper.pipeline import find_target
from bumper.report import Report, SiteReport
from bumper.revision import Revision
from bumper.rollout import Desired

SUMMARY = "Follows a commit that is already on the branch until the site is Ready, or says why it is not."
_FULL_SHA = re.compile(r"[0-9a-f]{40}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump track`."""
    parser.add_argument("--site", required=True, help="the site, named like its Flux Kustomization")
    parser.add_argument(
        "--commit",
        metavar="SHA",
        help="full SHA of the commit to follow; default: whatever the branch wants now",
    )
    options.add_repository(parser)
    options.add_choice(parser)
    options.add_follow(parser)
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Follows, prints the report, and returns the exit code of its worst outcome."""
    if arguments.commit and not _FULL_SHA.fullmatch(arguments.commit):
        raise UsageError(f"--commit: {arguments.commit!r} is no full SHA; expected 40 digits 0-9a-f")
    choice = options.choice(arguments)
    with Assembly(arguments, context) as parts:
        clusters = parts.clusters()
        terminal = parts.terminal(name_sites=len(clusters) > 1)
        journal = parts.journal(terminal)
        try:
            repository = parts.repository()
            tip = repository.fetch(arguments.branch)
            revision = Revision(arguments.branch, arguments.commit or tip)
            target = find_target(arguments.site, choice, repository.tree(revision.sha))
            journal.begin(arguments.site, revision.short, target.image.tag)
            desired = Desired(
                site=arguments.site,
                image=target.image,
                previous=None,
                revision=revision if arguments.commit else None,
                kustomization=target.site.kustomization,
                source=target.site.source,
                workload=target.workload,
                container=target.container,
            )
            lineage = Lineage(repository, choice, parts.clock)
            followed = follow([desired], clusters, lineage, parts.clock, arguments.timeout, journal)
        except KeyboardInterrupt:
            return parts.interrupt(["following stopped; nothing was changed by it"], terminal)
        sites = [
            SiteReport(
                site=one.label,
                previous=target.image,
                image=target.image,
                place=f"{target.field.path}:{target.field.span.line}",
                revision=revision,
                verdict=one.verdict,
                steps=journal.steps(one.label),
                url=target.url,
            )
            for one in followed
        ]
        return parts.finish(Report(tuple(sites), journal.seconds, tuple(journal.notices)), terminal)
