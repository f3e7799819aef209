"""What may go wrong in a demo: each brings about one state of the world, and says in a sentence what has happened."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bumper_sandbox.sites import Site
    from bumper_sandbox.stack import Stack

Fault = Callable[["Stack", "Site", str], str]


def _image(stack: "Stack", site: "Site", tag: str) -> str:
    stack.not_replicated.add(tag)
    return f"The registry has {tag}, but the replica that the node pulls from has not got it yet:"


def _crash(stack: "Stack", site: "Site", tag: str) -> str:
    stack.behaviours[tag] = "crash"
    return f"The image {tag} is there, but what it runs will crash:"


def _build(stack: "Stack", site: "Site", tag: str) -> str:
    from bumper_sandbox.flux.build import KUSTOMIZATION_FILES  # it reads YAML, and `--help` lists the faults

    listing = next(
        (path for name in KUSTOMIZATION_FILES if (path := f"{site.path}/{name}") in stack.files), ""
    )
    if listing:
        stack.commit({listing: stack.files[listing] + b"\nclosed: [never\n"}, f"Change {listing}")
        return f"Somebody else has just pushed {listing}, which is no YAML any more, so that Flux cannot build the directory:"
    path = f"{site.path}/broken.yaml"
    content = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels: {of: nobody}\n"
    stack.commit({path: content}, f"Add {path}")
    return (
        f"Somebody else has just pushed {path}, which has no name, so that Flux cannot build the directory:"
    )


def _suspended(stack: "Stack", site: "Site", tag: str) -> str:
    stack.cluster.patch(site.kustomization, {"spec": {"suspend": True}})
    return f"Somebody has run: flux suspend kustomization {site.kustomization.name}"


FAULTS: dict[str, Fault] = {
    "image": _image,
    "crash": _crash,
    "build": _build,
    "suspended": _suspended,
}
