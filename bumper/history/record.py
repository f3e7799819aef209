"""What the commits on a branch say of the deploys they made.

Law: a record is read only where site, image and a valid tag stand in one paragraph, so that no sentence passes for a record; a
message that was quoted, wrapped or added to loses at most the lines touched. A site of one Kustomization has one record in a commit:
of several (a squash) it is the last, with the previous tag of the first. Texts are as they were written: the code that prints them
makes them safe.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bumper.dataclasses import replace
from bumper.history.message import NO_TAG, SOURCE_DATE, moment
from bumper.history.trailers import paragraphs, trailers
from bumper.image import ImageReference, is_digest, is_tag
from bumper.record import KustomizationName, Record
from bumper.request import Origin

_SITE = "bump-site"
# Of each site where they take different deploys back, else once for all of them.
_TAKEN_BACK, _ALL_TAKEN_BACK = "bump-rollback-of", "rollback-of"
_SOURCE_DATE = SOURCE_DATE.lower()
_OF_A_SITE = {_SITE, "bump-kustomization", "bump-image", "bump-from", "bump-to", "bump-digest", _TAKEN_BACK}
# The sentence on a change, as `message` writes it: its file, by which the deploys of earlier versions are told apart, image and tag.
_CHANGE = " goes from "
_SENTENCE = re.compile(rf"[ \t]*(\S.*): (\S+){_CHANGE}(?:\S+|no tag) to (\S+)\.[ \t\r]*")


def records(commit: str, author: str, at: datetime, message: str) -> tuple[Record, ...]:
    """The deploys that the commit's message records, one for each site; empty for a commit that is none."""
    if _SITE not in message.lower():
        return ()
    by_site: dict[tuple[str, str], Record] = {}
    paths = _paths(message)
    for paragraph in paragraphs(message):
        if _SITE not in paragraph.lower():
            continue
        for record in _recorded(trailers(paragraph), commit, author, at, paths):
            key = (record.site, record.kustomization)
            first = by_site.get(key)
            by_site[key] = replace(record, previous=first.previous) if first else record
    return tuple(by_site.values())


def _paths(message: str) -> dict[tuple[str, str], str]:
    """The files that were changed, by image and tag."""
    # To look for the whole sentence at the start of each line takes eight times as long.
    paths = {}
    at = message.find(_CHANGE)
    while at >= 0:
        line_end = message.find("\n", at)
        end = line_end if line_end >= 0 else len(message)
        if match := _SENTENCE.fullmatch(message, message.rfind("\n", 0, at) + 1, end):
            path, image, tag = match.groups()
            paths[image, tag] = path
        at = message.find(_CHANGE, end)
    return paths


def recorded(message: str, site: str, kustomization: str = "") -> ImageReference | None:
    """The image that a commit put on the site, with its digest where one was recorded; None where the message says nothing of it.

    Where the message names another Kustomization than this one it speaks of another site of the same name.
    """
    ours = KustomizationName.parse(kustomization)
    site_records = (
        record
        for record in records("", "", datetime.min, message)
        if record.site == site
        and (
            not (kustomization and record.kustomization)
            or KustomizationName.parse(record.kustomization).is_same(ours)
        )
    )
    return next((ImageReference(record.image, record.tag, record.digest) for record in site_records), None)


def _recorded(
    trailer_pairs: Sequence[tuple[str, str]],
    commit: str,
    author: str,
    at: datetime,
    paths: Mapping[tuple[str, str], str],
) -> Iterator[Record]:
    """`paths` are the files that were changed, by image and tag."""
    whole = dict(trailer_pairs)
    origin = Origin(
        whole.get("source-repository", ""),
        whole.get("source-commit", ""),
        whole.get("workflow-run", ""),
        whole.get("requested-by", ""),
    )
    guards = whole.get("bump-forced", "")
    forced = tuple(part.strip() for part in guards.split(",") if part.strip()) if guards else ()
    source_at = moment(whole[_SOURCE_DATE]) if _SOURCE_DATE in whole else None
    for fields in _blocks(trailer_pairs):
        image, previous = fields.get("bump-image", ""), fields.get("bump-from", "")
        tag, digest = fields.get("bump-to", ""), fields.get("bump-digest", "")
        if image and " " not in image and is_tag(tag):
            # By place: to hand sixteen values by their names takes longer than all else that is done with them.
            yield Record(
                fields[_SITE],
                image,
                "" if previous == NO_TAG else previous,
                tag,
                digest if is_digest(digest) else "",
                origin,
                whole.get("reason", ""),
                fields.get(_TAKEN_BACK) or whole.get(_ALL_TAKEN_BACK, ""),
                forced,
                commit,
                author,
                at,
                fields.get("bump-kustomization", ""),
                paths.get((image, tag), ""),
                whole.get("bump-plan", ""),
                source_at,
            )


def _blocks(trailer_pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """The fields of each site: a block begins with its name."""
    blocks: list[dict[str, str]] = []
    block: dict[str, str] = {}
    for key, value in trailer_pairs:
        if key == _SITE:
            block = {key: value} if value else {}
            if block:
                blocks.append(block)
        elif block and key in _OF_A_SITE:
            block[key] = value
    return blocks
