"""Secrets in log lines and messages: their values go, everything else stays."""

from dataclasses import replace

import pytest
import situations
from hypothesis import given
from hypothesis import strategies as st

from bumper.rollout import Verdict, judge
from bumper.safe_text import mask, printable

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\nabc=\n-----END RSA PRIVATE KEY-----"
LINE = "MIIEowIBAAKCAQEA7bq0Zc1nGgYp0zq7mYkH2t9JbR0yqQv7Jm1xk8f4a5s6d7f8g9h0"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "Authorization: Bearer ***"),
        ("postgres://app:hunter2@db:5432/x refused", "postgres://app:***@db:5432/x refused"),
        ("redis://:p@ss@cache:6379", "redis://:***@cache:6379"),
        ("https://ghp0123456789abcdefghij@git.example/x.git", "https://***@git.example/x.git"),
        (
            "AccountName=x;AccountKey=ab+/cd==;EndpointSuffix=y",
            "AccountName=x;AccountKey=***;EndpointSuffix=y",
        ),
        ("https://x.example/c?sv=1&sig=ab%2Bcd&se=2", "https://x.example/c?sv=1&sig=***&se=2"),
        ('{"password": "hunter two", "user": "me"}', '{"password": "***", "user": "me"}'),
        ("PASSWORD=hunter2 DEBUG=1", "PASSWORD=*** DEBUG=1"),
        ("password: hunter", "password: ***"),
        ("DB_PASSWORD='a b'", "DB_PASSWORD='***'"),
        ("the api_key: 9f8e7d6c5b4a is wrong", "the api_key: *** is wrong"),
        ("secret abcdef0123456789abcdef0123456789 rejected", "secret *** rejected"),
        (f"before\n{KEY}\nafter", "before\n[RSA PRIVATE KEY ***]\nafter"),
        (f"{LINE}\n{LINE}\nabc=\n-----END PRIVATE KEY-----\nafter", "[PRIVATE KEY ***]\nafter"),
        (f"x\n{LINE}\ny", "x\n***\ny"),
        ("pushed with ghp_0123456789abcdefghijABCDEFGHIJ012345", "pushed with ***"),
        ("by ghs_4711_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjQ3MTF9-_x.c2lnbmF0dXJl-_AA, then.", "by ***, then."),
    ],
)
def test_a_secret_goes_and_its_name_stays(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert mask(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        'secret "db-credentials" not found',
        "couldn't find key password in Secret web/db",
        "failed to fetch anonymous token: unexpected status from GET request to https://auth.docker.io/token?scope=x",
        "unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
        "exceeded quota: full, requested: pods=1, used: pods=1, secrets=4",
        "failed to sync secret cache: timed out waiting for the condition",
        "invalid username/password: unauthorized",
        "imagePullSecrets: regcred",
        "reg.io/web:1.0@sha256:" + "a" * 64,
        "main@sha1:3f9d2ab0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6",
        "dial tcp: lookup reg.example on 10.0.0.10:53: no such host",
    ],
)
def test_what_the_runtimes_write_stays_as_it_is(text: str) -> None:
    assert mask(text) == text


@given(st.text())
def test_masking_twice_changes_nothing(text: str) -> None:
    assert mask(mask(text)) == mask(text)


def test_an_escape_sequence_does_not_hide_a_secret() -> None:
    assert printable("pass\x1b[1mword=hunter2") == "password=***"


def test_the_log_lines_of_a_verdict_are_masked() -> None:
    situation = situations.load("crash-with-log")
    (name,) = situation.observation.logs
    logs = {name: f"connecting with password=hunter2\n{KEY}\nfatal: no such table"}
    assert _log_lines(situation, logs) == (
        "log: connecting with password=***",
        "log: [RSA PRIVATE KEY ***]",
        "log: fatal: no such table",
    )


def _log_lines(situation: situations.Situation, logs: dict[str, str]) -> tuple[str, ...]:
    observation = replace(situation.observation, logs=logs, at_s=0.0)
    sightings = judge(situation.desired, observation, {}).sightings
    verdict: Verdict | None = judge(situation.desired, replace(observation, at_s=600.0), sightings).verdict
    assert verdict
    return tuple(line for line in verdict.evidence if line.startswith("log: "))
