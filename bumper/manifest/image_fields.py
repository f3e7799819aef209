"""The image fields of a manifest: where they stand, and what must change.

Law: only the bytes of the value change. `fields` locates, `plan` spells the new value in the style of the old one, and `apply` (in
`splice`) proves the result. A field that cannot be changed without changing something else is refused with `FieldUnsafe`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from bumper.dataclasses import dataclass, replace
from bumper.errors import FieldUnsafe, NotYaml
from bumper.image import ImageReference
from bumper.manifest.blocks import Block, block
from bumper.manifest.candidates import (
    Candidate,
    FieldKind,
    Place,
    Roots,
    candidates,
    patch_texts,
    telling_words,
)
from bumper.manifest.sops import REMEDY, is_encrypted, why_sealed
from bumper.manifest.splice import Edit, equal_start
from bumper.manifest.yamltext import Hit, Scalar, Source, Span, compose, opened
from bumper.objects import NO_OBJECT, ObjectKey

# Of each scalar, by its ordinal: the repositories whose fields read it, and _HELD where one of them holds it itself.
_Readers = Mapping[int, set[str]]
_HELD = ""
NO_BLOCK = (
    "a patch here sets it in a text that is not as it stands in the file, expected a literal block (patch: |)"
)
NO_RUN = "a text here writes it with escapes or over several lines, expected a literal block (|)"
# An escape of a double-quoted scalar without all of its digits.
_CUT_ESCAPE = r"\\(?:x.?|u.{0,3}|U.{0,7})?\Z"


@dataclass(frozen=True)
class Written:
    """A scalar and the bytes to splice: without its quotes, anchor and tag."""

    span: Span
    scalar: Scalar


@dataclass(frozen=True)
class Field:
    """One place of a file that names an image.

    `image` is what stands there; its repository is the entry's `name` for NEW_TAG. `rendered` is the repository that reaches the
    cluster: `newName`, or `registry` and `repository`. `route` begins with the index of the document. `digest` is the separate digest
    that pins a tag, if any. `unsafe` says why the field cannot be edited, `remedy` what to do where that is not to edit it by hand;
    both are empty where it can.
    """

    path: str
    kind: FieldKind
    route: tuple[str | int, ...]
    image: ImageReference
    rendered: str
    container: str
    workload: ObjectKey
    written: Written
    digest: Written | None = None
    unsafe: str = ""
    remedy: str = ""

    @property
    def span(self) -> Span:
        """The written value, inside its quotes; where an alias leads to for a field that is one; empty for an unsafe field."""
        return self.written.span


def fields(content: bytes, path: str) -> tuple[Field, ...]:
    """Every image field of the file, in order, then those of the patches that stand in it as texts; NotYaml where it can't be read."""
    return (*own_fields(content, path), *(_fields_of_patches(content, path) if b"patch" in content else ()))


def _fields_of_patches(content: bytes, path: str) -> Iterator[Field]:
    source = opened(content, path)
    for scalar in patch_texts(_telling(source)):
        inside = block(source, scalar)
        try:
            if inside:
                yield from fields_inside(inside, path)
            else:
                line = source.line(scalar.start)
                yield from (fixed(field, NO_BLOCK, line) for field in own_fields(scalar.value.encode(), path))
        except NotYaml:
            continue


def fixed(field: Field, reason: str, line: int) -> Field:
    """The field as one that cannot be edited where it stands, at `line` of its file."""
    written = replace(field.written, span=Span(0, 0, line))
    return replace(field, written=written, digest=None, unsafe=field.unsafe or reason)


def own_fields(content: bytes, path: str) -> tuple[Field, ...]:
    """Every image field of the file but those inside of texts, in order; NotYaml where it cannot be read."""
    source = opened(content, path)
    ordered_candidates = list(candidates(_telling(source)))
    readers: dict[int, set[str]] = {}
    for candidate in ordered_candidates:
        for hit in candidate.hits:
            reads = readers.setdefault(hit.scalar.ordinal, set())
            reads.add(candidate.image.repository)
            if not (candidate.place.through or hit.through):
                reads.add(_HELD)
    sealed = why_sealed(source)
    return tuple(_field(source, candidate, readers, sealed) for candidate in ordered_candidates)


