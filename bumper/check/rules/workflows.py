"""Rules about the workflows of the platform's own repository: what a deploy of `bump` would start there."""

import re
from collections.abc import Iterator, Mapping
from posixpath import join
from typing import Any

from bumper.check.cluster import Cluster
from bumper.check.finding import WARNING, rule
from bumper.errors import NotYaml
from bumper.fluxtree.resource import Fault
from bumper.manifest.document import items, mapping, plain, text
from bumper.manifest.yamltext import compose

FOLDER = ".github/workflows"
_BUMP = re.compile(
    r"(?:^|[\s;&|(])bump\s+(?:--(?:site|set|sha|tag)\b|rollback\b|[^\s-]\S*\s+--(?:site|sha|tag)\b)"
)
_ACTION = re.compile(r"(?:^|/)(?:deploy-site\.ya?ml|bump)(?:@|$)")
_SKIPS = re.compile(r"--skip-ci\b|\[(?:skip ci|ci skip|no ci|skip actions|actions skip)\]")


@rule(
    "workflow-loop",
    WARNING,
    why="With a token of a person or an App each deploy is a push that starts this workflow, which deploys again, for ever.",
    fix="Give `push` a `paths` or `paths-ignore` that leaves the manifests out, or deploy with --skip-ci (input skip-ci).",
)
def starts_itself(cluster: Cluster) -> Iterator[Fault]:
    for name, is_directory in cluster.reading.entries(FOLDER).items():
        if is_directory or not name.endswith((".yml", ".yaml")):
            continue
        path = join(FOLDER, name)
        if (line := _line_of_push(cluster.reading.content(path), path)) is not None:
            yield Fault(
                path, line, f"every push starts {name}, which calls bump: the push of bump itself, too"
            )


def _line_of_push(content: bytes, path: str) -> int | None:
    """Where a workflow that deploys is started by every push; None where it is not, or where GitHub would not take it either."""
    try:
        roots = compose(content, path).documents
    except NotYaml:
        return None
    workflow = mapping(plain(roots[0])) if len(roots) == 1 else {}
    if not (_is_started_by_any_push(workflow.get("on")) and any(map(_deploys, _steps(workflow)))):
        return None
    lines = content.decode(errors="replace").splitlines()
    return next(
        (number for number, line in enumerate(lines, 1) if re.match(r"\s*[\"']?on[\"']?\s*:", line)), 1
    )


def _is_started_by_any_push(events: Any) -> bool:
    if not isinstance(events, Mapping):
        return "push" in (items(events) or [events])
    if "push" not in events:
        return False
    push = mapping(events["push"])
    only_tags = ("tags" in push or "tags-ignore" in push) and not (
        "branches" in push or "branches-ignore" in push
    )
    return not (only_tags or "paths" in push or "paths-ignore" in push)


def _steps(workflow: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All that a workflow runs: its steps, and jobs that are other workflows."""
    for job in mapping(workflow.get("jobs")).values():
        yield mapping(job)
        yield from map(mapping, items(mapping(job).get("steps")))


def _deploys(step: Mapping[str, Any]) -> bool:
    """Whether it is a deploy whose commit starts builds."""
    run, inputs = text(step.get("run")), mapping(step.get("with"))
    if _ACTION.search(text(step.get("uses"))):
        return text(inputs.get("skip-ci")).lower() != "true" and not _SKIPS.search(
            text(inputs.get("message"))
        )
    return any(
        _BUMP.search(line) and not _SKIPS.search(line) for line in run.replace("\\\n", " ").splitlines()
    )
