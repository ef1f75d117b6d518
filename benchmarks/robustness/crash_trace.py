"""Record the operations of a program on the files below a folder, with strace."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Reads change nothing. A writable mapping changes a file without any call, so it is refused.
_CALLS = (
    "openat,open,creat,close,dup,dup2,dup3,fcntl,lseek,write,writev,pwrite64,pwritev,ftruncate,"
    "truncate,fallocate,fsync,fdatasync,sync_file_range,sync,rename,renameat,renameat2,link,linkat,"
    "unlink,unlinkat,mkdir,mkdirat,rmdir,symlink,symlinkat,mmap,copy_file_range,sendfile"
)
_NAMED = (
    "rename renameat renameat2 link linkat unlink unlinkat mkdir mkdirat rmdir truncate".split()
)
_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>)?(.*)", re.S)
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+)(<[^>]*>)?", re.S)
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:\\x[0-9a-f]{2})*)"')  # with its folder


@dataclass(frozen=True)
class Operation:
    """One change: kind, the file or folder, and what else the kind needs.

    Attributes
    ----------
    kind
        open (which changes nothing), create, write, truncate, sync, rename, link, unlink, mkdir or
        rmdir.
    path
        Below the folder; of a write, truncate and sync the name with which the file was opened.
    handle
        Number of the opened file.
    offset, data
        Of a write; of a truncate, `offset` is the new length.
    to
        New name of a rename or a link.
    pid
        The process.
    """

    kind: str
    path: str
    handle: int = -1
    offset: int = 0
    data: bytes = b""
    to: str = ""
    pid: int = 0


def why_not():
    """Return why nothing can be recorded here; None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-f", "-e", "trace=close", "true"], capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()}"


def record(command, root, log):
    """Run a command, and return its operations on files below `root`, in their order."""
    asked = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", str(2**26)]
    subprocess.run([*asked, "-o", str(log), "-e", f"trace={_CALLS}", *command], check=True)
    reader = _Reader(Path(root).resolve())
    with Path(log).open(encoding="ascii") as lines:
        for line in lines:
            reader.read(line)
    return reader.operations


class _Reader:
    """Turn lines of strace into operations; relative paths are below the root."""

    def __init__(self, root):
        self.root = root
        self.operations = []
        self._begun = {}  # process -> the first part of a call that another one interrupted
        self._opened = {}  # (process, descriptor) -> handle
        self._handles = []  # handle -> [path, offset, appends]

    def read(self, line):
        pid, resumed, text = _LINE.fullmatch(line.rstrip("\n")).groups()
        if text.endswith("<unfinished ...>"):
            self._begun[pid] = text.removesuffix("<unfinished ...>").rstrip()
            return
        if resumed is not None:
            text = self._begun.pop(pid) + text
        found = _CALL.match(text)
        if found is None or found[3].startswith("-"):
            return  # a signal, an exit, or a call that failed
        name, arguments, value, _ = found.groups()
        call = name.removesuffix("64")
        action = getattr(self, f"_{call}", None)
        if action is not None:
            action(int(pid), arguments, int(value, 0))
        elif call in _NAMED:
            self._named(int(pid), call, arguments)
        elif _escaped(self.root) in arguments:
            raise ValueError(f"{call} of a file of the run cannot be replayed: {arguments[:200]}")

    def _paths(self, arguments):
        """Return the paths of a call, below the root; None for one that is elsewhere."""
        return [
            self._below(_plain(base or ""), _plain(text)) for base, text in _PATH.findall(arguments)
        ]

    def _below(self, base, path):
        path = os.path.normpath(os.path.join(self.root, base, path))  # noqa: PTH118 - no look at it
        return os.path.relpath(path, self.root) if Path(path).is_relative_to(self.root) else None

    def _add(self, kind, path, pid, **more):
        self.operations.append(Operation(kind, path, pid=pid, **more))

    def _named(self, pid, call, arguments):
        kind = re.sub("at2?$", "", call)
        paths = self._paths(arguments)
        if any(path is not None for path in paths):
            if kind == "unlink" and "AT_REMOVEDIR" in arguments:
                kind = "rmdir"
            length = int(arguments.rsplit(",", 1)[1]) if kind == "truncate" else 0
            self._add(kind, paths[0], pid, to=paths[-1] if len(paths) > 1 else "", offset=length)

    def _openat(self, pid, arguments, descriptor):
        (path,) = self._paths(arguments)
        self._opened.pop((pid, descriptor), None)
        if path is None:
            return
        flags = arguments[arguments.rindex('"') :]
        self._opened[pid, descriptor] = len(self._handles)
        self._handles.append([path, 0, "O_APPEND" in flags])
        handle = self._opened[pid, descriptor]
        if "O_CREAT" in flags:
            self._add("create", path, pid, handle=handle)
        else:
            self._add("open", path, pid, handle=handle)
        if "O_TRUNC" in flags:
            self._add("truncate", path, pid, handle=handle)

    _open = _creat = _openat

    def _close(self, pid, arguments, _):
        self._opened.pop((pid, int(arguments.split("<")[0])), None)

    def _handle(self, pid, arguments):
        return self._opened.get((pid, int(arguments.split("<")[0].split(",")[0])))

    def _refuse_known(self, pid, arguments, _):
        if self._handle(pid, arguments) is not None:
            raise ValueError(f"cannot be replayed: {arguments[:200]}")

    _dup = _dup2 = _dup3 = _writev = _pwritev = _sendfile = _fallocate = _refuse_known
    _copy_file_range = _sync_file_range = _refuse_known

    def _fcntl(self, pid, arguments, value):
        if "F_DUPFD" in arguments:
            self._refuse_known(pid, arguments, value)

    def _mmap(self, pid, arguments, _):
        if "MAP_SHARED" in arguments and "PROT_WRITE" in arguments:
            descriptor = arguments.split(", ")[4].split("<")[0]
            if (pid, int(descriptor)) in self._opened:
                raise ValueError(f"a writable mapping cannot be replayed: {arguments}")

    def _lseek(self, pid, arguments, offset):
        if (handle := self._handle(pid, arguments)) is not None:
            self._handles[handle][1] = offset

    def _write(self, pid, arguments, count):
        if (handle := self._handle(pid, arguments)) is None:
            return
        path, offset, appends = self._handles[handle]
        data = _bytes(arguments)[:count]
        self._add("write", path, pid, handle=handle, offset=-1 if appends else offset, data=data)
        self._handles[handle][1] += count

    def _pwrite(self, pid, arguments, count):
        if (handle := self._handle(pid, arguments)) is not None:
            offset = int(arguments.rsplit(", ", 1)[1])
            data = _bytes(arguments)[:count]
            self._add(
                "write", self._handles[handle][0], pid, handle=handle, offset=offset, data=data
            )

    def _ftruncate(self, pid, arguments, _):
        if (handle := self._handle(pid, arguments)) is not None:
            length = int(arguments.rsplit(", ", 1)[1])
            self._add("truncate", self._handles[handle][0], pid, handle=handle, offset=length)

    def _fsync(self, pid, arguments, _):
        if (handle := self._handle(pid, arguments)) is not None:
            self._add("sync", self._handles[handle][0], pid, handle=handle)

    _fdatasync = _fsync


def _bytes(arguments):
    text, cut = _TEXT.search(arguments).groups()
    if cut:
        raise ValueError("a write longer than the recording takes")
    return bytes.fromhex(text.replace("\\x", ""))


def _plain(escaped):
    return os.fsdecode(bytes.fromhex(escaped.replace("\\x", "")))


def _escaped(path):
    return "".join(f"\\x{byte:02x}" for byte in bytes(path))