def _telling(source: Source) -> Roots:
    """The documents that may say something of images."""
    return (root for piece in source.having(*telling_words()) for root in piece.roots)


def fields_inside(inside: Block, path: str) -> tuple[Field, ...]:
    """Every image field of a YAML text that stands in a literal block of the file at `path`."""
    return tuple(_outward(field, inside) for field in own_fields(inside.content, path))


def field_of(
    content: bytes,
    path: str,
    ordinal: int,
    kind: FieldKind,
    image: ImageReference,
    container: str = "",
    inside: Block | None = None,
) -> Field:
    """The field that a scalar is which names an image, or its tag, outside of every place that `fields` knows.

    Such are the values of a JSON patch, or a tag that a patch sets without its repository: only who builds the object knows what they
    are. `ordinal` is that of the scalar.
    """
    source = compose(content, path)
    scalar = next(scalar for scalar in source.scalars if scalar.ordinal == ordinal)
    place = Place(source.documents[0], None, 0, NO_OBJECT)
    candidate = Candidate(
        place,
        kind,
        Hit(scalar, scalar.start),
        image,
        image.repository,
        container,
        unsafe="it has an anchor, and an alias may read it too" if source.shape[ordinal][1] else "",
    )
    field = _field(source, candidate, {ordinal: {_HELD}}, why_sealed(source))
    return _outward(field, inside) if inside else field


def _outward(field: Field, inside: Block) -> Field:
    written = replace(field.written, span=inside.outward(field.span))
    digest = replace(field.digest, span=inside.outward(field.digest.span)) if field.digest else None
    remedy = REMEDY if inside.unsafe else field.remedy
    is_whole = all(inside.holds(each.span) for each in (field.written, field.digest) if each)
    unsafe = inside.unsafe or field.unsafe or ("" if is_whole else NO_RUN)
    return replace(field, written=written, digest=digest, unsafe=unsafe, remedy=remedy)


def select(file_fields: Sequence[Field], repository: str) -> tuple[Field, ...]:
    """The fields of that repository, compared as written: `nginx` is not `docker.io/library/nginx`, as it is not for kustomize.

    A repository that only reaches the cluster under that name (`newName`, `registry`) counts where none is written so.
    """
    written = tuple(field for field in file_fields if field.image.repository == repository)
    return written or tuple(field for field in file_fields if field.rendered == repository)


def plan(content: bytes, field: Field, tag: str, digest: str = "", *, pin: bool = False) -> tuple[Edit, ...]:
    """The edits that make `field` name `tag`; none where it does already. FieldUnsafe where that cannot be done safely.

    `digest` is written only with `pin`, or where the field is pinned by one; such a field needs it, since its old digest would win
    over the new tag. In a kustomization without a `digest` the tag takes it along (`newTag: tag@digest`): kustomize joins the text to
    the name as it is (kustomize 5.8.1, `api/filters/imagetag/updater.go`). What a chart makes of a tag is not known, so that
    values of a chart are only pinned where they are already.
    """
    at = f"{field.path}:{field.span.line}"
    if field.unsafe:
        raise FieldUnsafe(f"{at}: {field.unsafe}", hint=field.remedy or "change this field by hand")
    pinned = field.image.digest
    if pinned and not digest and field.image.tag != tag:
        raise FieldUnsafe(
            f"{at}: {field.image} is pinned by its digest, which would win over the tag {tag}; expected a digest for {tag}",
            hint="pass --digest with the digest of the new tag",
        )
    if pin and not digest:
        raise FieldUnsafe(f"{at}: no digest of {tag} is known, expected one to pin it")
    if pin and not pinned and field.kind is FieldKind.HELM_TAG:
        raise FieldUnsafe(
            f"{at}: {field.image} has no digest beside its tag, and what the chart makes of a digest in the tag is not known",
            hint="write the digest by hand once, as the chart wants it: it is kept up to date from then on; or leave out --pin",
        )
    wanted = field.image.with_tag(tag, (digest or pinned) if pinned or pin else "")
    value = str(wanted)
    if field.kind is not FieldKind.IMAGE:
        is_inside = "@" in field.written.scalar.value or not (pinned or field.digest)
        value = f"{tag}@{wanted.digest}" if wanted.digest and is_inside else tag
    edits = [_edit(content, field.path, field.written, value)]
    if field.digest:
        edits.append(_edit(content, field.path, field.digest, wanted.digest))
    return tuple(edit for edit in edits if edit.old != edit.new)


