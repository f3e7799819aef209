"""What may stand in the file of freeze windows: as one table, from which the reader takes its keys and editors get a JSON schema."""

from typing import Any

from bumper.freeze.place import PATH

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NAMES = {"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1, "minLength": 1}
_SELECTION = {
    "sites": {**_NAMES, "description": "names of sites, as patterns of a shell; * is every site"},
    "labels": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "minProperties": 1,
        "description": "labels of the Flux Kustomization, all of which it must have; values are patterns",
    },
    "environments": {
        **_NAMES,
        "description": "a step of the Kustomization's path or file, its namespace, the start or end of its name, or what its "
        "annotation bump/environment says",
    },
}
HOLIDAYS = {"country": {"type": "string"}, "subdivision": {"type": "string"}}
_TIMES = {
    "zone": {
        "type": "string",
        "description": "the IANA zone of these times; default: that of the file, or UTC",
    },
    "from": {"type": "string", "description": "the first moment: 2026-12-15 or 2026-12-15T16:00"},
    "until": {
        "type": "string",
        "description": "the first moment after it, a day being its beginning; default: no known end",
    },
    "cron": {
        **_NAMES,
        "description": "when it begins: minute, hour, day of the month, month, day of the week, as Debian's cron",
    },
    "for": {
        "type": "string",
        "pattern": r"^(\d{1,4}[dw]|(\d+h)?(\d+m)?(\d+s)?)$",
        "description": "how long it lasts from there on, on the wall's clock: 64h, 1h30m, 2d",
    },
    "dates": {**_NAMES, "description": "whole days: 2026-12-24"},
    "holidays": {
        "description": "the holidays of a country, whole days; needs the library holidays",
        "oneOf": [
            {"type": "string", "description": "a country: DE"},
            {
                "type": "object",
                "properties": HOLIDAYS,
                "required": ["country"],
                "additionalProperties": False,
            },
        ],
    },
}
_ONE_OF_SELECTION: list[dict[str, Any]] = [{"required": [key]} for key in _SELECTION]
_CRON_LASTS = {"cron": ["for"], "for": ["cron"]}

ALLOWANCE: dict[str, Any] = {
    **_SELECTION,
    **_TIMES,
    "by": {
        **_NAMES,
        "description": "who may deploy it, by the names of GitHub or of the machine; default: everybody",
    },
    "reason": {"type": "string", "minLength": 1, "description": "why it may be deployed all the same"},
}
EXCLUSION: dict[str, Any] = {**_SELECTION, "reason": {"type": "string"}}
WINDOW: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1, "description": "what it is called; no other window is"},
    "reason": {"type": "string", "minLength": 1, "description": "why, for whoever is refused"},
    **_SELECTION,
    **_TIMES,
    "allow": {
        "type": "array",
        "description": "what may be deployed all the same",
        "items": {
            "type": "object",
            "properties": ALLOWANCE,
            "required": ["reason"],
            "additionalProperties": False,
            "dependentRequired": _CRON_LASTS,
        },
    },
    "exclude": {
        "type": "array",
        "description": "what no allowance lets through",
        "items": {
            "type": "object",
            "properties": EXCLUSION,
            "anyOf": _ONE_OF_SELECTION,
            "additionalProperties": False,
        },
    },
    "by": {"type": "string", "description": "who set it; written by bump freeze"},
    "since": {"type": "string", "description": "when it was set; written by bump freeze"},
}
FILE: dict[str, Any] = {
    "zone": {"type": "string", "description": "the IANA zone of all times that name none; default: UTC"},
    "holdLabel": {
        "type": "string",
        "minLength": 1,
        "description": "the label of a source's pull request that holds the deploy of what it brings",
    },
    "windows": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": WINDOW,
            "required": ["name", "reason"],
            "anyOf": _ONE_OF_SELECTION,
            "additionalProperties": False,
            "dependentRequired": _CRON_LASTS,
        },
    },
}


def schema() -> dict[str, Any]:
    """The JSON schema of the whole file."""
    return {
        "$schema": DIALECT,
        "title": "The freeze windows of a platform repository",
        "description": f"{PATH}: when bump deploys nothing, and what it deploys all the same",
        "type": "object",
        "properties": FILE,
        "additionalProperties": False,
    }
