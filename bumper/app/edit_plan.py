"""What an edit of files would change in what Flux builds: `bump edit --plan`.

Law: nothing is written, and nobody is asked but the working tree. The plan and its hash are those that a deploy of the same edits has
on the same files, so that `--expect-plan` takes it; what only a deploy asks (holds, order, the calendar, the registry) is not in it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bumper.app.context import Context
from bumper.errors import UsageError
from bumper.fluxtree.images import Image
from bumper.fluxtree.layers import Reading
from bumper.fluxtree.proof import prove
from bumper.manifest import Edit, Field
from bumper.objects import NO_OBJECT
from bumper.publish.report import diff_lines, proof_lines
from bumper.systems.git.worktree import WorkTree
from bumper.systems.terminal import open_terminal


def work_tree(paths: Mapping[Path, str], context: Context) -> WorkTree:
    """The checkout that the files are in, each with its name; UsageError where they are not all in one."""
    tree = WorkTree(next(iter(paths)).parent, context.environ)
    for path, name in paths.items():
        if not path.is_relative_to(tree.root):
            raise UsageError(
                f"{name}: is not in {tree.root}, expected files of one checkout",
                hint="plan each checkout by itself",
            )
    return tree


def show(
    tree: WorkTree,
    diff: str,
    edited: Mapping[str, bytes],
    edits: Sequence[Edit],
    fields: Sequence[Field],
    context: Context,
) -> None:
    """Prints the difference in the files and in what is built; `edited` are the files afterwards, from the root of the tree."""
    # Which object holds an image the build tells; what is wanted is told by its repository.
    uses = [Image(field, field.image.repository, field.image.repository, NO_OBJECT) for field in fields]
    proof = prove(Reading(tree), edited, edits, uses)
    terminal = open_terminal(context.stdout, context.environ, context.clock.now, name_sites=False)
    terminal.write([*diff_lines(diff), *proof_lines(proof)])
    terminal.close()
