"""Stories as a run tells them, and Markdown rendered as GitHub does: what the tests of comments share."""

import re
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

from bumper.errors import Outcome
from bumper.image import ImageReference
from bumper.ports.run import State, Step
from bumper.publish.report import SiteReport
from bumper.publish.story import Pages, SiteStory, Story
from bumper.revision import Revision
from bumper.rollout.timeline import Moment
from bumper.rollout.verdict import Stage, Verdict

OLD, NEW = "08a2c8e", "abc1234"
DIGEST = "sha256:" + "9f" * 32
REVISION = Revision("main", "3f9d2ab0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6")
PAGES = Pages(
    source="https://github.com/octo/web",
    run="https://github.com/octo/web/actions/runs/42",
    platform="https://github.com/octo/platform",
)
# What GitHub does to rendered text outside of code: html-pipeline's MentionFilter, and its references to issues and emoji.
_MENTION = re.compile(r"(?:^|\W)@[A-Za-z0-9][A-Za-z0-9-]*")
_REFERENCE = re.compile(r"(?:^|[^\w&])(?:[\w.-]+(?:/[\w.-]+)?)?#\d+|\bGH-\d+", re.IGNORECASE)
_EMOJI = re.compile(r":[a-z0-9_+-]+:", re.IGNORECASE)


def stages(*, last: State = State.DONE) -> tuple[Step, ...]:
    return (
        Step("web", "image", State.DONE, f"reg.io/web:{NEW}   sha256:9f2c…   linux/amd64", 0.34),
        Step("web", "commit", State.DONE, "main@sha1:3f9d2ab   k8s/web/deployment.yaml:21", 0.9),
        Step("web", "fetched", State.DONE, "main@sha1:3f9d2ab", 1.2),
        Step("web", "applied", State.DONE, "Kustomization flux-system/web", 0.7),
        Step("web", "rolled out", last, "0/1 available   pod web-7c9fd pulling the image", 6.3),
    )


def report(verdict: Verdict, *, site: str = "web", steps: tuple[Step, ...] | None = None) -> SiteReport:
    last = State.DONE if verdict.outcome is Outcome.READY else State.FAILED
    return SiteReport(
        site=site,
        previous=ImageReference("reg.io/web", OLD),
        image=ImageReference("reg.io/web", NEW, DIGEST),
        place="k8s/web/deployment.yaml:21",
        revision=REVISION,
        verdict=verdict,
        steps=stages(last=last) if steps is None else steps,
        url="https://web.example",
        timeline=(Moment("pushed", 0.9), Moment("ready", 8.2)),
    )


READY = Verdict(Outcome.READY, "Ready", "1/1 updated, 1/1 available", stage=Stage.ROLLED_OUT)
FAILED = Verdict(
    Outcome.FAILED,
    "ImagePullBackOff",
    f"reg.io/web:{NEW} is not in the registry (manifest unknown, 3 tries)",
    hint="push the image, or: bump rollback --site web",
    serving=f"{OLD}, 1/1 available: visitors see the old version",
    evidence=(
        f'pod web-7c9fd: Failed to pull image "reg.io/web:{NEW}": not found',
        "pod web-7c9fd: Back-off pulling image",
    ),
    stage=Stage.ROLLED_OUT,
)


def story(verdict: Verdict | None, *, sites: tuple[str, ...] = ("web",)) -> Story:
    """A run of these sites that ended with one verdict, or still goes on."""
    return Story(
        sites=tuple(
            SiteStory(
                site,
                OLD,
                NEW,
                {site: stages(last=State.MOVING)},
                (report(verdict, site=site),) if verdict else (),
            )
            for site in sites
        ),
        pages=PAGES,
    )


class Page(HTMLParser):
    """`shape` is the sequence of tags; `prose` the text that GitHub looks through, `text` all of it, `links` the addresses."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: list[str] = []
        self.links: list[str] = []
        self.prose = ""
        self.text = ""
        self._code = 0
        self.html: str = cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE)
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append(tag)
        # GitHub looks through one text at a time.
        self.prose += "\n"
        self._code += tag in ("code", "pre")
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self.shape.append(f"/{tag}")
        self.prose += "\n"
        self._code -= tag in ("code", "pre")

    def handle_data(self, data: str) -> None:
        self.text += data
        if not self._code:
            self.prose += data

    def handle_comment(self, data: str) -> None:
        self.shape.append("comment")

    @property
    def does(self) -> list[str]:
        """What GitHub would make of the prose: mentions, references, emoji."""
        matches = [
            *_MENTION.findall(self.prose),
            *_REFERENCE.findall(self.prose),
            *_EMOJI.findall(self.prose),
        ]
        return [str(match) for match in matches]
