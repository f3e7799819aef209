"""Records what kustomize says of generated trees: `PYTHONPATH=tests python -m fluxtree.record KUSTOMIZE FIRST LAST >> answers.jsonl`.

`oracle.line` gives the same for a tree of `written.jsonl`, whose files stand in the data.

A tree of which our model says something else is told on stderr, and not recorded.
"""

import argparse
import sys
from pathlib import Path

from . import generated_trees, oracle


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--small", action="store_true", help="only what the sandbox understands")
    arguments = parser.parse_args()
    forms = generated_trees.SMALL if arguments.small else generated_trees.FORMS
    wrong = 0
    for number in range(arguments.first, arguments.last):
        try:
            line = oracle.line(number, arguments.program, generated_trees.tree(number, forms).files)
        except AssertionError as error:
            wrong += 1
            sys.stderr.write(f"tree {number}: {error}\n")
        else:
            sys.stdout.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
