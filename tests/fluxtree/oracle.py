"""What kustomize itself makes of a tree, and what our model says of it."""

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from trees import MemoryTree

from bumper import manifest
from bumper.fluxtree.build import Build, build
from bumper.fluxtree.images import Image, images
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.proof import Proof
from bumper.fluxtree.proof import prove as prove_edits
from bumper.fluxtree.resource import POD_TEMPLATES
from bumper.fluxtree.transformers import with_value_at
from bumper.fluxtree.walk import Walk
from bumper.image import ImageReference

TAG = "edited"
DIGEST = f"sha256:{'9' * 64}"
Files = Mapping[str, str]


def as_flux_writes(files: Files) -> dict[str, str]:
    """The files after Flux's generator (fluxcd/pkg/kustomize v1.35.4, GenerateManifest) has changed the top kustomization."""
    spec = YAML(typ="safe").load(files["clusters/sync.yaml"])["spec"]
    path = f"{spec['path'].removeprefix('./')}/kustomization.yaml"
    top = YAML(typ="safe").load(files[path])
    top["patches"] = [*(top.get("patches") or []), *(spec.get("patches") or [])]
    top["components"] = [*(top.get("components") or []), *(spec.get("components") or [])]
    for key, given in (
        ("namespace", "targetNamespace"),
        ("namePrefix", "namePrefix"),
        ("nameSuffix", "nameSuffix"),
    ):
        if given in spec:
            top[key] = spec[given]
    top["images"] = _joined(top.get("images") or [], spec.get("images") or [])
    written = StringIO()
    YAML(typ="safe").dump({key: value for key, value in top.items() if value}, written)
    return {**files, path: written.getvalue()}


def _joined(images: list[dict[str, str]], added: list[dict[str, str]]) -> list[dict[str, str]]:
    for each in added:
        known = next((image for image in images if image["name"] == each["name"]), None)
        if known is None:
            images.append(each)
            continue
        if each.get("newName"):
            known["newName"] = each["newName"]
        if each.get("newTag") or each.get("digest"):
            known.update(newTag=each.get("newTag", ""), digest=each.get("digest", ""))
    return images


