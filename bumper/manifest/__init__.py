"""The proved edit: where the image fields of a manifest stand, and what must change in its bytes; `image_fields` has the law."""

from bumper.manifest.candidates import FieldKind
from bumper.manifest.image_fields import (
    NO_BLOCK,
    Field,
    Written,
    field_of,
    fields,
    fields_inside,
    fixed,
    own_fields,
    plan,
    select,
)
from bumper.manifest.mentions import Mention, mentions
from bumper.manifest.patch import diff
from bumper.manifest.splice import Edit, apply
from bumper.manifest.yamltext import Span

__all__ = [
    "NO_BLOCK",
    "Edit",
    "Field",
    "FieldKind",
    "Mention",
    "Span",
    "Written",
    "apply",
    "diff",
    "field_of",
    "fields",
    "fields_inside",
    "fixed",
    "mentions",
    "own_fields",
    "plan",
    "select",
]
