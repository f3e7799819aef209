"""GitHub's own description of its API (npm `@octokit/openapi`), and requests and answers held to it.

Of its 400 MB one file is kept (see `npm`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import npm
from jsonschema import Draft202012Validator
from sandbox_github.server import Exchange

PACKAGE = "@octokit/openapi"
INTEGRITY = "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
_MEMBER = "package/generated/api.github.com.json"


@cache
def description() -> Mapping[str, Any]:
    """The description as GitHub publishes it; skips the test where it cannot be had."""
    document: Mapping[str, Any] = json.loads(npm.member(PACKAGE, INTEGRITY, _MEMBER).read_bytes())
    return document


@dataclass(frozen=True)
class Operation:
    """One method of one path; `problems` compares what was said with what is described."""

    template: str
    names: Mapping[str, str]
    entry: Mapping[str, Any]

    def problems(self, exchange: Exchange) -> Iterator[str]:
        yield from self._parameters(exchange)
        yield from self._body(exchange)
        yield from self._answer(exchange)

    def _parameters(self, exchange: Exchange) -> Iterator[str]:
        described = {
            (parameter["in"], parameter["name"]): parameter
            for parameter in map(_resolved, self.entry.get("parameters", ()))
        }
        given = {("path", name): value for name, value in self.names.items()}
        given |= {("query", name): value for name, value in exchange.query.items()}
        for place, value in given.items():
            if place not in described:
                yield f"{place[1]}: no such parameter in the {place[0]}"
                continue
            schema = described[place]["schema"]
            yield from _violations(_typed(value, _resolved(schema)), schema, place[1])
        for place, parameter in described.items():
            if parameter.get("required") and place not in given:
                yield f"{place[1]}: missing in the {place[0]}"

    def _body(self, exchange: Exchange) -> Iterator[str]:
        described = self.entry.get("requestBody")
        if described is None:
            if exchange.body is not None:
                yield "a body where none is described"
            return
        schema = described["content"]["application/json"]["schema"]
        unknown = set(exchange.body or {}) - set(_resolved(schema).get("properties", {}))
        if unknown:
            yield f"unknown fields in the body: {sorted(unknown)}"
        yield from _violations(exchange.body, schema, "body")

    def _answer(self, exchange: Exchange) -> Iterator[str]:
        status = str(exchange.answer.status)
        # The description leaves out what every operation may answer: bad credentials, limits, outages.
        if status not in self.entry["responses"]:
            if status not in ("401", "403", "404", "429", "500", "502", "503"):
                yield f"{status} is not described"
            yield from _violations(
                exchange.answer.body, {"$ref": "#/components/schemas/basic-error"}, "answer"
            )
            return
        content = _resolved(self.entry["responses"][status]).get("content")
        if content is None:
            if exchange.answer.body is not None:
                yield f"{status} has a body where none is described"
            return
        yield from _violations(exchange.answer.body, content["application/json"]["schema"], "answer")


def operation(exchange: Exchange) -> Operation | None:
    """The described operation that this request is, or None."""
    for template, pattern in _paths():
        methods = description()["paths"][template]
        match = pattern.fullmatch(exchange.path)
        if match and exchange.method.lower() in methods:
            return Operation(template, match.groupdict(), methods[exchange.method.lower()])
    return None


@cache
def _paths() -> list[tuple[str, re.Pattern[str]]]:
    """Literal paths before those with a name in the same place: `/issues/comments/{id}` is no `/issues/{number}/…`."""
    templates = sorted(description()["paths"], key=lambda template: template.count("{"))
    named = re.compile(r"\\{(\w+)\\}")
    return [
        (template, re.compile(named.sub(r"(?P<\1>[^/]+)", re.escape(template)))) for template in templates
    ]


def problems(exchange: Exchange) -> list[str]:
    """What of this exchange is not as GitHub describes it; empty if all is."""
    described = operation(exchange)
    title = f"{exchange.method} {exchange.path} -> {exchange.answer.status}"
    if described is None:
        return [f"{title}: GitHub describes no such operation"]
    return [f"{title}: {problem}" for problem in described.problems(exchange)]


def _violations(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    for error in _validator(json.dumps(schema)).iter_errors(value):
        yield f"{where}{error.json_path[1:]}: {error.message[:300]}"


@cache
def _validator(schema: str) -> Draft202012Validator:
    """For one schema and those that it leads to: there are thousands."""
    whole = _modern(json.loads(schema))
    led_to: dict[str, Any] = {}
    todo = _references(whole)
    while todo:
        name = todo.pop()
        if name not in led_to:
            led_to[name] = _modern(description()["components"]["schemas"][name])
            todo |= _references(led_to[name])
    return Draft202012Validator({**whole, "components": {"schemas": led_to}})


def _references(schema: Any) -> set[str]:
    return set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(schema)))


def _modern(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema 2020-12."""
    if isinstance(schema, list):
        return [_modern(subschema) for subschema in schema]
    if not isinstance(schema, dict):
        return schema
    written = {
        key: _modern(value) for key, value in schema.items() if key not in ("nullable", "example", "examples")
    }
    return {"anyOf": [written, {"type": "null"}]} if schema.get("nullable") is True else written


def _resolved(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    node: Any = entry
    while "$ref" in node:
        reference = node["$ref"]
        node = description()
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    return node  # type: ignore[no-any-return]


def _typed(text: str, schema: Mapping[str, Any]) -> object:
    is_number = schema.get("type") == "integer" and text.lstrip("-").isdigit()
    return int(text) if is_number else text
