"""`bump check` on our own k8s/, and with a hundred and a thousand copies of a site: whole processes, their processor time.

Beside no peer: kubeconform and kubernetes-validate hold each object to its schema, none of them reads a Flux tree.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.ours import bump
from benchmarks.sidebyside import Way, measure, processor_s, rounds_of

K8S = Path(__file__).parents[1] / "k8s"
SITE = "kevinryan-io"
ROUNDS = rounds_of(7)
OURS = "bump check"
# Seconds, by the number of copies.
GOALS_S = {1_000: 3}


def main() -> None:
    for copies in (0, 100, 1_000):
        with tempfile.TemporaryDirectory() as folder:
            root = grown(Path(folder), copies)
            goals = {OURS: GOALS_S[copies]} if copies in GOALS_S else {}
            title = f"check {len(list(root.rglob('*.yaml'))):,} files"
            measure(title, {OURS: _way(root)}, rounds=ROUNDS, stopwatch=processor_s, goals=goals)


def _way(root: Path) -> Way:
    def run(_: int) -> None:
        subprocess.run([bump(), "check", str(root)], check=True, stdout=subprocess.DEVNULL)

    return run


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
