import base64
import json

import pytest

from bumper.systems.registry.docker_config import Credential, DockerConfig, parse_helper_answer


def config(**fields: object) -> DockerConfig:
    return DockerConfig.parse("config.json", json.dumps(fields))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "key", ["r.example", "https://r.example", "https://r.example/v2/", "http://r.example/"]
)
def test_an_entry_is_found_under_every_form_of_the_host(key: str) -> None:
    credential = config(auths={key: {"auth": encoded("me:pa:ss")}}).entry("r.example")
    assert credential == Credential("config.json", "me", "pa:ss")


def test_docker_hub_has_a_key_of_its_own() -> None:
    hub = config(auths={"https://index.docker.io/v1/": {"auth": encoded("me:secret")}})
    assert hub.entry("docker.io") == Credential("config.json", "me", "secret")
    assert hub.entry("r.example") is None


def test_tokens_in_an_entry() -> None:
    entries = config(
        auths={
            "a.example": {"identitytoken": "refresh", "auth": encoded("0:")},
            "b.example": {"registrytoken": "bearer"},
        }
    )
    assert entries.entry("a.example") == Credential("config.json", "0", refresh_token="refresh")
    assert entries.entry("b.example") == Credential("config.json", bearer_token="bearer")


@pytest.mark.parametrize(
    "fields",
    [{}, {"auths": {}}, {"auths": {"r.example": {}}}, {"auths": None}, {"auths": {"r.example": None}}],
)
def test_no_entry(fields: dict[str, object]) -> None:
    assert config(**fields).entry("r.example") is None


def test_a_helper_for_the_registry_goes_before_the_one_for_all() -> None:
    both = config(credsStore="all", credHelpers={"r.example": "one"})
    assert both.helper("r.example") == "one"
    assert both.helper("other.example") == "all"
    assert config().helper("r.example") == ""


@pytest.mark.parametrize("name", ["../evil", "a b", "a/b"])
def test_a_helper_is_a_program_s_name(name: object) -> None:
    with pytest.raises(ValueError, match="credential helper"):
        config(credsStore=name).helper("r.example")


def test_auth_that_cannot_be_decoded_is_an_error_that_does_not_quote_it() -> None:
    with pytest.raises(ValueError, match="base64") as caught:
        config(auths={"r.example": {"auth": "s3cret!"}}).entry("r.example")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"credsStore": 7}, "the file: credsStore: found a number, expected a text"),
        ({"credHelpers": {"x": ["y"]}}, "the file: credHelpers: x: found a list, expected a text"),
        ({"auths": []}, "the file: auths: found a list, expected a JSON object"),
        ({"auths": {"x": 1}}, "the file: auths: x: found a number, expected a JSON object"),
        (
            {"auths": {"x": {"password": {"s3cret": 1}}}},
            "the file: auths: x: password: found an object, expected a text",
        ),
    ],
)
def test_a_file_that_docker_would_not_read_either(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        config(**fields)


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_a_file_that_is_no_object(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        DockerConfig.parse("config.json", text)


def test_what_a_helper_answers() -> None:
    answer = {"ServerURL": "r.example", "Username": "me", "Secret": "s"}
    assert parse_helper_answer("helper", json.dumps(answer)) == Credential("helper", "me", "s")
    token = parse_helper_answer("helper", json.dumps({"Username": "<token>", "Secret": "s"}))
    assert token == Credential("helper", refresh_token="s")
    with pytest.raises(ValueError, match="Secret"):
        parse_helper_answer("helper", "{}")
    with pytest.raises(ValueError, match="Username: found an object, expected a text"):
        parse_helper_answer("helper", json.dumps({"Username": {"a": 1}, "Secret": "s"}))


def test_no_repr_shows_a_secret() -> None:
    shown = repr(Credential("here", "me", "s3cret1", "s3cret2", "s3cret3"))
    assert "s3cret" not in shown
    assert "s3cret" not in repr(config(auths={"r.example": {"auth": "s3cret"}}))
