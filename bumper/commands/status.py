"""How every site stands, without a deploy: what git wants, what Flux applied, what runs, and the judgement of that."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import StatusSettings
from bumper.commands import options
from bumper.errors import UsageError
from bumper.request import Choice

SUMMARY = "Shows for every site what git wants, what Flux applied, what runs, and how that is to be judged."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump status`."""
    options.add_site(
        parser.add_argument_group("which site"), site="one site in full; default: a table of all"
    )
    options.add_repository(parser, own_branch_by="--offline")
    options.add_choice(parser)
    options.add_contexts(parser, "look at")
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="exit with the code of the worst verdict (3 for a site that is moving) instead of 0",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="show what git wants alone, as the checkout we stand in or --repo DIR has it on its branch: no cluster and no network",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="keep the table up to date until Ctrl-C; without a terminal one line for each change",
    )
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Looks at each cluster and prints what is there. Returns 0, or with `--exit-code` that of the worst verdict."""
    settings = settings_of(arguments)
    from bumper.app.status import show, watch

    return watch(settings, context) if settings.watches else show(settings, context)


def settings_of(arguments: argparse.Namespace) -> StatusSettings:
    """What was asked for; UsageError for options that contradict each other."""
    choice, site = options.choice(arguments), options.site(arguments)
    names = options.kustomizations(arguments)
    if not site and (names or choice != Choice()):
        raise UsageError(
            "--image, --kustomization, --container and --field speak of one site",
            hint="name it: bump status SITE",
        )
    if arguments.watch and (options.is_json(arguments) or arguments.exit_code):
        other = "--exit-code" if arguments.exit_code else "--output json"
        raise UsageError(
            f"--watch cannot be combined with {other}: it has no end", hint=f"look once: bump status {other}"
        )
    if arguments.offline and (arguments.watch or arguments.exit_code):
        other = "--watch" if arguments.watch else "--exit-code"
        raise UsageError(
            f"--offline and {other} exclude each other: no cluster is asked", hint="leave one of them out"
        )
    named = names[0] if len(names) == 1 else ""
    back = f"bump rollback {choice.site_options(site, named)}{options.place(arguments)}" if site else ""
    return StatusSettings(
        repository=options.repository(arguments, reads_directory=arguments.offline),
        choice=choice,
        site=site,
        contexts=tuple(arguments.context),
        exits_by_verdict=arguments.exit_code,
        watches=arguments.watch,
        is_json=options.is_json(arguments),
        is_offline=arguments.offline,
        kustomizations=names,
        way_back=back,
    )
