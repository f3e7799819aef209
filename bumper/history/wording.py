"""How the commits of a platform are worded where its repository has rules for that: a subject, trailers, a sign-off.

Law: `records(wording.of(message)) == records(message)`: our own trailers are neither lost nor said by anybody else, and the subject
still says what is done.
Sources: gitformat-trailers in git-interpret-trailers(1); "Skipping workflow runs" in GitHub's documentation, whose `[skip ci]`
GitLab, Bitbucket and Azure Pipelines know as well.
"""

import re
from collections.abc import Callable, Mapping

from bumper.dataclasses import dataclass
from bumper.history.trailers import trailers
from bumper.request import Origin

SKIP_CI = "[skip ci]"
SIGN_OFF = "Signed-off-by"
# What a subject may name; one of the first two says what is done.
SUBJECT, CHANGE, SITE = "subject", "change", "site"
PLAIN = f"{{{SUBJECT}}}"
_LONGEST = 60
_NAME = r"\{(\w*)\}"
_TRAILER = r"(?P<key>[A-Za-z0-9-]+)[ \t]*(?::|=)[ \t]*(?P<value>.*)"
_OURS = frozenset(["reason", "rollback-of", "hold-until", *(key.lower() for key, _ in Origin().trailers())])
# By these a message of ours says which sites it is about.
_SITE_KEYS = frozenset(
    f"bump-{what}" for what in ("site", "hold", "release", "adopt", "new-site", "remove-site")
)
_NO_SITE = "platform"
_SKIPS = r"(?i)\[(?:skip ci|ci skip|no ci|skip actions|actions skip)\]"
_SIGN_OFF_RULE = r"(?i)sign(?:ed)?[ -]?off|\bDCO\b|certificate of origin"
_MESSAGE_RULE = (
    r"(?i)commit[ -]?(?:message|subject|title|header)|conventional[ -]?commit|commitlint"
    r"|\b(?:message|subject)\b.*\b(?:match|pattern|format)"
)


@dataclass(frozen=True)
class Trailer:
    """A line at the end of a message that somebody asked for."""

    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> "Trailer":
        """The trailer in `Key: value` or `Key=value`; ValueError where it is none, or one of ours."""
        match = re.fullmatch(_TRAILER, text.strip())
        if not (match and match["value"]) or not text.strip().isprintable():
            raise ValueError(
                "is no trailer; expected one line KEY: VALUE, the key of letters, digits and '-'"
            )
        key = match["key"].lower()
        if key in _OURS or key.startswith("bump-"):
            raise ValueError(f"{match['key']} is a trailer that bump writes itself, and reads as its own")
        return cls(match["key"], match["value"].rstrip())

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"


def template(text: str) -> str:
    """The text as a template of subjects; ValueError where it is none."""
    stripped = text.strip()
    names = re.findall(_NAME, stripped)
    if unknown := [name for name in names if name not in (SUBJECT, CHANGE, SITE)]:
        raise ValueError(
            f"names {{{unknown[0]}}}; expected {{{SUBJECT}}} (Deploy web abc1234), {{{CHANGE}}} (deploy web abc1234) or "
            f"{{{SITE}}} (web)"
        )
    if SUBJECT not in names and CHANGE not in names:
        raise ValueError(f"does not say what is done; expected {{{SUBJECT}}} or {{{CHANGE}}} in it")
    if not stripped.isprintable() or len(stripped) > _LONGEST:
        raise ValueError(f"is no subject; expected one line of at most {_LONGEST} characters")
    return stripped


@dataclass(frozen=True)
class Wording:
    """`subject` is a `template`. `signs_off` asks for the line of whoever is named as the commit's author."""

    subject: str = PLAIN
    trailers: tuple[Trailer, ...] = ()
    signs_off: bool = False
    skips_ci: bool = False

    @property
    def keeps_ci_away(self) -> bool:
        """Whether nothing is started by the commit, or by a pull request that it is the last one of."""
        return (
            self.skips_ci
            or bool(re.search(_SKIPS, self.subject))
            or any(trailer.key.lower() == "skip-checks" for trailer in self.trailers)
        )

    def of(self, message: str, author: str = "") -> str:
        """A message of ours in these words; `author` is `NAME <EMAIL>`, of whom a sign-off speaks."""
        subject, _, rest = message.partition("\n")
        added = [*self.trailers, *([Trailer(SIGN_OFF, author)] if self.signs_off and author else [])]
        skip = f" {SKIP_CI}" if self.skips_ci and not re.search(_SKIPS, self.subject) else ""
        return f"{self._subject(subject, rest)}{skip}\n{_extended(rest, dict.fromkeys(map(str, added)))}"

    def _subject(self, subject: str, rest: str) -> str:
        values: Mapping[str, Callable[[], str]] = {
            SUBJECT: lambda: subject,
            CHANGE: lambda: subject[:1].lower() + subject[1:],
            SITE: lambda: ",".join(_sites(rest)) or _NO_SITE,
        }
        return re.sub(_NAME, lambda match: values[match[1]](), self.subject)


def _sites(rest: str) -> list[str]:
    last = rest.rstrip().rpartition("\n\n")[2]
    return list(dict.fromkeys(value for key, value in trailers(last) if key in _SITE_KEYS))


def _extended(rest: str, lines: Mapping[str, None]) -> str:
    """The text with these lines in its last paragraph, which holds the trailers, or in one of their own."""
    body = rest.rstrip()
    last = body.rpartition("\n\n")[2]
    there = last.split("\n")
    has_trailers = len(trailers(last)) == len(there)
    missing = [line for line in lines if not (has_trailers and line in there)]
    return "\n".join([body + ("" if has_trailers or not missing else "\n"), *missing]) + "\n"


def hint_on_rule(answer: str) -> str:
    """What helps against a server's rule on commit messages, by its own words; empty where it speaks of something else."""
    if re.search(_SIGN_OFF_RULE, answer):
        return f"--signoff adds {SIGN_OFF} with the commit's author, --trailer '{SIGN_OFF}: NAME <EMAIL>' any other"
    if re.search(_MESSAGE_RULE, answer):
        return f"--message words the subject, as --message 'chore: {{{CHANGE}}}', and --trailer 'KEY: VALUE' adds a line"
    return ""
