"""Text that others wrote, made safe to print: on one line, without control sequences, and without secrets.

Law: the name of a secret stays (it is what a person must look up), its value goes; a text without one comes back as it is. Masking
twice changes nothing. It is a net under careful programs, not a proof: what looks like an ordinary word after `token:` is left, since
the runtimes themselves write `failed to fetch anonymous token: unexpected status`.
"""

import re

MASK = "***"
# Control sequences of ECMA-48 (colours, cursor), operating system commands (titles, links), and other two-character escapes.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -~])")
_LONGEST = 1000

_WORDS = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|signature|sig"
    r"|(?:api|access|account|private|secret|signing|encryption|shared|storage|master)[-_. ]?key)"
)
# Everything that may hold a secret contains one of these, so that the texts that do not are let through at once.
_SUSPECT = re.compile(
    rf"{_WORDS}|authorization|bearer|basic |-----BEGIN|://|ey[JI]|gh[pousr]_|github_pat_|AKIA|[A-Za-z0-9+/]{{60}}",
    re.IGNORECASE,
)
_PEM = re.compile(r"-----BEGIN (?P<what>[A-Z0-9 ]+)-----.*?(?:-----END (?P=what)-----|\Z)", re.DOTALL)
_PEM_TAIL = re.compile(
    r"(?:^[ \t]*[A-Za-z0-9+/=]{40,}\r?\n)*^[ \t]*[A-Za-z0-9+/=]+\r?\n[ \t]*-----END (?P<what>[A-Z0-9 ]+)-----",
    re.MULTILINE,
)
_HEADER = re.compile(
    r"\b(?P<scheme>bearer|basic)(?P<gap>\s+)(?P<value>[A-Za-z0-9+/=._~-]{8,})", re.IGNORECASE
)
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^\s/:@'\"]*):(?P<value>[^\s'\"]+)@(?=[A-Za-z0-9_.\[-])"
)
_URL_TOKEN = re.compile(r"(?P<scheme>https?://)(?P<value>[A-Za-z0-9_~.-]{20,})@")
# JSON Web Tokens, and what GitHub and AWS hand out, are known by their form.
_KNOWN = re.compile(
    r"\bey[JI][A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    # A token of an App may hold a JSON Web Token (since 2026: ghs_APPID_JWT).
    r"|\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_-]{8,})*|\bAKIA[A-Z0-9]{16}\b"
)
_NAMED = re.compile(
    rf"(?P<name>[A-Za-z0-9_.-]*{_WORDS}[A-Za-z0-9_]*[\"']?)(?P<sign>\s*=\s*|\s*:\s*)"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s\"'&;,)\]}]+)",
    re.IGNORECASE,
)
_AFTER_WORD = re.compile(
    rf"(?P<name>\b{_WORDS}\b[\"']?\s+(?:is\s+)?[\"']?)(?P<value>[A-Za-z0-9+/_-]{{24,}}={{0,2}})",
    re.IGNORECASE,
)
# A whole line of base64, such as the middle of a PEM block whose beginning was cut off.
_BASE64_LINE = re.compile(
    r"^[ \t]*(?=\S*[a-z])(?=\S*[A-Z])(?=\S*\d)[A-Za-z0-9+/]{60,}={0,2}[ \t]*$", re.MULTILINE
)
_ALWAYS = re.compile(r"pass|pwd", re.IGNORECASE)
# Names of secrets, counts of them (in the message of a quota), and what registries answer to a wrong password.
_NOT_A_VALUE = re.compile(r"(?:name|ref|s)[\"']?$", re.IGNORECASE)
_ANSWER = re.compile(
    r"unauthorized|denied|forbidden|invalid|incorrect|missing|required|wrong|expired|not", re.IGNORECASE
)
_LONG_ENOUGH = 8
_LONG_WORD = 24


def mask(text: str) -> str:
    """`text` with every value that looks like a secret replaced by `***`."""
    if not _SUSPECT.search(text):
        return text
    text = _PEM.sub(_block, text)
    text = _PEM_TAIL.sub(_block, text)
    text = _BASE64_LINE.sub(MASK, text)
    text = _HEADER.sub(rf"\g<scheme>\g<gap>{MASK}", text)
    text = _URL.sub(rf"\g<scheme>\g<user>:{MASK}@", text)
    text = _URL_TOKEN.sub(rf"\g<scheme>{MASK}@", text)
    text = _KNOWN.sub(MASK, text)
    text = _NAMED.sub(_named, text)
    return _AFTER_WORD.sub(_after_word, text)


def _block(match: re.Match[str]) -> str:
    # A certificate is no secret, but it is no evidence either: nobody reads it.
    return f"[{match['what']} {MASK}]"


def _named(match: re.Match[str]) -> str:
    """`password=x`, `"token": "…"`, `AccountKey=…`. After a colon an unquoted word is a sentence that goes on, but for passwords."""
    value = match["value"]
    is_quoted = value[0] in "\"'"
    bare = value.strip("\"'")
    if not bare or bare == MASK or _NOT_A_VALUE.search(match["name"]):
        return match[0]
    is_spoken = ":" in match["sign"] and not is_quoted and not _looks_secret(bare)
    if is_spoken and (not _ALWAYS.search(match["name"]) or _ANSWER.fullmatch(bare)):
        return match[0]
    quote = value[0] if is_quoted else ""
    return f"{match['name']}{match['sign']}{quote}{MASK}{quote}"


def _after_word(match: re.Match[str]) -> str:
    return f"{match['name']}{MASK}" if _looks_secret(match["value"]) else match[0]


def _looks_secret(text: str) -> bool:
    """Digits among letters, or longer than words are."""
    if len(text) < _LONG_ENOUGH or text.startswith("http"):
        return False
    has_digit = any(char.isdigit() for char in text)
    return (has_digit and any(char.isalpha() for char in text)) or len(text) >= _LONG_WORD


def printable(text: str) -> str:
    """`text` on one line, without secrets, escape sequences, control characters and marks that turn the reading order."""
    if text.isprintable() and "  " not in text and len(text) <= _LONGEST:
        return mask(text.strip())
    # Python calls controls, formats (such as the bidirectional overrides) and everything unassigned not printable.
    shown = (
        char if char.isprintable() or char == "\n" else " " if char.isspace() else ""
        for char in _ESCAPE.sub("", text)
    )
    # Line ends are kept up to here: a key in PEM form is known by its lines.
    line = " ".join(mask("".join(shown)).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
