"""Trees of files for tests, as `git.Tree` gives them, and short ways to write what stands in them."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import dedent

from bumper.ports.git import Entry
from bumper_sandbox.model import FileTree


class MemoryTree(FileTree):
    """A tree held in memory, which keeps what it is asked: the directories `listed`, and `batches`, the paths of each read.

    `links` are symbolic links in the root.
    """

    files: dict[str, bytes]

    def __init__(self, files: Mapping[str, str | bytes], *, links: Sequence[str] = ()) -> None:
        super().__init__(
            {path: text if isinstance(text, bytes) else dedent(text).encode() for path, text in files.items()}
        )
        self.links = links
        self.listed: list[str] = []
        self.batches: list[tuple[str, ...]] = []

    def list(self, directory: str) -> Sequence[Entry]:
        self.listed.append(directory)
        links = [] if directory else [Entry(name, is_directory=False, is_link=True) for name in self.links]
        return [*links, *super().list(directory)]

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        batch = tuple(paths)
        self.batches.append(batch)
        return super().read(batch)

    @property
    def read_paths(self) -> set[str]:
        """Every path that was asked for."""
        return {path for batch in self.batches for path in batch}


def flux(name: str, path: str, *more: str, source: str = "flux-system") -> str:
    """A Flux Kustomization; `more` are lines of its spec."""
    return "\n".join(
        [
            "apiVersion: kustomize.toolkit.fluxcd.io/v1",
            "kind: Kustomization",
            "metadata:",
            f"  name: {name}",
            "  namespace: flux-system",
            "spec:",
            f"  path: {path}",
            "  sourceRef:",
            "    kind: GitRepository",
            f"    name: {source}",
            *(f"  {line}" for line in more),
            "",
        ]
    )


def repository(name: str, url: str) -> str:
    """A Flux GitRepository."""
    return dedent(f"""\
        apiVersion: source.toolkit.fluxcd.io/v1
        kind: GitRepository
        metadata: {{name: {name}, namespace: flux-system}}
        spec: {{url: "{url}"}}
        """)


def sync(path: str) -> str:
    """What `flux bootstrap` writes into gotk-sync.yaml."""
    return repository("flux-system", "https://git.example/platform.git") + "---\n" + flux("flux-system", path)


def deployment(
    name: str,
    image: str,
    *,
    container: str = "",
    init: str = "",
    namespace: str = "",
    kind: str = "Deployment",
) -> str:
    """A workload of one container, and of one init container if `init` is an image."""
    inits = [f"      initContainers: [{{name: setup, image: {init}}}]"] if init else []
    return "\n".join(
        [
            "apiVersion: apps/v1",
            f"kind: {kind}",
            "metadata:",
            f"  name: {name}",
            *([f"  namespace: {namespace}"] if namespace else []),
            "spec:",
            "  template:",
            "    spec:",
            *inits,
            "      containers:",
            f"        - name: {container or name}",
            f"          image: {image}",
            "",
        ]
    )


def kustomization(*lines: str, resources: Sequence[str] = (), kind: str = "Kustomization") -> str:
    """A kustomization.yaml."""
    version = "v1alpha1" if kind == "Component" else "v1beta1"
    listed = ["resources:", *(f"  - {resource}" for resource in resources)] if resources else []
    return "\n".join([f"apiVersion: kustomize.config.k8s.io/{version}", f"kind: {kind}", *listed, *lines, ""])


def image_entry(name: str, **fields: str) -> tuple[str, ...]:
    """The lines of one `images:` list with one entry."""
    return ("images:", f"  - name: {name}", *(f"    {key}: {value}" for key, value in fields.items()))
