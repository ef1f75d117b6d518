"""What is on a disk after the first operations of a recording, and after a power cut there.

A power cut may lose whatever was not synced: of a file the bytes written since its last fsync, of a
folder the changes of its entries since the last fsync of the folder. What a disk does with them
differs, so each cut is tried in several ways (`CUTS`). Changes of entries are lost or kept from the
first on, as file systems with a journal do; whether bytes are kept does not depend on that.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

_SECTOR = 512

# Name of a way -> (entries kept: share of those not synced, what becomes of bytes not synced).
CUTS = {
    "all lost": (0.0, "lost"),
    "entries lost": (0.0, "kept"),
    "bytes lost": (1.0, "lost"),
    "bytes zero": (1.0, "zero"),
    "bytes torn": (1.0, "torn"),
    "half of the entries": (0.5, "some"),
    "some bytes": (1.0, "some"),
}


@dataclass
class _File:
    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    since: list = field(default_factory=list)  # (offset, data) or (length, None), not synced


class Disk:
    """A folder to which operations are applied one by one.

    Parameters
    ----------
    content
        What is there, and synced: bytes of each file by its name; None for a folder.
    """

    def __init__(self, content):
        self._files = [
            _File(bytearray(each), each) for each in content.values() if each is not None
        ]
        numbers = iter(range(len(self._files)))
        # Name -> number of its file, or None for a folder; now, and as synced.
        self._names = {n: None if each is None else next(numbers) for n, each in content.items()}
        self._synced = dict(self._names)
        self._since = []  # changes of entries that are not synced
        self._handles = {}

    def apply(self, operation):
        """Apply an operation."""
        getattr(self, f"_{operation.kind}")(operation)

    def killed(self):
        """Return the content after the process was killed: every operation is there."""
        return self._content(self._names, lambda file: bytes(file.content))

    def cut(self, way, seed=0):
        """Return the content after a power cut, in one of the ways of `CUTS`."""
        share, what = CUTS[way]
        rng = random.Random(f"{seed} {way}")
        names = dict(self._synced)
        for change in self._since[: round(share * len(self._since))]:
            _change(names, *change)
        return self._content(names, lambda file: _after_cut(file, what, rng))

    def _content(self, names, read):
        """Return the content of names whose folders are there."""
        there = {".": None, **names}
        return {
            name: None if number is None else read(self._files[number])
            for name, number in sorted(names.items())
            if all(str(folder) in there for folder in Path(name).parents)
        }

    def _open(self, op):
        self._handles[op.handle] = self._names.get(op.path)

    def _create(self, op):
        if op.path not in self._names:
            self._files.append(_File())
            self._enter(("link", op.path, len(self._files) - 1))
        self._open(op)

    def _write(self, op):
        file = self._files[self._handles[op.handle]]
        offset = len(file.content) if op.offset < 0 else op.offset
        _put(file.content, offset, op.data)
        file.since.append((offset, op.data))

    def _truncate(self, op):
        number = self._names[op.path] if op.handle < 0 else self._handles[op.handle]
        file = self._files[number]
        if len(file.content) != op.offset:
            _cut_or_fill(file.content, op.offset)
            file.since.append((op.offset, None))

    def _sync(self, op):
        number = self._handles[op.handle]
        if number is not None:
            file = self._files[number]
            file.synced, file.since = bytes(file.content), []
            return
        waiting = []
        for change in self._since:
            if op.path in (str(Path(name).parent) for name in change[1:] if isinstance(name, str)):
                _change(self._synced, *change)
            else:
                waiting.append(change)
        self._since = waiting

    def _rename(self, op):
        self._enter(("rename", op.path, op.to))

    def _link(self, op):
        self._enter(("link", op.to, self._names[op.path]))

    def _unlink(self, op):
        self._enter(("unlink", op.path))

    def _mkdir(self, op):
        self._enter(("link", op.path, None))

    _rmdir = _unlink

    def _enter(self, change):
        _change(self._names, *change)
        self._since.append(change)


def _change(names, kind, name, more=None):
    """Apply a change of entries to names; one whose own entry was lost changes nothing."""
    if kind == "link":
        names[name] = more
    elif name in names:
        number = names.pop(name)
        if kind == "rename":
            names[more] = number


def _after_cut(file, what, rng):
    """Return the bytes of a file after a cut that loses, zeroes, tears or keeps what it held."""
    if what == "kept":
        return bytes(file.content)
    content = bytearray(file.synced)
    for offset, data in file.since:
        if what == "lost":
            break
        if data is None:
            _cut_or_fill(content, offset)
        elif what == "zero":
            _put(content, offset, bytes(len(data)))
        elif what == "torn":
            _put(content, offset, data[: len(data) // 2])
        else:  # some sectors
            for start in range(0, len(data), _SECTOR):
                if rng.random() < 0.5:
                    _put(content, offset + start, data[start : start + _SECTOR])
    return bytes(content)


def _put(content, offset, data):
    if len(content) < offset:
        _cut_or_fill(content, offset)
    content[offset : offset + len(data)] = data


def _cut_or_fill(content, length):
    del content[length:]
    content.extend(bytes(length - len(content)))


def write_out(content, root):
    """Create a folder with some content."""
    root.mkdir()
    for name, data in sorted(content.items()):  # a folder before what is in it
        if data is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(data)


def read_in(root):
    """Return the content of a folder, as `Disk` takes it."""
    return {
        str(each.relative_to(root)): each.read_bytes() if each.is_file() else None
        for each in sorted(root.rglob("*"))
    }