def _edit(content: bytes, path: str, written: Written, value: str) -> Edit:
    """The edit that makes the scalar read `value`: in its own style, and what is equal at the start stays as it is spelled."""
    span, scalar = written.span, written.scalar
    old = content[span.start : span.end].decode()
    was = scalar.value.rstrip("\n")
    same = equal_start(was, value)
    tail = was[same:]
    head = old[: len(old) - len(tail)]
    if not old.endswith(tail) or (scalar.style == '"' and re.search(_CUT_ESCAPE, head)):
        raise FieldUnsafe(
            f"{path}:{span.line}: the tag of {was} is written with escapes, expected plain characters",
            hint="change this field by hand",
        )
    new = head + value[same:]
    if not scalar.reads_as_text(value):
        new = f'"{new}"'
    return Edit(path, span.line, span.start, span.end, old.encode(), new.encode())


def _field(source: Source, candidate: Candidate, readers: _Readers, sealed: str) -> Field:
    unsafe = sealed or _why_unsafe(candidate, readers)
    written = [_written(source, hit) for hit in candidate.hits]
    if not unsafe and None in written:
        unsafe = f"{candidate.key or candidate.kind} is not written on one line, expected the value alone"
    at = candidate.hit.at
    here = Written(source.span(at, at), candidate.hit.scalar)
    value, digest = (here, None) if unsafe else (written[0] or here, written[1] if candidate.digest else None)
    return Field(
        source.path,
        candidate.kind,
        candidate.route,
        candidate.image,
        candidate.rendered,
        candidate.container,
        candidate.place.workload,
        value,
        digest,
        unsafe,
        REMEDY if sealed else "",
    )


def _written(source: Source, hit: Hit) -> Written | None:
    inner = source.inner(hit.scalar)
    return Written(source.span(*inner), hit.scalar) if inner else None


def _why_unsafe(candidate: Candidate, readers: _Readers) -> str:
    """The first reason why this field cannot be changed alone; empty if there is none."""
    reasons = (_why_unsafe_scalar(candidate, hit, readers) for hit in candidate.hits)
    if candidate.image.tag_is_variable:
        return f"in {candidate.image} a variable decides the tag, expected the tag itself"
    if candidate.kind is FieldKind.IMAGE and candidate.image.is_malformed:
        return f"{candidate.image} is no image, expected REPOSITORY:TAG or REPOSITORY:TAG@sha256:DIGEST"
    return candidate.place.unsafe or candidate.unsafe or next(filter(None, reasons), "")


def _why_unsafe_scalar(candidate: Candidate, hit: Hit, readers: _Readers) -> str:
    key = "digest" if hit is candidate.digest else candidate.key or candidate.kind
    through = hit.through or candidate.place.through
    others = readers[hit.scalar.ordinal] - {_HELD, candidate.image.repository}
    if hit.repeated:
        return f"the key {key} stands twice in the same mapping, expected once"
    if through and _HELD not in readers[hit.scalar.ordinal]:
        return f"{key} comes by {through} from outside of any image field, expected the value itself"
    if others:
        return f"{key} is shared by an alias with {', '.join(sorted(others))}, expected a value of its own"
    if is_encrypted(hit.scalar.value):
        return f"{key} is encrypted by SOPS, expected a plain value"
    if not hit.scalar.takes_text:
        return f"{key} has the type {hit.scalar.tag}, expected text"
    if not hit.scalar.value and not hit.scalar.style:
        return f'{key} is empty, expected at least ""'
    return ""
