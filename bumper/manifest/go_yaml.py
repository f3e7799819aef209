"""What go-yaml takes a scalar for that nothing says the type of: a number and a boolean are written anew, as another text perhaps.

Law: exact for one reader, that of kustomize and of Flux; what a tag has to be quoted for is asked of all readers (`yamltext`).

Source: go.yaml.in/yaml/v2, `resolve.go`; sigs.k8s.io/yaml v1.6.0, `yaml.go` (convertToJSONableObject: `strconv.FormatFloat(value, 'g',
-1, 64)` where a text is expected). go.yaml.in/yaml/v3, with which kustomize reads objects, knows true and false alone for booleans.
"""

import math
import re
from decimal import Decimal

from bumper.manifest.yamltext import Scalar

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
    if _WHOLE.fullmatch(digits):
        return NUMBER
    is_number = _DECIMAL.fullmatch(digits) and math.isfinite(float(digits))
    return FRACTION if is_number or plain in _NOT_FINITE else TEXT


def as_text(plain: str) -> str:
    """The text that is made of what is written plain: `1.10` becomes `1.1`, `yes` becomes `true`, and a text stays what it is."""
    if plain in _FLAGS:
        return str(_FLAGS[plain]).lower()
    digits, kind = _digits(plain).lower(), form(plain)
    if kind == NUMBER:
        magnitude = digits.lstrip("+-")
        is_octal = len(magnitude) > 1 and magnitude[0] == "0" and magnitude.isdigit()
        return f"{'-' * digits.startswith('-')}{int(magnitude, 8 if is_octal else 0)}"
    if kind == TEXT or plain in _NOT_FINITE:
        return plain
    value = float(digits)
    if value and not 1e-4 <= abs(value) < 1e6:
        mantissa, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
        return f"{mantissa}e{int(exponent):+03d}"
    return repr(value).removesuffix(".0")


def _digits(plain: str) -> str:
    """An underscore is dropped where a number begins as one does."""
    return plain.replace("_", "") if plain[:1] in "+-0123456789" else plain
