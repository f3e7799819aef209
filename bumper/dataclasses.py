"""Dataclasses as the standard library has them, cheap to define: nothing is written and compiled for each of them.

Law: an instance does what it would do as one of `dataclasses.dataclass`, and a type checker reads it as such. There, six methods are
compiled for each class, a millisecond of every start, and most classes that a run imports never have an instance. Here, a few
functions go by the names of the fields, and an `__init__` is written and compiled for a class that has many instances already. Left
out is what nobody here asks for, `slots` above all.
"""

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from operator import attrgetter, eq, ge, gt, le, lt
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NamedTuple

_NOTHING: Any = object()
_assign = object.__setattr__
# From so many instances on a function of its own has paid for a class: it takes as long to compile as it saves on them.
_MANY = 200


class _Field(NamedTuple):
    """What is said of one field, in the standard library's words."""

    default: Any = _NOTHING
    default_factory: Any = None
    repr: bool = True
    compare: bool = True
    init: bool = True
    kw_only: bool = False


class _Fields(dict[str, _Field]):
    """The fields of a class by their names; read as `__dataclass_fields__` they are those of the standard library.

    By that attribute others know a dataclass: `dataclasses.replace`, pytest where it shows how two differ.
    """

    def __get__(self, instance: object, owner: type) -> Mapping[str, Any]:
        return self._standard

    @cached_property
    def _standard(self) -> Mapping[str, Any]:
        import dataclasses

        fields = [
            (
                name,
                Any,
                dataclasses.field(repr=field.repr, compare=field.compare, init=field.init, kw_only=True),
            )
            for name, field in self.items()
        ]
        twin = dataclasses.make_dataclass("Twin", fields)
        return {field.name: field for field in dataclasses.fields(twin)}


def _dataclass(
    cls: type | None = None,
    /,
    *,
    frozen: bool = False,
    eq: bool = True,
    order: bool = False,
    repr: bool = True,
    kw_only: bool = False,
) -> Any:
    """The decorator; a method that a class writes itself stays."""

    def complete(cls: type) -> type:
        fields = _Fields({**_inherited(cls), **_own(cls, kw_only=kw_only)})
        attributes = {
            "__dataclass_fields__": fields,
            **_construction(cls, fields),
            **(_representation(fields) if repr else {}),
            **(_comparison(fields, is_hashed=frozen, is_ordered=order) if eq else {}),
            **(_locks(cls, fields) if frozen else {}),
        }
        for name, attribute in attributes.items():
            if name not in vars(cls):
                setattr(cls, name, attribute)
        return cls

    return complete if cls is None else complete(cls)


def _replace(instance: Any, /, **changes: Any) -> Any:
    """A new instance of the same class, in which some fields are others."""
    kind: Any = type(instance)
    return kind(**dict(zip(_given(kind), _values(kind)(instance), strict=True)) | changes)


if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    dataclass, field, replace = _dataclass, _Field, _replace

__all__ = ["dataclass", "field", "replace"]


def _fields_of(cls: type) -> Mapping[str, _Field]:
    known = (vars(base).get("__dataclass_fields__") for base in cls.__mro__)
    return next((fields for fields in known if isinstance(fields, _Fields)), {})


@cache
def _given(cls: type) -> tuple[str, ...]:
    """The names of the fields that whoever makes an instance gives."""
    return tuple(name for name, field in _fields_of(cls).items() if field.init)


@cache
def _values(cls: type) -> Callable[[Any], tuple[Any, ...]]:
    """The values of these fields."""
    names = _given(cls)
    if len(names) < 2:  # of a single one attrgetter makes no tuple
        return lambda instance: tuple(getattr(instance, name) for name in names)
    return attrgetter(*names)


def _inherited(cls: type) -> Mapping[str, _Field]:
    return {name: field for base in reversed(cls.__bases__) for name, field in _fields_of(base).items()}


def _own(cls: type, *, kw_only: bool) -> Mapping[str, _Field]:
    own = {}
    for name in cls.__annotations__:
        written = vars(cls).get(name, _NOTHING)
        field = written if isinstance(written, _Field) else _Field(written)
        if isinstance(field.default, list | dict | set):
            raise ValueError(
                f"{cls.__name__}.{name}: all instances would share this default: use default_factory"
            )
        if field is written:
            # A default that was written as it is stands there already.
            if field.default is _NOTHING:
                delattr(cls, name)
            else:
                setattr(cls, name, field.default)
        own[name] = field._replace(kw_only=True) if kw_only else field
    return own


