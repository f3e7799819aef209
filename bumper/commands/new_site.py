"""Adds a site to the platform: its manifests, its sync file and the entry that lists it, in one commit."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import NewSiteSettings, OutputSettings, RunSettings
from bumper.commands import options
from bumper.errors import UsageError
from bumper.image import ImageReference
from bumper.onboarding import SiteRequest, read_hosts, require_name
from bumper.request import Wanted

SUMMARY = "Adds a site in the hand of those that are there: its manifests, its sync file and the entry that lists it, in one commit."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump new-site`."""
    what = parser.add_argument_group("the site")
    options.add_site(
        what, site="the site's name: of its namespace, its objects and its image", metavar="NAME"
    )
    what.add_argument(
        "--host",
        action="append",
        default=[],
        required=True,
        metavar="HOST",
        help="a host it serves, repeatable; CLUSTER=HOST for that cluster alone",
    )
    what.add_argument(
        "--like",
        metavar="SITE",
        default="",
        help="the site to model it on; default: the one whose shape most sites share",
    )
    what.add_argument(
        "--plain", action="store_true", help="model it on no site: the plain form of the documentation"
    )
    image = parser.add_argument_group("the image")
    image.add_argument(
        "--image",
        metavar="REPOSITORY",
        default="",
        help="image repository; default: the model's registry and path, with the new name",
    )
    image.add_argument("--sha", help="commit that the image was built from, short or full")
    image.add_argument("--tag", help="any other tag; default: the only one in the registry, if there is one")
    options.add_image_wait(image)
    options.add_repository(parser, own_branch_by="--dry-run")
    options.add_follow(parser)
    how = parser.add_argument_group("how far to go")
    how.add_argument("--dry-run", action="store_true", help="print the diff and write nothing")
    how.add_argument(
        "--pull-request", action="store_true", help="open a pull request on GitHub, and stop there"
    )
    how.add_argument("--no-wait", action="store_true", help="stop after the push")
    options.add_commit(parser)
    options.add_notes(how)
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Adds the site, follows it to Ready, and returns the exit code of its outcome."""
    settings = settings_of(arguments)
    from bumper.app.jobs.new_site import add_site

    return add_site(settings, context)


def settings_of(arguments: argparse.Namespace) -> NewSiteSettings:
    """What was asked for; UsageError for names that Kubernetes or DNS would refuse, and for options that contradict each other."""
    name = options.require_site(arguments)
    site, wanted = _site(arguments, name), _wanted(arguments, name)
    return NewSiteSettings(
        _run_settings(arguments),
        site,
        wanted,
        arguments.wait_for_image,
        tuple(arguments.platform),
        only_proposes=arguments.pull_request,
    )


def _run_settings(arguments: argparse.Namespace) -> RunSettings:
    stops_early = arguments.no_wait or arguments.dry_run or arguments.pull_request
    return RunSettings(
        repository=options.repository(arguments, reads_directory=options.is_read(arguments)),
        commit=options.commit(arguments),
        follow=options.follow(arguments, is_wanted=not stops_early),
        output=OutputSettings(
            options.is_json(arguments), keeps_notes=not (arguments.no_notes or stops_early)
        ),
        dry_run=arguments.dry_run,
    )


def _site(arguments: argparse.Namespace, name: str) -> SiteRequest:
    require_name(name)
    hosts, of_clusters = read_hosts(arguments.host)
    if arguments.like and arguments.plain:
        raise UsageError("--like and --plain exclude each other", hint="leave one of them out")
    image = ImageReference.parse(arguments.image) if arguments.image else None
    if arguments.image and (image is None or image.tag or image.digest):
        raise UsageError(
            f"--image {arguments.image}: no image repository; expected for example registry.example.org/{name}",
            hint="the tag goes into --tag or --sha",
        )
    return SiteRequest(name, hosts, arguments.like, arguments.plain, arguments.image, of_clusters)


def _wanted(arguments: argparse.Namespace, name: str) -> Wanted | None:
    if arguments.sha and arguments.tag:
        raise UsageError("--sha and --tag exclude each other", hint="leave one of them out")
    if arguments.sha:
        return options.wanted_commit(name, arguments.sha)
    return options.wanted_tag(name, arguments.tag) if arguments.tag else None
