"""What a site answers once visitors get a build: an annotation of its Flux Kustomization, `bump/serves` or `bump/serves.SITE`.

Law: a value that can't be read is refused with its line, never passed over. A host that it names is asked only where a route of that
site names it too: whoever may write to the tree shall not choose whom the machine that deploys talks to.
"""

from urllib.parse import urlsplit

from bumper.errors import FieldMissing, FieldUnsafe
from bumper.fluxtree.sites import annotations
from bumper.fluxtree.sites.find import Target
from bumper.manifest.document import Document
from bumper.ports.site import Expectation

# The word of the annotation.
SERVES = "serves"


def of_site(document: Document, site: str) -> Expectation | None:
    """What is written down for one site; None where nothing is, FieldMissing for a value that is none."""
    key = annotations.key_of(document, SERVES, site)
    value = annotations.read(document).get(key)
    if value is None:
        return None
    try:
        return Expectation.parse(value if isinstance(value, str) else "")
    except ValueError as error:
        raise FieldMissing(
            f"{annotations.place(document, key)}: {key} is {value!r}: {error}",
            hint="correct it there, or write it anew: bump adopt SITE --serves SPEC",
        ) from None


def apply(content: bytes, document: Document, site: str, expectation: Expectation) -> bytes:
    """The bytes of the document's file with this expectation, in place of the one that may be there; as `annotations.write`."""
    return annotations.write(
        content, document, {annotations.key_of(document, SERVES, site): str(expectation)}
    )


def url_of(expectation: Expectation, target: Target, *, is_of_tree: bool) -> str:
    """The URL that is asked. FieldMissing where no route names a host, FieldUnsafe for a host of the tree that no route names."""
    if not expectation.host:
        if not target.url:
            raise FieldMissing(
                f"{target.place}: {target.site.label} shall be asked what it serves, and no route beside its workload names its host",
                hint="name the address: --serves 'https://HOST/PATH …'",
            )
        return target.url + expectation.address
    named = [urlsplit(address).hostname for address in target.addresses]
    if is_of_tree and expectation.host not in named:
        document = target.site.document
        place = annotations.place(document, annotations.key_of(document, SERVES, target.site.name))
        raise FieldUnsafe(
            f"{place}: found {expectation.host}, expected a host that a route of "
            f"{target.site.label} names ({', '.join(filter(None, named)) or 'there is none'})",
            hint="correct it there, or name the address on the command line: --serves 'https://HOST/PATH …'",
        )
    return expectation.address