def _construction(cls: type, fields: Mapping[str, _Field]) -> Mapping[str, Any]:
    given = {name for name, field in fields.items() if field.init}
    positional = tuple(name for name, field in fields.items() if field.init and not field.kw_only)
    defaults = {
        name: field.default
        for name, field in fields.items()
        if field.init or field.default is not _NOTHING or field.default_factory
    }
    completes = hasattr(cls, "__post_init__")
    made = 0

    def __init__(self: Any, /, *values: Any, **named: Any) -> None:
        nonlocal made
        made += 1
        if made >= _MANY:
            type.__setattr__(cls, "__init__", _compiled(cls, fields))
        state = {**defaults, **dict(zip(positional, values, strict=False)), **named}
        is_given_twice = bool(values and named) and not named.keys().isdisjoint(positional[: len(values)])
        if not named.keys() <= given or len(values) > len(positional) or is_given_twice:
            raise _misfit(cls, values, named)
        for name, value in state.items():
            if value is _NOTHING:
                make = fields[name].default_factory
                if make is None:
                    raise _misfit(cls, values, named)
                value = make()
            _assign(self, name, value)
        if completes:
            self.__post_init__()

    return {"__init__": __init__, "__match_args__": positional}


def _compiled(cls: type, fields: Mapping[str, _Field]) -> Any:
    """The same `__init__`, written for one class."""
    names: dict[str, Any] = {"_nothing": _NOTHING}
    parameters, keywords, values = ["self", "/"], ["*"], []
    for name, field in fields.items():
        has_default = field.default is not _NOTHING or field.default_factory
        names |= {f"_default_{name}": field.default, f"_make_{name}": field.default_factory}
        if field.init:
            parameter = f"{name}=_default_{name}" if has_default else name
            (keywords if field.kw_only else parameters).append(parameter)
        if not field.init and not has_default:
            continue
        value = name if field.init else f"_default_{name}"
        values.append(
            f"_state[{name!r}] = _make_{name}() if {value} is _nothing else {value}"
            if field.default_factory
            else f"_state[{name!r}] = {value}"
        )
    parameters += keywords[len(keywords) == 1 :]
    completion = ["self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    # One by one: instances share their names then, and take half the memory that `update` leaves them with.
    body = "; ".join(["_state = self.__dict__", *values, *completion])
    exec(f"def __init__({', '.join(parameters)}): {body}", names)  # noqa: S102 (of nothing but names of fields, as the standard library)
    return names["__init__"]


def _misfit(cls: type, values: tuple[Any, ...], named: Mapping[str, Any]) -> TypeError:
    # Without the values, which may be secrets.
    given = ", ".join([f"{len(values)} by place", *named])
    return TypeError(f"{cls.__name__}() takes {', '.join(_fields_of(cls))}, each once; given: {given}")


def _representation(fields: Mapping[str, _Field]) -> Mapping[str, Any]:
    shown = [name for name, field in fields.items() if field.repr]

    @recursive_repr()
    def __repr__(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({values})"

    return {"__repr__": __repr__}


def _comparison(fields: Mapping[str, _Field], *, is_hashed: bool, is_ordered: bool) -> Mapping[str, Any]:
    compared = [name for name, field in fields.items() if field.compare]
    content: Callable[[Any], Any] = attrgetter(*compared) if compared else lambda instance: ()

    def method(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
        def compared_by(self: Any, other: Any) -> bool:
            return compare(content(self), content(other)) if type(self) is type(other) else NotImplemented

        return compared_by

    def __hash__(self: Any) -> int:
        return hash(content(self))

    names = (
        {"__eq__": eq, "__lt__": lt, "__le__": le, "__gt__": gt, "__ge__": ge}
        if is_ordered
        else {"__eq__": eq}
    )
    # What can change has no hash.
    return {name: method(compare) for name, compare in names.items()} | {
        "__hash__": __hash__ if is_hashed else None
    }


def _locks(cls: type, fields: Mapping[str, _Field]) -> Mapping[str, Any]:
    def require_own(instance: Any, name: str) -> None:
        # A class made from this one may have attributes of its own.
        if type(instance) is cls or name in fields:
            from dataclasses import FrozenInstanceError

            raise FrozenInstanceError(f"cannot change {cls.__name__}.{name}")

    def __setattr__(self: Any, name: str, value: Any) -> None:
        require_own(self, name)
        _assign(self, name, value)

    def __delattr__(self: Any, name: str) -> None:
        require_own(self, name)
        object.__delattr__(self, name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}
