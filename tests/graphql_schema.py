"""GitHub's own GraphQL schema (npm `@octokit/graphql-schema`), and requests and answers held to it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import npm
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLAbstractType,
    GraphQLEnumType,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    build_schema,
    get_named_type,
    is_abstract_type,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values
from sandbox_github.server import Exchange

PACKAGE = "@octokit/graphql-schema"
INTEGRITY = "RFDC2MpRBd4AxSRvUeBIVeBU7ojN/SxDfALUd7iVYOSeEK3gZaqR2MGOysj4Zh2xj2RY5fQAUT+Oqq7hWTraMA=="
_SCALARS: Mapping[str, type | tuple[type, ...]] = {
    "Int": int,
    "Float": (int, float),
    "Boolean": bool,
}


@cache
def schema() -> GraphQLSchema:
    """The schema as GitHub publishes it; skips the test where it cannot be had."""
    text = npm.member(PACKAGE, INTEGRITY, "package/schema.graphql").read_text(encoding="utf-8")
    # 15.26.1 defines two fields of EnterpriseOwnerInfo twice: the schema as a whole would not pass.
    return build_schema(text, assume_valid=True, assume_valid_sdl=True)


def problems(exchange: Exchange) -> list[str]:
    """What of this exchange is not as GitHub's schema has it; empty if all is."""
    if exchange.answer.status != 200:
        return []
    title = exchange.body["operationName"]
    return [f"{title}: {problem}" for problem in _problems(exchange.body, exchange.answer.body)]


def _problems(asked: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    try:
        document = parse(asked["query"])
    except GraphQLError as error:
        yield str(error)
        return
    yield from (error.message for error in validate(schema(), document))
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if [one.name.value for one in operations if one.name] != [asked["operationName"]]:
        yield "the document has another operation than the one named"
        return
    operation = operations[0]
    values = get_variable_values(schema(), operation.variable_definitions or (), asked["variables"])
    yield from (error.message for error in (values if isinstance(values, list) else ()))
    if answer.get("errors"):
        for told in answer["errors"]:
            if not isinstance(told.get("message"), str):
                yield "an error without a message"
        return
    root = schema().get_root_type(
        OperationType.MUTATION if operation.operation is OperationType.MUTATION else OperationType.QUERY
    )
    assert root
    yield from _object(answer["data"], root, operation.selection_set, document, "data")


def _object(
    value: Any, kind: GraphQLObjectType, selected: SelectionSetNode, document: DocumentNode, where: str
) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: expected an object"
        return
    fields = dict(_fields(selected, kind, document))
    for name in value.keys() - fields.keys():
        yield f"{where}.{name}: was not asked for"
    for name, node in fields.items():
        if name not in value:
            yield f"{where}.{name}: missing"
            continue
        yield from _value(value[name], kind.fields[node.name.value].type, node, document, f"{where}.{name}")


def _value(
    value: Any, kind: GraphQLOutputType, node: FieldNode, document: DocumentNode, where: str
) -> Iterator[str]:
    if isinstance(kind, GraphQLNonNull):
        if value is None:
            yield f"{where}: may not be null"
            return
        kind = kind.of_type
    if value is None:
        return
    if isinstance(kind, GraphQLList):
        if not isinstance(value, list):
            yield f"{where}: expected a list"
            return
        for number, one in enumerate(value):
            yield from _value(one, kind.of_type, node, document, f"{where}[{number}]")
    elif isinstance(kind, GraphQLObjectType):
        assert node.selection_set
        yield from _object(value, kind, node.selection_set, document, where)
    elif is_abstract_type(kind):
        assert node.selection_set
        found = [list(_object(value, one, node.selection_set, document, where)) for one in _possible(kind)]
        yield from min(found, key=len)
    elif isinstance(kind, GraphQLEnumType):
        if value not in kind.values:
            yield f"{where}: {value!r} is no {kind.name}"
    elif not isinstance(value, _SCALARS.get(get_named_type(kind).name, str)):
        yield f"{where}: {value!r} is no {get_named_type(kind).name}"


def _possible(kind: GraphQLAbstractType) -> list[GraphQLObjectType]:
    return list(schema().get_possible_types(kind))


def _fields(
    selected: SelectionSetNode, kind: GraphQLObjectType, document: DocumentNode
) -> Iterator[tuple[str, FieldNode]]:
    for one in selected.selections:
        if isinstance(one, FieldNode):
            yield (one.alias or one.name).value, one
        elif isinstance(one, InlineFragmentNode):
            if one.type_condition is None or one.type_condition.name.value == kind.name:
                yield from _fields(one.selection_set, kind, document)
        elif isinstance(one, FragmentSpreadNode):
            for definition in document.definitions:
                if isinstance(definition, FragmentDefinitionNode) and definition.name.value == one.name.value:
                    yield from _fields(definition.selection_set, kind, document)
