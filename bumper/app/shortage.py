"""What this machine has run out of, by whichever call met it first: descriptors, room on a disk, memory, processes.

Law: nearly every call of the system can fail for want of something, and none of that is a bug or anybody's answer. So it is known
where a run ends, for all of them; whoever can go on without (`LastingStream`, a recording) has done so before.
"""

import errno
import re

from bumper.errors import UsageError

_SHORTAGES = frozenset(
    [
        *(errno.EMFILE, errno.ENFILE),
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
        *(errno.ENOMEM, errno.EAGAIN),
    ]
)
# All that Python says where the system starts no thread (Modules/_threadmodule.c).
_NO_THREAD = "can't start new thread"
# What the loader says of a library of C (glibc's dl-load.c), where Python imports it.
_NOT_LOADED = re.compile(r"failed to map segment|[Cc]annot allocate|Too many open files")


def shortage(error: Exception) -> UsageError | None:
    """The error in words where the machine is short of something; None for any other."""
    if isinstance(error, MemoryError):
        reason = "no memory is left"
    elif isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        reason = "no thread can be started"
    elif isinstance(error, ImportError) and _NOT_LOADED.search(str(error)):
        reason = str(error)
    elif isinstance(error, OSError) and error.errno in _SHORTAGES:
        reason = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    else:
        return None
    return UsageError(
        f"this machine has run out of something: {reason}",
        hint="see `ulimit -a`, `df -h` and `free -h`; bump status and bump history show how far a deploy has come",
    )
