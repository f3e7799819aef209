"""`bump check` on our own k8s/, and on a hundred copies of a site: whole processes.

Beside no peer: kubeconform and kubernetes-validate hold each object to its schema, none of them reads a Flux tree.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.ours import bump
from benchmarks.sidebyside import rounds_of

K8S = Path(__file__).parents[1] / "k8s"
SITE = "kevinryan-io"
ROUNDS = rounds_of(7)


def main() -> None:
    for copies in (0, 100):
        with tempfile.TemporaryDirectory() as folder:
            _measure(
                grown(Path(folder), copies),
                f"check k8s/ with {copies} sites more" if copies else "check k8s/",
            )


def _measure(root: Path, title: str) -> None:
    files = len(list(root.rglob("*.yaml")))
    taken = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        subprocess.run([bump(), "check", str(root)], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - begun)
    seconds = median(taken[1:])
    print(f"{title}   ({ROUNDS} rounds, no peer does the same)")
    print(f"  {files} files{'':<34}{seconds:>8.3f}s   {seconds / files * 1000:.1f} ms a file")


def grown(root: Path, copies: int) -> Path:
    """The platform with so many more sites like one of it."""
    shutil.copytree(K8S, root / "k8s", ignore=shutil.ignore_patterns("gotk-components.yaml"))
    flux = root / "k8s" / "flux-system"
    names = [f"site-{number}" for number in range(copies)]
    for name in names:
        shutil.copytree(root / "k8s" / SITE, root / "k8s" / name)
        shutil.copy(flux / f"{SITE}-sync.yaml", flux / f"{name}-sync.yaml")
        for path in [*(root / "k8s" / name).iterdir(), flux / f"{name}-sync.yaml"]:
            text = path.read_text(encoding="utf-8").replace(SITE, name)
            path.write_text(text.replace("kevinryan.io", f"{name}.example"), encoding="utf-8")
    listed = flux / "kustomization.yaml"
    entries = "".join(f"  - {name}-sync.yaml\n" for name in names)
    listed.write_text(listed.read_text(encoding="utf-8") + entries, encoding="utf-8")
    return root
