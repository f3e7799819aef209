"""Go's text/template with `<<` and `>>`, as the Flux Operator fills it in, and where every piece of what it makes comes from.

Law: what is made is exactly what Go would make, or `Unknown` is raised with what is not followed: another statement, a function that
is not in the table, a value whose text Go would write otherwise. A piece that is a value of the inputs remembers it.

Source: https://pkg.go.dev/text/template (statements, trim markers, truth, `missingkey=error`) and
https://go-task.github.io/slim-sprig/ (functions).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from bumper.dataclasses import dataclass
from bumper.fluxtree.leaves import Leaf, origin_of
from bumper.manifest.yamltext import compose, reads_otherwise

ACTION = re.compile(r"<<(?P<trims>-\s)?(?P<expression>.*?)(?P<trims_after>\s-)?>>", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\["\\])*"|`[^`]*`)|(?P<number>-?[0-9]{1,18})(?![\w.])|(?P<variable>\$\w*)(?P<of_variable>(?:\.\w+)*)"""
    r"""|(?P<path>(?:\.\w+)+|\.)|(?P<word>[A-Za-z_]\w*)(?P<of_word>(?:\.\w+)*)|(?P<sign>:=|=|[()|,]))"""
)
_STATEMENTS = ("if", "else", "end", "range", "with", "break", "continue", "define", "template", "block")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})")
# As gosimple/slug leaves a text; 63 characters are the operator's own limit.
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_SLUG = 63
# What Go's %q writes as it is.
_PRINTABLE = re.compile(r"[ !#-\[\]-~]*")
# What trim markers take away.
_SPACE = " \t\r\n"
_VERB = re.compile(r"%(?P<verb>.?)")


class Unknown(Exception):
    """Why a template is not followed."""


class Piece(NamedTuple):
    """A part of what is made. `is_made` says that an action gave it, `value` the text of the inputs that it is, where it is one.

    `is_quoted`: with quotes around it.
    """

    text: str
    is_made: bool = False
    value: Leaf | None = None
    is_quoted: bool = False


@dataclass(frozen=True)
class _Quoted:
    """A value that the function `quote` put into quotes."""

    text: str
    value: Leaf | None


@dataclass(frozen=True)
class _Statement:
    """A statement with what it repeats, or decides on, and with what else."""

    kind: str
    names: tuple[str, ...]
    pipeline: "_Pipeline"
    body: "tuple[_Node, ...]"
    otherwise: "tuple[_Node, ...]"


@dataclass(frozen=True)
class _Assignment:
    name: str
    is_new: bool
    pipeline: "_Pipeline"


@dataclass(frozen=True)
class _Output:
    pipeline: "_Pipeline"
    written: str


class _Token(NamedTuple):
    kind: str
    text: str
    path: tuple[str, ...] = ()


# Commands that follow each other, each a list of tokens or of pipelines in parentheses.
_Pipeline: TypeAlias = tuple[tuple[Any, ...], ...]
_Node: TypeAlias = str | _Output | _Assignment | _Statement


@dataclass(frozen=True)
class Template:
    """A template that was read. `has_statements` says that it decides or repeats anything, or keeps values in variables."""

    nodes: tuple[_Node, ...]

    @property
    def has_statements(self) -> bool:
        return any(isinstance(node, _Statement | _Assignment) for node in self.nodes)

    def filled(self, inputs: Mapping[str, Any]) -> list[Piece]:
        """What is made for one set of inputs; Unknown."""
        return list(_Run(inputs).pieces(self.nodes, {"$": None}, None))


def parse(written: str) -> Template:
    """The template of a text; Unknown where it has a statement that is not followed."""
    waiting = list(_split(written))
    nodes, rest = _nodes(waiting)
    if rest:
        raise Unknown(f"has << {rest[0]} >> where nothing was begun")
    return Template(tuple(nodes))


def _split(written: str) -> Iterator[tuple[str, str]]:
    """Texts and expressions by turns, without what trim markers take away."""
    end, trims = 0, False
    for action in ACTION.finditer(written):
        before = written[end : action.start()]
        before = before.lstrip(_SPACE) if trims else before
        yield "text", before.rstrip(_SPACE) if action["trims"] else before
        yield "action", action["expression"].strip()
        end, trims = action.end(), bool(action["trims_after"])
    rest = written[end:]
    yield "text", rest.lstrip(_SPACE) if trims else rest


