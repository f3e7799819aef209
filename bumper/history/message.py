"""The message of a commit that deploys: a subject for people, a sentence on each change, and trailers for programs.

Law: `records(compose(x)) == x`, whatever stands in it: no value breaks out of its own trailer.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from bumper.dataclasses import dataclass
from bumper.history.trailers import one_line, paragraphs, trailers
from bumper.image import ImageReference
from bumper.request import Origin

PREFIX = "bump/"
SOURCE_DATE = "Bump-Source-Date"
# Git's own time begins then.
_FIRST_YEAR = 1970
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+|\.{2,}")
_LONGEST_NAME = 100
_SITE = re.compile(r"^Bump-Site: (\S+)[ \t\r]*$(?:\nBump-Kustomization: (\S.*?)[ \t\r]*$)?", re.MULTILINE)
# A title, and the sentences on what changes.
_MOST_BEFORE_TRAILERS = 2
# Titles that hosts put over a commit that they merge or squash, GitHub's list of titles, and git's head of each commit in a squash.
_MERGED = re.compile(r"Merge(?:d in|d PR \d+:| branch) .*|Squashed commit of the following:$")
_LISTED = re.compile(r"\* \S[^\n]*")
_LOGGED = re.compile(r"commit [0-9a-f]{40,64}\n(?:Merge: .*\n)?Author: ")
# builtin/revert.c; sequencer.c of git 2.43 calls the revert of a revert a reapplication.
_REVERT = re.compile(
    r"(?:Revert|Reapply) \"[^\n]*\n\s*\nThis reverts commit (?P<sha>[0-9a-f]{40,64})"
    r"(?:, reversing\s+changes made to [0-9a-f]{40,64})?\.(?P<rest>.*)",
    re.DOTALL,
)
NO_TAG = "no tag"  # no image can have a tag with a space


@dataclass(frozen=True)
class Deploy:
    """One site going from one image to another, in the file that was changed; `kustomization` (`KustomizationName`) builds it.

    `rollback_of` is the full SHA of the deploy that is taken back, empty for one that takes none back.
    """

    site: str
    path: str
    previous: ImageReference
    image: ImageReference
    kustomization: str = ""
    rollback_of: str = ""


def compose(
    deploys: Sequence[Deploy],
    origin: Origin,
    reason: str = "",
    *,
    forced: str = "",
    plan: str = "",
) -> str:
    """The commit message: subject, a sentence on each change, and the trailers.

    `forced` names the guards that were overridden: `older, held`.
    `plan` is the hash of what the commit changes in what Flux builds.
    """
    sentences = [
        f"{deploy.path}: {deploy.previous.repository} goes from {_tag(deploy.previous)} to {_tag(deploy.image)}."
        for deploy in deploys
    ]
    taken_back = dict.fromkeys(deploy.rollback_of for deploy in deploys)
    several = len(taken_back) > 1
    trailers = [trailer for deploy in deploys for trailer in _trailers(deploy, with_rollback=several)]
    trailers += [
        ("Reason", reason),
        ("Rollback-Of", "" if several else next(iter(taken_back), "")),
        ("Bump-Forced", forced),
        ("Bump-Plan", plan),
        *origin.trailers(),
    ]
    return worded(_subject(deploys, is_rollback=any(taken_back)), sentences, trailers)


def worded(subject: str, sentences: Sequence[str], trailers: Sequence[tuple[str, str]]) -> str:
    """A whole message. A trailer without a value is left out."""
    lines = [(key, one_line(value)) for key, value in trailers]
    body = "\n".join(one_line(sentence) for sentence in sentences)
    block = "\n".join(f"{key}: {value}" for key, value in lines if value)
    return f"{one_line(subject)}\n\n{body}\n\n{block}\n"


def dated(message: str, source_at: datetime) -> str:
    """The same message with the time at which the deployed commit was made; one that has it already stays as it is."""
    line = f"{SOURCE_DATE}: {iso_utc(source_at)}"
    body = message.rstrip("\n")
    return message if line in body.split("\n") else f"{body}\n{line}\n"


def moment(text: str) -> datetime | None:
    """The moment in UTC; None for a text that is none, that leaves its offset to the reader, or that no zone could show."""
    try:
        at = datetime.fromisoformat(text)
        utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return utc if at.tzinfo and is_within_reach(utc) else None


def is_within_reach(at: datetime) -> bool:
    """Whether a time in UTC can be shown in every zone, and reckoned with: anybody may write any time into a commit or a note."""
    return _FIRST_YEAR <= at.year < datetime.max.year


def iso_utc(at: datetime) -> str:
    """`2026-03-04T05:06:07Z`."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _subject(deploys: Sequence[Deploy], *, is_rollback: bool) -> str:
    first = deploys[0]
    more = f" and {len(deploys) - 1} more" if len(deploys) > 1 else ""
    if is_rollback:
        return f"Roll {first.site} back to {first.image.tag}{more}"
    return f"Deploy {first.site} {first.image.tag}{more}"


