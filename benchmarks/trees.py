"""The finder and `bump check` on other people's Flux trees: `python -m benchmarks.trees DIR`, or `make trees TREES=DIR`.

Each folder of DIR is one repository (a checkout, or its files alone). For each it is counted which sites' images are found by
convention, which one annotation settles, which are refused and why, and what `bump check` finds, with the seconds of CPU that it took.
What was read by eye stands in `trees_read.txt`: fields that are wrong, findings that are false.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from bumper import check
from bumper.check.finding import Finding
from bumper.errors import BumpError
from bumper.fluxtree.build import build, resource_of
from bumper.fluxtree.images import images
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.sites.find import Site, Target, find_in
from bumper.fluxtree.walk import Walk
from bumper.systems.git.worktree import WorkTree

READ = Path(__file__).with_name("trees_read.txt")
_HEAD = (
    "repository",
    "sites",
    "with image",
    "found",
    "one annotation",
    "refused",
    "wrong",
    "findings",
    "false",
    "files",
    "CPU s",
)


@dataclass(frozen=True)
class Place:
    """Where a site's image was found; `line` is what stands there."""

    site: str
    file: str
    number: int
    image: str
    line: str
    is_by_convention: bool


@dataclass(frozen=True)
class Measured:
    """One repository. `refusals` are the sites whose image was not settled, with the reason."""

    name: str
    sites: int = 0
    places: tuple[Place, ...] = ()
    refusals: tuple[tuple[str, str], ...] = ()
    findings: tuple[Finding, ...] = ()
    files: int = 0
    check_s: float = 0.0

    @property
    def with_image(self) -> int:
        return len(self.places) + len(self.refusals)

    @property
    def by_convention(self) -> int:
        return sum(place.is_by_convention for place in self.places)


@dataclass(frozen=True)
class Eye:
    """What was read by eye: `wrong` fields by repository and site, `false` findings by repository, rule and file."""

    wrong: frozenset[tuple[str, str]] = frozenset()
    false: frozenset[tuple[str, str, str]] = frozenset()

    def wrong_in(self, measured: Measured) -> int:
        return sum((measured.name, place.site) in self.wrong for place in measured.places)

    def false_in(self, measured: Measured) -> int:
        return sum(
            bool(self.false & {(measured.name, finding.id, path) for path in (finding.path, "*")})
            for finding in measured.findings
        )


def main(arguments: Sequence[str]) -> int:
    settings = _parser().parse_args(arguments)
    folders = sorted(path for path in settings.directory.iterdir() if path.is_dir())
    if not folders:
        print(f"{settings.directory}: no folder here, expected one for each repository", file=sys.stderr)
        return 2
    eye, all_measured = read_by_eye(READ.read_text(encoding="utf-8")), []
    # A process for each: what one tree left in a cache must not make the next one faster.
    with ProcessPoolExecutor(settings.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        for measured in pool.map(measure, folders):
            all_measured.append(measured)
            print(" ".join(_row(measured, eye)), file=sys.stderr, flush=True)
    print("\n".join(table(all_measured, eye)))
    print("\n".join(["", *reasons(all_measured), "", *rules(all_measured, eye)]))
    if settings.fields:
        print("\n".join(["", *fields(all_measured, settings.fields)]))
    if settings.findings:
        print("\n".join(["", *listed(all_measured, eye)]))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trees", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR", help="a folder of Flux repositories")
    parser.add_argument(
        "--fields",
        type=int,
        default=0,
        metavar="N",
        help="print N of the fields, evenly chosen, to be read by eye",
    )
    parser.add_argument("--findings", action="store_true", help="print every finding")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="repositories at once (default: %(default)s)"
    )
    return parser


def measure(folder: Path) -> Measured:
    """One repository: `check` first, with nothing read before it."""
    tree = WorkTree(folder, {})
    begun_s = time.process_time()
    checked = check.check(tree)
    check_s = time.process_time() - begun_s
    reading = Reading(tree)
    known = [site for level in Walk(reading).levels() for site in level]
    answers = [(site, _answer(reading, site)) for site in known]
    return Measured(
        folder.name,
        len(known),
        tuple(answer for _, answer in answers if isinstance(answer, Place)),
        tuple((site.name, answer) for site, answer in answers if isinstance(answer, str)),
        checked.findings,
        checked.files,
        check_s,
    )