def _nodes(waiting: list[tuple[str, str]]) -> tuple[list[_Node], list[str]]:
    """The nodes up to the `else` or `end` that belongs to whoever began here, which is the first of the rest."""
    nodes: list[_Node] = []
    while waiting:
        kind, written = waiting.pop(0)
        if kind == "text":
            nodes += [written] if written else []
        elif written.startswith("/*") and written.endswith("*/"):
            continue
        elif written.split(maxsplit=1)[:1] in (["else"], ["end"]):
            return nodes, [written]
        else:
            nodes.append(_node(written, waiting))
    return nodes, []


def _node(written: str, waiting: list[tuple[str, str]]) -> _Node:
    tokens = list(_tokens(written))
    first = tokens[0] if tokens else _Token("", "")
    if first.kind == "word" and first.text in _STATEMENTS and not first.path:
        if first.text not in ("if", "range", "with"):
            raise Unknown(f"has << {written} >>, which is not followed")
        return _statement(first.text, tokens[1:], written, waiting)
    if first.kind == "variable" and len(tokens) > 1 and tokens[1].text in (":=", "="):
        return _Assignment(first.text, tokens[1].text == ":=", _pipeline(tokens[2:], written))
    return _Output(_pipeline(tokens, written), written)


def _statement(kind: str, tokens: list[_Token], written: str, waiting: list[tuple[str, str]]) -> _Statement:
    names: list[str] = []
    if any(token.text == ":=" for token in tokens):
        at = next(at for at, token in enumerate(tokens) if token.text == ":=")
        names = [token.text for token in tokens[:at] if token.kind == "variable"]
        tokens = tokens[at + 1 :]
    body, ending = _nodes(waiting)
    otherwise: list[_Node] = []
    if ending and ending[0].startswith("else"):
        branch = ending[0].removeprefix("else").strip()
        if branch:
            # `else if` begins one that ends with this one.
            otherwise = [_node(branch, waiting)]
            return _Statement(kind, tuple(names), _pipeline(tokens, written), tuple(body), tuple(otherwise))
        otherwise, ending = _nodes(waiting)
    if ending != ["end"]:
        raise Unknown(f"has << {written} >> without its end")
    return _Statement(kind, tuple(names), _pipeline(tokens, written), tuple(body), tuple(otherwise))


def _tokens(written: str) -> Iterator[_Token]:
    end = 0
    while written[end:].strip():
        match = _TOKEN.match(written, end)
        if not match:
            raise Unknown(f"has << {written} >>, which is not followed")
        end = match.end()
        if match["text"]:
            yield _Token(
                "text",
                re.sub(r"\\(.)", r"\1", match["text"][1:-1])
                if match["text"][0] == '"'
                else match["text"][1:-1],
            )
        elif match["number"]:
            yield _Token("number", match["number"])
        elif match["variable"]:
            yield _Token("variable", match["variable"], _steps(match["of_variable"]))
        elif match["path"]:
            yield _Token("path", "", _steps(match["path"]))
        elif match["word"]:
            yield _Token("word", match["word"], _steps(match["of_word"]))
        else:
            yield _Token("sign", match["sign"])


def _steps(written: str) -> tuple[str, ...]:
    return tuple(filter(None, written.split(".")))


def _pipeline(tokens: list[_Token], written: str) -> _Pipeline:
    commands, rest = _commands(tokens, written)
    if rest or not all(commands):
        raise Unknown(f"has << {written} >>, which is not followed")
    return commands