def kustomized(program: Path, files: Files) -> list[Any] | None:
    """The objects that kustomize builds; None where it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        for path, content in as_flux_writes(files).items():
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        answer = subprocess.run(
            [str(program), "build", f"{folder}/apps/top"], capture_output=True, text=True, check=False
        )
    return list(YAML(typ="safe").load_all(answer.stdout)) if answer.returncode == 0 else None


def digest(objects: list[Any]) -> str:
    """Tells whether all objects are the same, every field of them; a number and a text that look alike are."""
    texts = sorted(json.dumps(_as_text(each), sort_keys=True) for each in objects)
    return sha256("\n".join(texts).encode()).hexdigest()[:8]


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_text(inner) for inner in value]
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def container_images(objects: list[Any]) -> dict[str, str]:
    """`Deployment shop/web containers/web` → image, of every container of every workload."""
    known: dict[str, str] = {}
    for each in objects:
        metadata = each["metadata"]
        pod: Any = each
        for step in (*POD_TEMPLATES.get(each["kind"], ("spec", "template")), "spec"):
            pod = pod.get(step) or {}
        for key in ("initContainers", "containers"):
            for at, container in enumerate(pod.get(key) or []):
                name = f"{each['kind']} {metadata.get('namespace', '')}/{metadata['name']} {key}/{at}"
                known[name] = container["image"]
    return known


def changes(before: Any, after: Any, route: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The routes of all values that differ."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key in before:
            yield from changes(before[key], after[key], (*route, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for at, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from changes(old, new, (*route, at))
    elif before != after:
        yield route


def modelled(files: Files) -> tuple[Build, dict[str, Image]]:
    """Our build of the same, and its images by the same names."""
    reading = Reading(MemoryTree(files))
    (site,) = next(iter(Walk(reading).levels()))
    # What can be edited in a Job is not the question here.
    owner = site.owner.with_value(with_value_at(site.owner.value, ("spec", "force"), "true"))
    built = build(reading, site, owner)
    known: dict[str, Image] = {}
    for image in images(reading, built):
        at = "/".join(map(str, image.route[-3:-1]))
        known[f"{image.workload.kind} {image.workload.namespace}/{image.workload.name} {at}"] = image
    return built, known


def place(image: Image) -> str:
    return f"{image.field.path}:{image.field.span.start}"


def fields_of(known: Mapping[str, Image]) -> dict[str, list[str]]:
    """The places of the fields that can be edited, with the images that each decides."""
    fields: dict[str, list[str]] = {}
    for name, image in known.items():
        if not image.field.unsafe:
            fields.setdefault(place(image), []).append(name)
    return fields


def edited(files: Files, known: Mapping[str, Image]) -> dict[str, str]:
    """The files after every deciding field got a tag of its own: `edited0`, `edited1`, in the order of their places."""
    after = dict(files)
    edits: dict[str, list[manifest.Edit]] = {}
    for at, names in enumerate(fields_of(known).values()):
        field = known[names[0]].field
        edits.setdefault(field.path, []).extend(
            manifest.plan(files[field.path].encode(), field, f"{TAG}{at}", DIGEST)
        )
    for path, several in edits.items():
        after[path] = manifest.apply(files[path].encode(), several).decode()
    return after


def plans(files: Files) -> Iterator[tuple[dict[str, str], Proof]]:
    """The files after each deciding field, edited alone, and what is proved of that edit."""
    _, known = modelled(files)
    for names in fields_of(known).values():
        image = known[names[0]]
        content = files[image.field.path].encode()
        edits = manifest.plan(content, image.field, TAG, DIGEST)
        after = manifest.apply(content, edits)
        if edits:
            proof = prove_edits(Reading(MemoryTree(files)), {image.field.path: after}, edits, [image])
            yield {**files, image.field.path: after.decode()}, proof


def differing(before: list[Any], after: list[Any]) -> Counter[tuple[str, str]]:
    """Object and route of every value that differs."""
    return Counter((_name(before[at]), ".".join(map(str, route))) for at, *route in changes(before, after))


def listed(proof: Proof) -> Counter[tuple[str, str]]:
    """The same as a proof lists it, of the Kustomization that is built."""
    return Counter(
        (_name(change.resource.value), ".".join(map(str, change.difference.route)))
        for change in proof.changes
        if change.site.name == "top"
    )


def _name(value: Any) -> str:
    metadata = value["metadata"]
    return f"{value['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def line(number: int, program: Path, files: Files) -> str:
    """What kustomize says of a tree, on one line: its images, and which of them each deciding field changes.

    AssertionError where our model says something else.
    """
    objects = kustomized(program, files)
    built, known = modelled(files)
    if objects is None:
        assert built.refusals or built.gaps, "kustomize refuses it, and the model does not"
        return json.dumps({"seed": number, "files": fingerprint(files), "refused": True})
    assert not built.refusals, f"kustomize builds it, and the model says {built.refusals}"
    expected = container_images(objects)
    assert {name: image.value for name, image in known.items()} == expected
    assert digest([each.value for each in built.resources]) == digest(objects), (
        "another field than an image differs"
    )
    after = edited(files, known)
    prove(objects, kustomized(program, after), known)
    answer: dict[str, object] = {"seed": number, "files": fingerprint(files), "objects": digest(objects)}
    return json.dumps({**answer, "images": expected, "fields": fields_of(known)})


def prove(
    objects: list[Any],
    after: list[Any] | None,
    known: Mapping[str, Image],
    allowed: Collection[tuple[Any, ...]] = (("data", "it"),),
) -> None:
    """That each field decides its own images and nothing else: every one of them has the tag of its field now."""
    assert after is not None, "kustomize refuses the edited tree"
    before_images, after_images = container_images(objects), container_images(after)
    assert before_images.keys() == after_images.keys()
    tags = {name: f"{TAG}{at}" for at, names in enumerate(fields_of(known).values()) for name in names}
    for name, image in after_images.items():
        if name in tags:
            assert _tag(image) == tags[name], (
                f"{name}: {before_images[name]} becomes {image}, expected {tags[name]}"
            )
    others = [route for route in changes(objects, after) if route[-1] != "image"]
    # The source of a replacement is the field itself.
    assert all(route[1:] in allowed for route in others), f"the edits change {others}"


def _tag(image: str) -> str:
    return ImageReference.split(image).tag


def fingerprint(files: Files) -> str:
    """Tells whether the generator still makes the tree that was recorded."""
    return sha256(
        "\0".join(f"{path}\0{content}" for path, content in sorted(files.items())).encode()
    ).hexdigest()[:8]
