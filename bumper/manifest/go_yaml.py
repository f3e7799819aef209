"""What go-yaml takes a scalar for that nothing says the type of: a number and a boolean are written anew, as another text perhaps.

Law: exact for one reader, that of kustomize and of Flux; what a tag has to be quoted for is asked of all readers (`yamltext`).

Source: go.yaml.in/yaml/v2, `resolve.go`; sigs.k8s.io/yaml v1.6.0, `yaml.go` (convertToJSONableObject: `strconv.FormatFloat(value, 'g',
-1, 32)` where a text is expected). go.yaml.in/yaml/v3, with which kustomize reads objects, knows true and false alone for booleans.
"""

import math
import re
import struct
from collections.abc import Callable, Iterator

from bumper.manifest.yamltext import Scalar, compose

TEXT, FLAG, NUMBER, FRACTION, NOTHING = "a text", "true or false", "a whole number", "a number", "nothing"
_SPELLED = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_FLAGS = {
    **{cased: flag for word, flag in _SPELLED.items() for cased in (word, word.title(), word.upper())},
    "y": True, "Y": True, "n": False, "N": False,
}  # fmt: skip
_NOT_FINITE = frozenset(
    {".nan", ".NaN", ".NAN", *(sign + inf for sign in ("", "+", "-") for inf in (".inf", ".Inf", ".INF"))}
)
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*|0(?:[xX][0-9a-fA-F]+|[bB][01]+|[oO]?[0-7]+))")
_MAY_BE_KEY = re.compile(
    r"(?:^|[\s{,])(?:[-+.]?[0-9][0-9a-zA-Z_.+-]*|[-+]?\.\w+|true|false|null|~)[ \t]*(?:\n[ \t]*)?:(?:\s|$)",
    re.IGNORECASE,
)
# A fraction reaches further than whole numbers of this length, also of 16; of longer ones it decides whether they are numbers.
_MOST_DIGITS = 250
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


def form_of(scalar: Scalar) -> str:
    """What a scalar is read as: one of the five forms."""
    if scalar.style or scalar.tag:
        return TEXT
    return NOTHING if scalar.is_null else form(scalar.value)


def form(plain: str) -> str:
    """The same for what is written plain, and is not null."""
    if plain in _FLAGS:
        return FLAG
    digits = _digits(plain)
    if len(digits) <= _MOST_DIGITS and _WHOLE.fullmatch(digits):
        return NUMBER
    is_number = _DECIMAL.fullmatch(digits) and math.isfinite(float(digits))
    return FRACTION if is_number or plain in _NOT_FINITE else TEXT


def as_text(plain: str) -> str:
    """The text that is made of what is written plain: `1.10` becomes `1.1`, `yes` becomes `true`, and a text stays what it is.

    Of a number with a point it is what 32 bits hold: of `20240815.1` it is `2.0240816e+07`.
    """
    return _anew(plain, _single, 1e6)


def as_json(plain: str) -> str:
    """The same where any value may stand, as in a patch: a number is what 64 bits hold, written out where they hold it whole."""
    return _anew(plain, float, float(1 << 64))


def _anew(plain: str, held: Callable[[float], float], written_out: float) -> str:
    if plain in _FLAGS:
        return str(_FLAGS[plain]).lower()
    digits, kind = _digits(plain).lower(), form(plain)
    if kind == NUMBER:
        magnitude = digits.lstrip("+-")
        is_octal = len(magnitude) > 1 and magnitude[0] == "0" and magnitude.isdigit()
        whole = int(magnitude, 8 if is_octal else 0) * (-1 if digits.startswith("-") else 1)
        if -(1 << 63) <= whole < 1 << 64:
            return str(whole)
        digits = f"{whole:.17e}"
    if kind == TEXT:
        return plain
    value = held(float(digits.replace(".", "") if plain in _NOT_FINITE else digits))
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    shortest = next(written for places in range(17) if held(float(written := f"{value:.{places}e}")) == value)
    if value and not 1e-4 <= abs(value) < written_out:
        mantissa, _, exponent = shortest.partition("e")
        return f"{mantissa}e{int(exponent):+03d}"
    from decimal import Decimal  # few files hold such a number

    return f"{Decimal(shortest):f}"


def _single(value: float) -> float:
    """The number as 32 bits hold it."""
    try:
        single: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return single


def unread(content: bytes, path: str) -> Iterator[tuple[int, str]]:
    """What other readers take in a file, and go-yaml does not, each with its line: kustomize can't read the file."""
    text = content.decode(errors="replace").removeprefix("\ufeff")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("%"):
            yield (
                number,
                f"the directive {line.split()[0]} stands before the first object, which kustomize can't read",
            )
        if line.strip() and not line.startswith("#"):
            break
    if b"\\/" not in content:
        return  # the nodes of a file are made for this alone
    source = compose(content, path)
    for scalar in source.scalars:
        if scalar.style == '"' and "\\/" in re.sub(r"\\\\", "", source.text[scalar.start : scalar.end]):
            yield source.line(scalar.start), 'the escape "\\/" is one of JSON, which kustomize can\'t read'


def may_have_keys_of_no_text(text: str) -> bool:
    """Whether it is worth looking for keys that `is_text` is not true of."""
    return _MAY_BE_KEY.search(text) is not None


def is_text(scalar: Scalar) -> bool:
    """Whether go-yaml's third version takes a scalar for a text; not asked of dates."""
    taken = form_of(scalar)
    return taken == TEXT or (taken == FLAG and scalar.value.lower() not in ("true", "false"))


def _digits(plain: str) -> str:
    """An underscore is dropped where a number begins as one does."""
    return plain.replace("_", "") if plain[:1] in "+-0123456789" else plain