def _commands(tokens: list[_Token], written: str) -> tuple[_Pipeline, list[_Token]]:
    commands: list[list[Any]] = [[]]
    while tokens:
        token, *tokens = tokens
        if token == _Token("sign", ")"):
            return tuple(map(tuple, commands)), [token, *tokens]
        if token == _Token("sign", "|"):
            commands.append([])
        elif token == _Token("sign", "("):
            inner, tokens = _commands(tokens, written)
            if not tokens:
                raise Unknown(f"has << {written} >>, whose parentheses do not close")
            tokens = tokens[1:]
            commands[-1].append(inner)
        elif token.kind == "sign":
            raise Unknown(f"has << {written} >>, which is not followed")
        else:
            commands[-1].append(token)
    return tuple(map(tuple, commands)), []


@dataclass(frozen=True)
class _Run:
    inputs: Mapping[str, Any]

    def pieces(self, nodes: tuple[_Node, ...], variables: dict[str, Any], dot: Any) -> Iterator[Piece]:
        """What the nodes make. Variables that are declared here end here."""
        scope = _Scope(variables)
        for node in nodes:
            if isinstance(node, str):
                yield Piece(node)
            elif isinstance(node, _Assignment):
                scope.assign(node, self._value(node.pipeline, scope.variables, dot))
            elif isinstance(node, _Output):
                yield _piece(self._value(node.pipeline, scope.variables, dot), node.written)
            else:
                yield from self._stated(node, scope.variables, dot)

    def _stated(self, node: _Statement, variables: dict[str, Any], dot: Any) -> Iterator[Piece]:
        value = self._value(node.pipeline, variables, dot)
        if node.kind == "range":
            entries = list(_entries(value))
            for key, entry in entries:
                named = dict(
                    zip(node.names, (entry,) if len(node.names) == 1 else (key, entry), strict=False)
                )
                yield from self.pieces(node.body, _Inner(variables, named), entry)
            if not entries:
                yield from self.pieces(node.otherwise, _Inner(variables, {}), dot)
            return
        inner = _Inner(variables, dict.fromkeys(node.names, value))
        if _is_true(value):
            yield from self.pieces(node.body, inner, value if node.kind == "with" else dot)
        else:
            yield from self.pieces(node.otherwise, inner, dot)

    def _value(self, pipeline: _Pipeline, variables: Mapping[str, Any], dot: Any) -> Any:
        last: tuple[Any, ...] = ()
        for command in pipeline:
            last = (self._called(command, last, variables, dot),)
        return last[0]

    def _called(
        self, command: tuple[Any, ...], last: tuple[Any, ...], variables: Mapping[str, Any], dot: Any
    ) -> Any:
        first, *rest = command
        is_call = isinstance(first, _Token) and first.kind == "word" and first.text not in _CONSTANTS
        if is_call and first.text != "inputs":
            arguments = [self._operand(each, variables, dot) for each in rest]
            return _function(first)([*arguments, *last])
        if rest or last:
            raise Unknown(f"calls {first.text if isinstance(first, _Token) else 'a value'} with arguments")
        return self._operand(first, variables, dot)

    def _operand(self, operand: Any, variables: Mapping[str, Any], dot: Any) -> Any:
        if not isinstance(operand, _Token):
            return self._value(operand, variables, dot)
        match operand.kind:
            case "text":
                return operand.text
            case "number":
                return int(operand.text)
            case "variable":
                if operand.text not in variables:
                    raise Unknown(f"has the variable {operand.text}, which it does not declare")
                return _below(variables[operand.text], operand)
            case "path":
                return _below(dot, operand)
        if operand.text == "inputs":
            return _below(self.inputs, operand)
        if operand.text in _CONSTANTS and not operand.path:
            return _CONSTANTS[operand.text]
        return _function(operand)([])


class _Inner(dict[str, Any]):
    """The variables of an inner block: those that it declares, over those around it, which an assignment reaches."""

    def __init__(self, around: dict[str, Any], own: Mapping[str, Any]) -> None:
        super().__init__({**around, **own})
        self.around = around
        self.own = set(own)


@dataclass(frozen=True)
class _Scope:
    variables: dict[str, Any]

    def assign(self, node: _Assignment, value: Any) -> None:
        variables = self.variables
        if node.is_new:
            if isinstance(variables, _Inner):
                variables.own.add(node.name)
            variables[node.name] = value
            return
        if node.name not in variables:
            raise Unknown(f"sets the variable {node.name}, which it does not declare")
        while True:
            variables[node.name] = value
            if not isinstance(variables, _Inner) or node.name in variables.own:
                return
            variables = variables.around