def _trailers(deploy: Deploy, *, with_rollback: bool) -> list[tuple[str, str]]:
    return [
        ("Bump-Site", deploy.site),
        ("Bump-Kustomization", deploy.kustomization),
        ("Bump-Image", deploy.image.repository),
        ("Bump-From", _tag(deploy.previous)),
        ("Bump-To", deploy.image.tag),
        ("Bump-Digest", deploy.image.digest),
        ("Bump-Rollback-Of", deploy.rollback_of if with_rollback else ""),
    ]


def _tag(image: ImageReference) -> str:
    return image.tag or image.digest or NO_TAG


def branch_of(message: str) -> str:
    """The name of the branch for a commit: `bump/web-abc1234` for `Deploy web abc1234`, `bump/hold-web` for `Hold web`."""
    subject = message.strip().partition("\n")[0].removeprefix("Deploy ")
    name = _NOT_IN_A_NAME.sub("-", subject)[:_LONGEST_NAME].strip("-.").removesuffix(".lock")
    return PREFIX + (name or "change")


def names(merge: str, message: str) -> bool:
    """Whether the message of a merge tells that a commit with `message` is what was merged: by its branch or its subject, as git and
    hosts write it. Who brings a branch up to date names the branch that this commit is the tip of by chance.
    """
    return branch_of(message) in merge or message.strip().partition("\n")[0] in merge


def is_ours(message: str) -> bool:
    """Whether a commit with this message holds what `bump` wrote and nothing else: one commit of ours, or several squashed together.

    Each of ours is a title, one paragraph at most, and our trailers. People's work that was squashed with it has paragraphs besides.
    """
    title = message.lstrip().partition("\n")[0]
    waiting: list[str] = [] if _MERGED.match(title) else [title]
    ours = 0
    for paragraph in _in_turn(message):
        pairs = trailers(paragraph)
        if any(key.startswith("bump-") for key, _ in pairs):
            if len(waiting) > _MOST_BEFORE_TRAILERS:
                return False
            ours, waiting = ours + 1, []
        elif not (
            # GitHub rules off whom it adds as co-authors, and begins the list of what it squashed with the pull request's own title.
            len(pairs) == len(paragraph.split("\n")) or not paragraph.strip("-") or _LOGGED.match(paragraph)
        ):
            if _LISTED.fullmatch(paragraph) and waiting == [title] and not ours:
                waiting = []
            waiting.append(paragraph)
    return ours > 0 and not waiting


def _in_turn(message: str) -> list[str]:
    """Every paragraph but the title. Those of `git merge --squash` are indented, each commit's below its own head."""
    after = list(paragraphs(message))
    return after[::-1] if any(map(_LOGGED.match, after)) else after


def reverted(message: str) -> str:
    """The full SHA of the commit that git says it takes back, or brings back, where the message says nothing else; empty otherwise."""
    match = _REVERT.match(message.strip())
    rest = match["rest"].strip() if match else ""
    return match["sha"] if match and len(trailers(rest)) == len(rest.splitlines()) else ""


def sites_of(text: str) -> frozenset[tuple[str, str]]:
    """The sites that a message, or a pull request made from it, says it deploys, with their Kustomizations where it names them."""
    return frozenset(_SITE.findall(text))


def has_other_sites(message: str, body: str) -> bool:
    """Whether both say which sites they deploy, and not the same ones. Where one names no Kustomization the names alone count."""
    ours, theirs = sites_of(message), sites_of(body)
    if not ours or not theirs:
        return False
    if all(kustomization for _, kustomization in (*ours, *theirs)):
        return ours != theirs
    return {site for site, _ in ours} != {site for site, _ in theirs}
