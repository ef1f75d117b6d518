"""Files that headscore writes: atomic, and checked when they are read."""

from headscore.files.atomic import make_folder, replacing, sweep, write_text
from headscore.files.hs import read, read_as, roles_in, write
from headscore.files.manifest import check_same, is_sealed, sealed
from headscore.files.regular import read_json, size_of
from headscore.files.stored import FORMAT_VERSION, Field, Layout, Layouts, Stored, pack, unpack

__all__ = [
    "FORMAT_VERSION",
    "Field",
    "Layout",
    "Layouts",
    "Stored",
    "check_same",
    "is_sealed",
    "make_folder",
    "pack",
    "read",
    "read_as",
    "read_json",
    "replacing",
    "roles_in",
    "sealed",
    "size_of",
    "sweep",
    "unpack",
    "write",
    "write_text",
]