_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "nil": None}


def _below(value: Any, token: _Token) -> Any:
    for step in token.path:
        if not isinstance(value, Mapping) or step not in value:
            written = ".".join([token.text, *token.path])
            raise Unknown(f"has {written}, which its inputs do not hold")
        value = value[step]
    return _typed(value)


def _typed(value: Any) -> Any:
    """A scalar of the inputs as JSON has it: a text remembers where it stands."""
    if not isinstance(value, Leaf):
        return value
    if value.is_null:
        return None
    if not _is_plain(value) or not reads_otherwise(value):
        return value
    if value in ("true", "false"):
        return value == "true"
    if _INTEGER.fullmatch(value):
        return _Integer(value)
    raise Unknown(f"has the value {value}, which is no text: write it in quotes")


class _Integer(int):
    """A number that remembers where it stands."""

    leaf: Leaf

    def __new__(cls, written: Leaf) -> "_Integer":
        made = super().__new__(cls, int(written))
        made.leaf = written
        return made


def _is_plain(value: Leaf) -> bool:
    origin = origin_of(value)
    if origin is None:
        return False
    scalars = compose(origin.text.content, origin.text.path).scalars
    return not next(scalar for scalar in scalars if scalar.ordinal == origin.ordinal).style


def _is_true(value: Any) -> bool:
    return bool(value.text) if isinstance(value, _Quoted) else bool(_decided(value))


def _decided(value: Any) -> Any:
    """The same value; Unknown where Flux fills it in before the operator gets it: nothing may depend on what is written here."""
    if isinstance(value, str) and "${" in value:
        raise Unknown(f"depends on {value}, which Flux fills in first")
    return value


def _entries(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from ((key, _typed(value[key])) for key in sorted(value))
    elif isinstance(value, list):
        yield from ((at, _typed(each)) for at, each in enumerate(value))
    elif value is not None:
        raise Unknown("repeats over what is neither a list nor a map")


def _piece(value: Any, written: str) -> Piece:
    match value:
        case _Quoted(text=quoted, value=source):
            return Piece(quoted, True, source, is_quoted=True)
        case str() | int():
            return Piece(_text(value), True, _source(value))
    raise Unknown(f"has << {written} >>, which its inputs do not hold as a text")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return str(value)
    raise Unknown("gives a function what is no text")


def _source(value: Any) -> Leaf | None:
    if isinstance(value, _Integer):
        return value.leaf
    return value if isinstance(value, Leaf) else None


def _kept(value: Any, made: str) -> Any:
    """What a function made of a text: the same text remembers where it stands."""
    source = _source(value)
    return source if source is not None and str(source) == made else made


def _quoted(arguments: list[Any]) -> _Quoted:
    (value,) = arguments
    written = _text(value)
    if not _PRINTABLE.fullmatch(written):
        raise Unknown(f"quotes {written!r}, whose quotes are not followed")
    return _Quoted(f'"{written}"', _source(value))


def _default(arguments: list[Any]) -> Any:
    fallback, value = arguments
    return value if _is_true(value) else fallback


def _equal(arguments: list[Any]) -> bool:
    first, *others = map(_decided, arguments)
    kinds = {_kind(value) for value in arguments}
    if len(kinds) != 1 or None in kinds or not others:
        raise Unknown("compares values of several kinds")
    return any(first == other for other in others)


def _kind(value: Any) -> str | None:
    if isinstance(value, bool):
        return "bool"
    return "int" if isinstance(value, int) else "text" if isinstance(value, str) else None


def _integer(arguments: list[Any]) -> Any:
    value = _decided(*arguments)
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        raise Unknown(f"makes a number of {value}, which is not followed")
    return value if isinstance(value, int) and not isinstance(value, bool) else _kept(value, _text(value))


def _slug(arguments: list[Any]) -> Any:
    (value,) = arguments
    written = _text(value)
    if not _SLUG.fullmatch(written) or len(written) > _LONGEST_SLUG:
        raise Unknown(f"makes a slug of {written}, which is not followed")
    return _kept(value, written)


def _formatted(arguments: list[Any]) -> str:
    pattern, *values = arguments
    waiting = list(values)

    def next_text(match: re.Match[str]) -> str:
        if match["verb"] == "%":
            return "%"
        if match["verb"] not in "svd" or not match["verb"] or not waiting:
            raise Unknown(f"has printf {pattern}, which is not followed")
        value = waiting.pop(0)
        if (match["verb"] == "d") != (_kind(value) == "int") and match["verb"] != "v":
            raise Unknown(f"has printf {pattern} with a value of another kind")
        return _text(value)

    made = _VERB.sub(next_text, _text(pattern))
    if waiting:
        raise Unknown(f"has printf {pattern}, with more values than it writes")
    return made


def _length(arguments: list[Any]) -> int:
    value = _decided(*arguments)
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list | Mapping):
        return len(value)
    raise Unknown("takes the length of what has none")


