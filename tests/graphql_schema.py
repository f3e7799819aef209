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
    operations = [
        definition for definition in document.definitions if isinstance(definition, OperationDefinitionNode)
    ]
    if [definition.name.value for definition in operations if definition.name] != [asked["operationName"]]:
        yield "the document has another operation than the one named"
        return
    operation = operations[0]
    values = get_variable_values(schema(), operation.variable_definitions or (), asked["variables"])
    yield from (error.message for error in (values if isinstance(values, list) else ()))
    if answer.get("errors"):
        for reported in answer["errors"]:
            if not isinstance(reported.get("message"), str):
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
        for number, entry in enumerate(value):
            yield from _value(entry, kind.of_type, node, document, f"{where}[{number}]")
    elif isinstance(kind, GraphQLObjectType):
        assert node.selection_set
        yield from _object(value, kind, node.selection_set, document, where)
    elif is_abstract_type(kind):
        assert node.selection_set
        by_type = [
            list(_object(value, possible, node.selection_set, document, where))
            for possible in _possible(kind)
        ]
        yield from min(by_type, key=len)
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
    for selection in selected.selections:
        if isinstance(selection, FieldNode):
            yield (selection.alias or selection.name).value, selection
        elif isinstance(selection, InlineFragmentNode):
            if selection.type_condition is None or selection.type_condition.name.value == kind.name:
                yield from _fields(selection.selection_set, kind, document)
        elif isinstance(selection, FragmentSpreadNode):
            for definition in document.definitions:
                if (
                    isinstance(definition, FragmentDefinitionNode)
                    and definition.name.value == selection.name.value
                ):
                    yield from _fields(definition.selection_set, kind, document)
