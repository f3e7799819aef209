"""Who made what: references to controllers, and the names that controllers give. Pure.

Source: k8s.io/kubernetes v1.35.4 pkg/controller/controller_utils.go, k8s.io/apimachinery pkg/util/rand.
"""

import json
import secrets
from typing import Any

Manifest = dict[str, Any]

# No vowels, and nothing that looks like something else.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def suffix() -> str:
    """Five random characters, as a pod's name ends."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(5))


def hash_of(template: Manifest) -> str:
    """A name part that tells pod templates apart: FNV-1a as Kubernetes takes it, over the template as JSON."""
    value = 0x811C9DC5
    for byte in json.dumps(template, sort_keys=True).encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))


def owner_of(obj: Manifest) -> Manifest | None:
    """The reference to the controller of an object, or None."""
    references = obj["metadata"].get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), None)


def is_owned(obj: Manifest, owner: Manifest) -> bool:
    """Whether `owner` is the controller of the object."""
    return bool((owner_of(obj) or {}).get("uid") == owner["metadata"]["uid"])


def reference_to(owner: Manifest) -> Manifest:
    """The reference with which an object names its controller."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
