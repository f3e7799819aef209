"""Started by action.yml as `python -I -S action/start.py install|run`.

Law: no file of the workspace and no package of the machine is imported. `-I` leaves out the working directory, PYTHON* and the user's
packages, `-S` the machine's packages and their .pth files. The action's own folder is added here, and the libraries, both behind
the standard library.
"""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))


def install() -> int:
    """Installs the libraries; their folder is the step's output."""
    from action import libraries

    environ = dict(os.environ)
    # What is loaded later in this process reads nothing from there either.
    os.environ.clear()
    return libraries.main(environ)


def run() -> int:
    """Runs `bump action` with the libraries, which are removed afterwards."""
    from action import environment

    folder = Path(os.environ["BUMP_LIBRARIES"])
    empty = folder / "empty"
    if left_out := environment.dropped(os.environ):
        print("bump: not used from the environment:", ", ".join(left_out), flush=True)
    # In place, since libraries read os.environ and children inherit it.
    kept = environment.for_bump(os.environ, empty=empty)
    os.environ.clear()
    os.environ.update(kept)
    os.chdir(empty)
    sys.path.append(str(folder / "libraries"))
    import shutil

    from bumper.__main__ import main

    try:
        return main(["action"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit({"install": install, "run": run}[sys.argv[1]]())
