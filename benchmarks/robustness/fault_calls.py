"""Calls of the system that fail when told to: `faults.c`, loaded before the C library."""

import ctypes
import errno
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SHORT = 0  # in place of an error number
# Kind of call -> error numbers.
FAULTS = {
    "open": (errno.EMFILE, errno.EACCES, errno.EROFS, errno.EIO, errno.EINTR),
    "read": (errno.EIO, errno.EINTR, SHORT),
    "write": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EINTR, SHORT),
    "sync": (errno.EIO, errno.ENOSPC, errno.EDQUOT),
    "close": (errno.EIO, errno.EDQUOT),
    "rename": (errno.EACCES, errno.EIO, errno.ENOSPC, errno.EXDEV),
    "unlink": (errno.EACCES, errno.EIO),
    "mkdir": (errno.EACCES, errno.EROFS, errno.ENOSPC),
    "lock": (errno.ENOLCK, errno.ENOSYS),
}
PASSING = (errno.EINTR, SHORT)  # the call is tried again
FOREVER = 10**9


@dataclass(frozen=True)
class Fault:
    """The calls of a kind that fail: `times` in a row, after the first `call` ones."""

    kind: str
    number: int
    call: int = FOREVER
    times: int = 1

    @property
    def name(self):
        """How the table names it."""
        what = errno.errorcode.get(self.number, "short")
        return f"{self.kind} {what}" + (" from then on" if self.times > 1 else "")


def build(folder):
    """Compile the calls that fail; return the library, and why that cannot be done here."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        return None, "calls are replaced by LD_PRELOAD on Linux, with a C compiler"
    library = folder / "faults.so"
    source = Path(__file__).with_name("faults.c")
    how = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    built = subprocess.run(how, capture_output=True, text=True, check=False)
    return (library, None) if built.returncode == 0 else (None, built.stderr.strip())


class Calls:
    """The calls of this process, which was started with the library of `build` in LD_PRELOAD."""

    def __init__(self):
        self._library = ctypes.CDLL(None)

    def fail(self, fault, folder):
        """Let calls on files below a folder fail from now on."""
        numbers = fault.number, fault.call, fault.times
        self._library.fault_set(fault.kind.encode(), os.fsencode(folder), *numbers)

    def succeed(self):
        """Let no call fail; return the number of calls of the kind that failed or could have."""
        seen = self._library.fault_seen()
        self._library.fault_set(b"", b"", 0, 0, 0)
        return seen

    def jump(self, seconds):
        """Let the clock jump, after it was read some more times."""
        self._library.fault_clock(ctypes.c_long(seconds), 20)
