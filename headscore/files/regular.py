"""Regular files of a bounded size: to read a pipe or a device may never end."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from headscore.errors import InputError

_MOST_JSON = 2**26  # bytes of a JSON file; a million shards have 8 MB of bounds


def size_of(path: Path) -> int:
    """Return the size of a regular file; raise InputError for anything else."""
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except (OSError, ValueError) as error:  # a path with a NUL byte is a ValueError
        raise InputError(f"{path}: cannot be read ({error})") from error
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path}: must be a file, is a folder")
    if not stat.S_ISREG(found.st_mode):  # to read a pipe or a device may never end
        raise InputError(f"{path}: must be a file, is a pipe, a socket or a device")
    return found.st_size


def read_json(path: Path) -> Any:
    """Read a JSON file of ours.

    Raises
    ------
    InputError
        It is missing, no regular file, or too large.
    ValueError, RecursionError
        It holds something else than JSON.
    """
    if (size := size_of(path)) > _MOST_JSON:
        raise InputError(f"{path}: must have at most {_MOST_JSON} bytes, got {size}")
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
