"""`bump edit` against what workflows use, mikefarah's `yq -i` and `sed -i`: whole processes, a small file and a large one."""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers import yq
from benchmarks.sidebyside import Way, measure

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web # the shop
spec:
  replicas: 1

  template:
    spec:
      containers:
        - name: web
          image: reg.example/web:0000000 # set by the pipeline
          ports:
            - {containerPort: 8080}
"""
BUMP = str(Path(sys.executable).with_name("bump"))


def main() -> None:
    large = MANIFEST + "".join(
        f"---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{number}\ndata:\n  key: |\n    {'x' * 80}\n"
        for number in range(2000)
    )
    for title, text in (
        ("edit one manifest of 0.3 kB", MANIFEST),
        (f"edit one file of {len(large) // 1024} kB", large),
    ):
        with tempfile.TemporaryDirectory() as folder:
            measure(title, ways(Path(folder) / "deployment.yaml", text), rounds=7)


def ways(path: Path, text: str) -> dict[str, Way]:
    def run(*command: str) -> None:
        path.write_text(text, encoding="utf-8")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def tag(number: int) -> str:
        return f"abc000{number}"

    by_name: dict[str, Way] = {
        "bump edit": lambda number: run(
            BUMP, "edit", str(path), "--image", "reg.example/web", "--tag", tag(number)
        ),
    }
    program = yq()
    if program:
        field = '(select(.kind == "Deployment") | .spec.template.spec.containers[0].image)'
        by_name["yq -i (mikefarah)"] = lambda number: run(
            str(program), "-i", f'{field} = "reg.example/web:{tag(number)}"', str(path)
        )
    by_name["sed -i"] = lambda number: run(
        "sed", "-i", f"s|reg.example/web:.*|reg.example/web:{tag(number)}|", str(path)
    )
    return by_name