def _answer(reading: Reading, site: Site) -> Place | str | None:
    """Where the image is, or why it is refused; None for a site whose build holds no image."""
    try:
        return _place(reading, site, find_in(reading, site), is_by_convention=True)
    except BumpError as error:
        refusal = error
    repositories = _repositories(reading, site)
    for repository in repositories:
        try:
            return _place(reading, site, find_in(reading, site, image=repository), is_by_convention=False)
        except BumpError as error:
            refusal = error
    return f"{refusal.hint or refusal.message}" if repositories else None


def _repositories(reading: Reading, site: Site) -> list[str]:
    """What an annotation could name: every repository of the build, as far as it can be built at all."""
    try:
        owner = resource_of(reading, site.document)
        built = build(reading, site, owner) if owner else None
        return list(dict.fromkeys(image.repository for image in images(reading, built))) if built else []
    except BumpError:
        return []


def _place(reading: Reading, site: Site, target: Target, *, is_by_convention: bool) -> Place:
    path, number = target.field.path, target.field.span.line
    lines = reading.content(path).decode(errors="replace").splitlines()
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return Place(site.name, path, number, str(target.image), line, is_by_convention)


def read_by_eye(text: str) -> Eye:
    """`wrong REPOSITORY SITE` and `false REPOSITORY RULE FILE`, each with a reason behind `#`."""
    rows = [line.partition("#")[0].split() for line in text.splitlines()]
    return Eye(
        frozenset((row[1], row[2]) for row in rows if row[:1] == ["wrong"]),
        frozenset((row[1], row[2], row[3]) for row in rows if row[:1] == ["false"]),
    )


def table(all_measured: Sequence[Measured], eye: Eye) -> Iterator[str]:
    """A Markdown table that is read as text, too: a row for each repository, and their sum."""
    rows = [_row(measured, eye) for measured in all_measured]
    total = [sum(float(row[at]) for row in rows) for at in range(1, len(_HEAD))]
    rows.append(("**all**", *(f"{number:.0f}" for number in total[:-1]), f"{total[-1]:.1f}"))
    yield from aligned([_HEAD, *rows])


def _row(measured: Measured, eye: Eye) -> tuple[str, ...]:
    chosen = len(measured.places) - measured.by_convention
    numbers = (
        measured.sites, measured.with_image, measured.by_convention, chosen, len(measured.refusals),
        eye.wrong_in(measured), len(measured.findings), eye.false_in(measured), measured.files,
    )  # fmt: skip
    return (measured.name.replace("+", "/"), *map(str, numbers), f"{measured.check_s:.1f}")


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of Markdown with columns of one width, numbers to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for number, row in enumerate(rows):
        first, *rest = (
            f"{cell:<{width}}" if at == 0 else f"{cell:>{width}}"
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"| {' | '.join([first, *rest])} |"
        if number == 0:
            yield f"|{'-' * (widths[0] + 2)}|" + "".join(f"{'-' * (width + 1)}:|" for width in widths[1:])


def reasons(all_measured: Sequence[Measured]) -> Iterator[str]:
    """Why sites were refused, the most frequent reason first."""
    counts = Counter(reason for measured in all_measured for _, reason in measured.refusals)
    yield from aligned(
        [("refused because", "sites"), *((reason, str(number)) for reason, number in counts.most_common())]
    )


def rules(all_measured: Sequence[Measured], eye: Eye) -> Iterator[str]:
    """The findings by rule."""
    counts = Counter(finding.id for measured in all_measured for finding in measured.findings)
    false = Counter(
        finding.id
        for measured in all_measured
        for finding in measured.findings
        if eye.false & {(measured.name, finding.id, path) for path in (finding.path, "*")}
    )
    rows = [(rule, str(number), str(false[rule])) for rule, number in counts.most_common()]
    yield from aligned([("rule", "findings", "false"), *rows])


def fields(all_measured: Sequence[Measured], wanted: int) -> Iterator[str]:
    """So many of the fields, evenly over all of them: each with its line, to be read by eye."""
    places = [(measured.name, place) for measured in all_measured for place in measured.places]
    step = max(1, len(places) // wanted)
    for name, place in islice(places[::step], wanted):
        way = "convention" if place.is_by_convention else "annotation"
        yield f"{name}  {place.site}  ({way})  {place.file}:{place.number}"
        yield f"    {place.line}    → {place.image}"


def listed(all_measured: Sequence[Measured], eye: Eye) -> Iterator[str]:
    """Every finding, with what was read of it."""
    for measured in all_measured:
        for finding in measured.findings:
            is_false = eye.false & {(measured.name, finding.id, path) for path in (finding.path, "*")}
            yield f"{'false ' if is_false else ''}{measured.name}  {finding.id}  {finding.place}: {finding.message}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