def _index(arguments: list[Any]) -> Any:
    value, *steps = arguments
    for step in steps:
        is_there = (isinstance(value, Mapping) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)
        )
        if not is_there:
            raise Unknown(f"takes {step} of what does not hold it")
        value = _typed(value[step])
    return value


def _got(arguments: list[Any]) -> Any:
    value, key = arguments
    return _index(arguments) if _has_key([value, key]) else ""


def _has_key(arguments: list[Any]) -> bool:
    value, key = arguments
    if not isinstance(value, Mapping):
        raise Unknown("asks for a key of what is no map")
    return key in value


def _both(arguments: list[Any]) -> Any:
    return next((value for value in arguments if not _is_true(value)), arguments[-1])


def _either(arguments: list[Any]) -> Any:
    return next((value for value in arguments if _is_true(value)), arguments[-1])


def _of_text(make: Callable[..., str]) -> Callable[[list[Any]], Any]:
    """A function of sprig whose last argument is the text that it changes."""
    return lambda arguments: _kept(arguments[-1], make(*map(_ascii, arguments)))


def _ascii(value: Any) -> str:
    written = _text(_decided(value))
    if not written.isascii():
        raise Unknown(f"gives a function {written}, whose letters are not followed")
    return written


def _asked(ask: Callable[..., bool]) -> Callable[[list[Any]], bool]:
    return lambda arguments: ask(*map(_ascii, arguments))


_FUNCTIONS: Mapping[str, Callable[[list[Any]], Any]] = {
    "quote": _quoted,
    "default": _default,
    "eq": _equal,
    "ne": lambda arguments: not _equal(arguments),
    "not": lambda arguments: not _is_true(*arguments),
    "and": _both,
    "or": _either,
    "empty": lambda arguments: not _is_true(*arguments),
    "len": _length,
    "index": _index,
    "get": _got,
    "hasKey": _has_key,
    "int": _integer,
    "slugify": _slug,
    "printf": _formatted,
    "list": list,
    "ternary": lambda arguments: arguments[{True: 0, False: 1}[arguments[2]]],
    "lower": _of_text(str.lower),
    "upper": _of_text(str.upper),
    "trim": _of_text(str.strip),
    "toString": _of_text(str),
    "trimPrefix": _of_text(lambda prefix, text: text.removeprefix(prefix)),
    "trimSuffix": _of_text(lambda suffix, text: text.removesuffix(suffix)),
    "replace": _of_text(lambda old, new, text: text.replace(old, new)),
    "contains": _asked(lambda part, text: part in text),
    "hasPrefix": _asked(lambda prefix, text: text.startswith(prefix)),
    "hasSuffix": _asked(lambda suffix, text: text.endswith(suffix)),
}


def _function(token: _Token) -> Callable[[list[Any]], Any]:
    known = _FUNCTIONS.get(token.text)
    if known is None or token.path:
        raise Unknown(f"has the function {token.text}, which is not followed here")

    def call(arguments: list[Any]) -> Any:
        try:
            return known(arguments)
        except (TypeError, ValueError, LookupError) as error:
            raise Unknown(f"calls {token.text} with other arguments than it takes ({error})") from None

    return call
