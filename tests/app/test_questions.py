"""What a person is asked at a terminal, and what stands there where nobody answers."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from bumper.app.context import Context
from bumper.app.questions import Questions
from bumper.errors import UsageError
from bumper.setup.request import cluster_of

CHOICES = (
    ("aks", "AKS with Entra ID: the job's OIDC token and kubelogin, nothing is stored"),
    ("none", "no access at all"),
)


class Screen(io.StringIO):
    """A terminal: what is typed there, or what it shows."""

    def isatty(self) -> bool:
        return True


class Interrupting(io.RawIOBase):
    """A keyboard at which somebody presses Ctrl-C."""

    def readable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        raise KeyboardInterrupt


def asked(ask: Callable[[Questions], object], typed: io.StringIO, columns: int = 60) -> tuple[object, str]:
    """What came of it, an error included, and what the screen shows."""
    screen = Screen()
    environ = {"COLUMNS": str(columns), "TERM": "xterm"}
    context = Context(environ, Path(), stdout=io.StringIO(), stderr=screen, stdin=typed)
    try:
        return ask(Questions(context)), screen.getvalue()
    except UsageError as error:
        return error, screen.getvalue()


def test_choices_are_broken_between_words_and_stand_below_each_other() -> None:
    answer, shown = asked(lambda questions: questions.choose("Which way?", CHOICES, "--way"), Screen("2\n"))
    assert answer == "none"
    assert shown.splitlines() == [
        "Which way?",
        "  1  aks         AKS with Entra ID: the job's OIDC token and",
        "                 kubelogin, nothing is stored",
        "  2  none        no access at all",
        "Which one: ",
    ]


def test_a_wrong_answer_is_shown_whole_and_loses_nothing() -> None:
    typed = Screen("acme\n" * 5 + "acme/prod\n")
    answer, shown = asked(lambda questions: questions.ask("Cluster", cluster_of, "--aks"), typed, 100)
    assert answer == ("acme", "prod")
    assert shown.count("  'acme': expected a cluster in Azure, RESOURCE-GROUP/NAME\n") == 5


def test_the_end_of_the_input_names_the_option_on_a_line_of_its_own() -> None:
    answer, shown = asked(lambda questions: questions.ask("Cluster", cluster_of, "--aks G/N"), Screen(""))
    assert isinstance(answer, UsageError)
    assert (answer.message, answer.hint) == ("no answer: Cluster", "give it: --aks G/N")
    assert shown == "Cluster: \n"


def test_an_interruption_begins_a_line() -> None:
    screen = Screen()
    context = Context(
        {},
        Path(),
        stdout=io.StringIO(),
        stderr=screen,
        stdin=io.TextIOWrapper(io.BufferedReader(Interrupting())),
    )
    with pytest.raises(KeyboardInterrupt):
        Questions(context).ask("Cluster", cluster_of, "--aks")
    assert screen.getvalue() == "Cluster: \n"


def test_without_a_terminal_the_choices_are_named() -> None:
    answer, shown = asked(
        lambda questions: questions.choose("Which way?", CHOICES, "--way WAY"), io.StringIO("")
    )
    assert isinstance(answer, UsageError)
    assert answer.message == "not given: Which way?"
    assert answer.hint == "give it: --way WAY: aks or none; on a terminal it is asked"
    assert shown == ""
