"""What a step of a workflow says of how a run ended: its outputs and annotations, from the JSON of `--output json`. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from bumper.errors import EXIT_CODES, Outcome

_WARNS = {Outcome.TIMED_OUT, Outcome.SUPERSEDED}


def outputs_of(result: Mapping[str, Any]) -> dict[str, str]:
    """The outputs of action.yml. Of several sites those that speak of one are the worst one's; all are in `verdict`."""
    site = _worst(result)
    error = result.get("error") or {}
    return {
        "outcome": result["outcome"],
        "reason": site.get("reason") or error.get("reason") or "",
        "commit": site.get("commit") or "",
        "previous-tag": site.get("previousTag") or "",
        "tag": site.get("tag") or "",
        "digest": site.get("digest") or "",
        "plan": (result.get("plan") or {}).get("hash", ""),
        "durations": json.dumps(
            {
                ended["site"]: {stage["stage"]: stage["seconds"] for stage in ended.get("stages", ())}
                for ended in result["sites"]
            }
        ),
        "verdict": json.dumps(result),
    }


def annotations_of(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Level, title and text for each site that is not where it should be, or for the error that ended the run."""
    if error := result.get("error"):
        text = "\n".join(filter(None, (error["message"], error["hint"])))
        return [("error", f"bump: {result['outcome']}", text)]
    annotations = []
    for site in result["sites"]:
        outcome = Outcome(site["outcome"])
        if EXIT_CODES[outcome] or outcome in _WARNS:
            level = "warning" if outcome in _WARNS else "error"
            back = site.get("rolledBack") and f"rolled back: {site['rolledBack']}"
            serving = site["serving"] and f"serving now: {site['serving']}"
            lines = (site["message"], serving, back, site["hint"])
            annotations.append((level, f"{site['site']}: {outcome.value}", "\n".join(filter(None, lines))))
    return annotations


def _worst(result: Mapping[str, Any]) -> Mapping[str, Any]:
    sites = [site for site in result["sites"] if site["outcome"] == result["outcome"]]
    return sites[0] if sites else {}
