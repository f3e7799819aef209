import argparse
import io
from pathlib import Path

import commandline
import pytest
from tables import each_row

from bumper.address import service_of
from bumper.app.context import Context
from bumper.app.settings import TokenServiceSettings
from bumper.commands import options, promote
from bumper.commands.parser import parser_of
from bumper.errors import UsageError
from bumper.request import Wanted

FULL = "abc1234def5678abc1234def5678abc1234def56"


@each_row(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5s", 1.5), ("10m", 600), ("1h30m", 5400), ("0", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert options.duration(text) == seconds


@each_row("text", ["", "ten", "10 m", "-5s", "5x", "m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="duration"):
        options.duration(text)


def test_a_short_sha_is_the_tag_and_a_full_one_is_looked_up() -> None:
    assert options.wanted_commit("web", "abc1234") == Wanted("web", "abc1234", is_commit=True)
    assert options.wanted_commit("web", FULL) == Wanted("web", FULL, is_commit=True)
    assert options.wanted_tag("web", FULL) == Wanted("web", FULL, is_commit=False)


@each_row("sha", ["abc123", "ABC1234", "abc123g", FULL + "0", "v1.0.0", ""])
def test_what_is_no_commit(sha: str) -> None:
    with pytest.raises(UsageError, match="7 to 40 digits"):
        options.wanted_commit("web", sha)


@each_row("tag", ["", "-x", ".x", "a b", "a:b", "a" * 129])
def test_what_is_no_tag(tag: str) -> None:
    with pytest.raises(UsageError, match="no image tag"):
        options.wanted_tag("web", tag)


def test_a_sentence_keeps_its_letters_whatever_the_locale_made_of_them() -> None:
    typed = "größer ✓ 漢"
    assert options.sentence(typed) == typed
    assert options.sentence(typed.encode().decode("ascii", "surrogateescape")) == typed
    with pytest.raises(argparse.ArgumentTypeError, match="no text in UTF-8"):
        options.sentence("gr\udcf6sser")


def test_platforms() -> None:
    assert options.platforms("linux/amd64, Linux/ARM64/v8") == ["linux/amd64", "linux/arm64/v8"]
    for text in ("", "linux/amd64,", "amd64"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no platform"):
            options.platforms(text)


def test_channels() -> None:
    assert options.channels("comment, summary,deployment,status") == list(options.CHANNELS)
    with pytest.raises(argparse.ArgumentTypeError, match="'mail' is no channel"):
        options.channels("comment,mail")


@each_row("verb", ["deploy", "rollback", "track", "status", "hold", "release", "history"])
def test_a_kustomization_may_be_named_several_times(verb: str) -> None:
    given = parser_of(verb).parse_args(
        ["--kustomization", "a", "--kustomization", "b", "--kustomization", "a"]
    )
    assert options.kustomizations(given) == ("a", "b")


def test_an_empty_kustomization_is_refused() -> None:
    with pytest.raises(UsageError, match="--kustomization is empty"):
        options.kustomizations(parser_of("deploy").parse_args(["--kustomization", ""]))


def test_a_site_in_several_kustomizations_is_wanted_in_each() -> None:
    site = Wanted("web", "2.0")
    assert options.in_each(site, ("a", "b")) == (
        Wanted("web", "2.0", kustomization="a"),
        Wanted("web", "2.0", kustomization="b"),
    )
    assert options.in_each(site, ("a",)) == options.in_each(site, ()) == (site,)


def test_a_token_service_is_a_host_that_tls_leads_to() -> None:
    taken = {
        "octo-sts.dev": "https://octo-sts.dev",
        " https://sts.acme.example:8443/ ": "https://sts.acme.example:8443",
        "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    }
    assert {text: service_of(text) for text in taken} == taken
    refused = (
        "",
        "http://sts.example",
        "sts.example/x",
        "api://AzureADTokenExchange",
        "me@sts.example",
        "a b",
    )
    for text in refused:
        with pytest.raises(ValueError, match="is no service; expected its host"):
            service_of(text)
    for text in ("", "../x", "a/b", "a b", "-x"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no identity"):
            options.identity(text)
    settings = options.repository(parser_of("status").parse_args(["--token-service", "sts.example"]))
    assert settings.token_service == TokenServiceSettings("https://sts.example", "bump")
    with pytest.raises(UsageError, match="and there is none"):
        options.repository(parser_of("status").parse_args(["--token-identity", "bump"]))


def test_both_environments_of_a_promotion_are_read_with_the_token_of_the_service() -> None:
    line = [
        "web",
        "--from",
        "a",
        "--to",
        "b",
        "--repo",
        "https://git.example/x",
        "--token-service",
        "sts.example",
    ]
    context = Context({}, Path(), io.StringIO(), io.StringIO())
    settings = promote.settings_of(parser_of("promote").parse(line, {}), context)
    assert settings.origin == settings.deploy.run.repository
    other = promote.settings_of(parser_of("promote").parse([*line, "--from-branch", "next"], {}), context)
    assert (other.origin.branch, other.origin.token_service) == ("next", settings.origin.token_service)


def test_who_has_no_cluster_is_told_of_options_that_the_command_has(tmp_path: Path) -> None:
    repository = ("--repo", "https://127.0.0.1:9/platform")
    commands = (("web", "--sha", "abc1234"), ("track", "--site", "web"), ("sweep",))
    hints = [
        commandline.bump(*command, *repository, environ={"HOME": str(tmp_path)}).stderr.splitlines()[-1]
        for command in commands
    ]
    named = "help:  set KUBECONFIG, or name a context with --context"
    assert hints == [f"{named}; to push without following: --no-wait", named, named]
