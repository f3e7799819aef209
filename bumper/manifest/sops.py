"""Files that SOPS has encrypted: which of their values can be edited without its key.

Law: a value that is encrypted never; a plain one only where the MAC of the file covers encrypted values alone. Otherwise it covers
every value of every document of the file, and `sops` refuses to decrypt it after the edit ("MAC mismatch"). Flux decrypts without
that check (kustomize-controller, `internal/decryptor`: checkSopsMac is off), so the next person who opens the file pays for it.

Source: https://getsops.io/docs (mac_only_encrypted, since SOPS 3.9); sops/v3 `sops.go`, Tree.Encrypt.
"""

from bumper.manifest.yamltext import Mapping, Node, Source, lookup, name_of, resolved

REMEDY = "change it with `sops set`, or encrypt the file anew with --mac-only-encrypted"
_TRUE = ("true", "yes", "on")


def is_encrypted(text: str) -> bool:
    """Whether it is a value that SOPS has encrypted."""
    return text.startswith("ENC[AES256_GCM,")


def why_sealed(source: Source) -> str:
    """Why no value of the file can be changed without the key of SOPS; empty where one can."""
    if "sops" not in source.text:
        return ""
    roots = (root for piece in source.having("sops") for _, root in piece.roots)
    for metadata in filter(None, map(_metadata, roots)):
        mac = next((hit.scalar for hit in lookup(metadata, "mac") if hit.scalar.text), None)
        is_partial = any(hit.scalar.text.lower() in _TRUE for hit in lookup(metadata, "mac_only_encrypted"))
        if mac and not is_partial:
            return (
                f"the file is encrypted by SOPS, whose sops.mac ({source.path}:{source.line(mac.start)}) covers this value too: "
                "sops would not decrypt the file any more, expected mac_only_encrypted: true"
            )
    return ""


def _metadata(root: Node) -> Mapping | None:
    node = resolved(root)
    pairs = node.pairs if isinstance(node, Mapping) else ()
    below = next((resolved(value) for key, value in pairs if name_of(key) == "sops"), None)
    return below if isinstance(below, Mapping) else None
