"""Freeze windows: times in which sites are left alone, kept in one file of the platform repository.

`file` reads it, `windows` says what it closes, `times` when, `schema` what may stand there.
"""

from bumper.freeze.file import of_tree, read
from bumper.freeze.schema import PATH
from bumper.freeze.windows import (
    Allowance,
    Calendar,
    Closure,
    Fault,
    Selection,
    Subject,
    Window,
    closure_as_data,
)

__all__ = [
    "PATH",
    "Allowance",
    "Calendar",
    "Closure",
    "Fault",
    "Selection",
    "Subject",
    "Window",
    "closure_as_data",
    "of_tree",
    "read",
]
