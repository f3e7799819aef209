"""The editor alone: every image field of one repository, in files, without git and without a network."""

import argparse

from bumper.app.context import Context
from bumper.app.settings import EditOutput, EditSettings
from bumper.commands import options
from bumper.errors import UsageError
from bumper.image import is_digest, is_tag

SUMMARY = "Changes the tag of an image in files, byte for byte: no git, no network."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fixed command line of `bump edit`."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="manifests, kustomization.yaml, HelmReleases or Helm values"
    )
    parser.add_argument(
        "--image", required=True, metavar="REPOSITORY", help="as it is written there, without a tag"
    )
    parser.add_argument("--tag", required=True, help="the new tag")
    parser.add_argument(
        "--digest",
        default="",
        metavar="SHA256",
        help="digest of the new tag, for fields that are pinned by one",
    )
    parser.add_argument(
        "--container",
        metavar="NAME",
        action="append",
        default=[],
        help="the image in this container alone, repeatable; default: every field of the repository",
    )
    parser.add_argument(
        "--field",
        metavar="PATH",
        default="",
        help="a field that holds the image, or its tag, where no table knows it: Kind/name:spec.web[0].image",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--diff", action="store_true", help="print a unified diff, write nothing")
    output.add_argument("--check", action="store_true", help="write nothing, exit 11 if a field would change")
    output.add_argument(
        "--plan",
        action="store_true",
        help="print the diff and what it changes in what Flux builds from this checkout, with the hash that a "
        "deploy of it has; write nothing",
    )
    output.add_argument(
        "--stdout", action="store_true", help="print the bytes of the one edited file, write nothing"
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Edits the files, all or none of them, and says which fields changed."""
    settings = settings_of(arguments)
    from bumper.app.edit import edit

    return edit(settings, context)


def settings_of(arguments: argparse.Namespace) -> EditSettings:
    """What was asked for; UsageError for a tag or a digest that is none."""
    if not is_tag(arguments.tag):
        raise UsageError(
            f"--tag {arguments.tag!r} is no tag, expected letters, digits, '_', '.' and '-', at most 128 of them",
            hint="give the tag alone, without the repository and without a digest",
        )
    if arguments.digest and not is_digest(arguments.digest):
        raise UsageError(
            f"--digest {arguments.digest!r} is no digest, expected sha256: and 64 hexadecimal digits"
        )
    if arguments.stdout and len(set(arguments.files)) > 1:
        raise UsageError("--stdout prints one file, found several", hint="name one FILE, or use --diff")
    return EditSettings(
        tuple(arguments.files),
        arguments.image,
        arguments.tag,
        arguments.digest,
        tuple(dict.fromkeys(arguments.container)),
        _output(arguments),
        options.field(arguments),
    )


def _output(arguments: argparse.Namespace) -> EditOutput:
    if arguments.diff:
        return EditOutput.DIFF
    if arguments.check:
        return EditOutput.CHECK
    if arguments.plan:
        return EditOutput.PLAN
    return EditOutput.STDOUT if arguments.stdout else EditOutput.FILES
