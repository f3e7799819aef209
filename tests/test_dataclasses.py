"""Ours do what those of the standard library do: the same classes are made both ways, and asked the same questions."""

import copy
import dataclasses
from types import ModuleType
from typing import Any

from bumper import dataclasses as ours

# Made twice from the same text: by the decorator of one module and by that of the other.
CLASSES = '''
@dataclass(frozen=True)
class Point:
    """A point."""

    x: int
    y: int = 0
    secret: str = field(default="", repr=False)
    notes: list[str] = field(default_factory=list, compare=False)

    @cached_property
    def sum(self):
        return self.x + self.y


@dataclass(frozen=True)
class Point3(Point):
    z: int = 0
    y: int = 7


class Plain(Point):
    """Inherits, and is no dataclass of its own."""


@dataclass(frozen=True, order=True)
class Version:
    number: int
    suffix: str = ""


@dataclass
class Counter:
    count: int = 0
    parent: "Counter | None" = None


@dataclass(kw_only=True)
class Base:
    label: str = ""


@dataclass(kw_only=True)
class Derived(Base):
    asked: str
    checked: bool = False

    def __post_init__(self):
        self.checked = bool(self.asked)


@dataclass(frozen=True)
class Parsed:
    text: str
    length: int = field(init=False)
    seen: list[str] = field(init=False, default_factory=list)
    strict: bool = field(default=False, kw_only=True)

    def __post_init__(self):
        object.__setattr__(self, "length", len(self.text))


@dataclass(eq=False)
class Identity:
    name: str


@dataclass(frozen=True, repr=False)
class Token:
    text: str


@dataclass(frozen=True)
class Empty:
    pass


@dataclass(frozen=True)
class Worded:
    text: str

    def __repr__(self):
        return "***"

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 7
'''
# One of each class.
MADE = """
Point(1) Point3(1) Version(1) Counter() Derived(asked="a") Parsed("ab") Identity("a") Token("secret") Empty() Worded("a")
"""
QUESTIONS = """
Point(1)
Point(1, 2, "s", ["n"])
Point(1, y=2).sum
Point(y=1, x=2)
Point()
Point(1, 2, "", [], 5)
Point(1, x=1)
Point(1, w=1)
Point(1).notes is Point(1).notes
Point(1, 2, "s") == Point(1, 2, "t")
Point(1, 2, notes=["n"]) == Point(1, 2)
Point(1) == Point3(1)
Point(1) == Plain(1)
Point(1) != 1
hash(Point(1, notes=["n"])) == hash(Point(1))
len({Point(1), Point(1), Point(2)})
Point.y, hasattr(Point, "x"), hasattr(Point, "notes")
setattr(Point(1), "x", 2)
delattr(Point(1), "x")
setattr(Point(1), "other", 2)
setattr(Plain(1), "other", 2)
setattr(Plain(1), "x", 2)
Point3(1), Point3(1, 2, "s", [], 4), Point3.__match_args__, Point.__doc__
replace(Point(1, 2), y=3)
replace(Point(1, 2), w=3)
replace(Point3(1, 2), z=3)
[field.name for field in standard.fields(Point3)]
standard.asdict(Point(1, notes=["n"]))
standard.replace(Point(1, 2), y=3)
standard.is_dataclass(Point), standard.is_dataclass(Point(1)), standard.is_dataclass(1)
sorted([Version(2), Version(1, "b"), Version(1, "a")])
Version(1) < Version(2), Version(1) <= Version(1), Version(1) > Version(2), Version(2) >= Version(1)
Version(1) < 1
Counter(1) == Counter(1), Counter(1) == Counter(2)
hash(Counter())
setattr(Counter(), "count", 5)
[counter := Counter(), setattr(counter, "parent", counter), repr(counter)][-1]
Derived(asked="a"), Derived(asked="a").checked, Derived.__match_args__
Derived("a")
Derived(label="l")
Derived(asked="a", label="l") == Derived(asked="a", label="l")
Parsed("ab"), Parsed("ab").length, Parsed.__match_args__, Parsed("a", strict=True)
Parsed("ab", length=2)
Parsed("ab", 2)
replace(Parsed("ab"), text="abc")
standard.replace(Parsed("ab"), text="abc")
Identity("a") == Identity("a"), isinstance(hash(Identity("a")), int)
"secret" in repr(Token("secret"))
Empty(), Empty() == Empty(), hash(Empty()) == hash(Empty())
Empty(1)
Worded("a"), Worded("a") == 5, hash(Worded("a"))
copy.copy(Point(1, 2)), copy.deepcopy(Point(1, 2, notes=["n"]))
"""


def _made(module: ModuleType) -> dict[str, Any]:
    names: dict[str, Any] = {**vars(module), "standard": dataclasses, "copy": copy, "__name__": __name__}
    exec("from functools import cached_property\n" + CLASSES, names)
    return names


def _answer(question: str, names: dict[str, Any]) -> str:
    try:
        return repr(eval(question, names))
    except Exception as error:
        return type(error).__name__


def test_they_answer_as_those_of_the_standard_library_do() -> None:
    mine, standard = _made(ours), _made(dataclasses)
    questions = QUESTIONS.strip().splitlines()
    expected = {question: _answer(question, standard) for question in questions}
    assert not {"NameError", "SyntaxError"} & set(expected.values())
    assert {question: _answer(question, mine) for question in questions} == expected
    for made in MADE.split():
        for _ in range(ours._MANY):
            eval(made, mine)
    assert mine["Point"].__init__.__code__.co_filename == "<string>", "it is compiled by now"
    assert {question: _answer(question, mine) for question in questions} == expected
