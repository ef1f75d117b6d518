"""Read and write headscore files: safetensors with a checked JSON manifest as metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from headscore.errors import InputError
from headscore.files.atomic import replacing
from headscore.files.manifest import KEY, check_contents, checked, describe
from headscore.files.regular import size_of
from headscore.files.stored import Layout, Layouts, Stored

Made = TypeVar("Made")

_MOST_HEADER = 2**24  # bytes; that of a shard of 10^9 sequences has 3 MB of hashes
_SAFETENSORS_NAMES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int32": "I32",
    "int64": "I64",
    "uint64": "U64",
    "float32": "F32",
    "float64": "F64",
}


def write(path: str | os.PathLike[str], stored: Stored, *, swept: bool = False) -> None:
    """Write one file to `path` atomically; `swept` as in `replacing`.

    Raises
    ------
    InputError
        If the folder is missing or cannot be written to, or the disk is full.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in stored.arrays.items()}
    header = _header(arrays, describe(stored, arrays))
    # safetensors.numpy.save_file would copy every array, and make the file private to its owner.
    with replacing(path, swept=swept) as temporary, temporary.open("wb") as handle:
        # The safetensors format, https://huggingface.co/docs/safetensors:
        #
        #     8 bytes    length of the header, little-endian
        #     header     JSON: dtype, shape and byte range of each array; our manifest as metadata
        #     arrays     one after another, C order
        handle.write(len(header).to_bytes(8, "little"))
        handle.write(header)
        for array in arrays.values():
            handle.write(array.data)


def read(path: str | os.PathLike[str], layouts: Layouts) -> Stored:
    """Read one file that `write` wrote.

    Parameters
    ----------
    path
        The file.
    layouts
        The layout of the arrays for each kind and format version that is accepted.

    Raises
    ------
    InputError
        If the file is missing, damaged, cut short, of a newer version or of another kind. Kind,
        version, dtypes and shapes are checked before an array is read.
    """
    path = Path(path)
    size = size_of(path)
    try:
        _check_header_size(path, size)
        with safe_open(path, framework="numpy") as file:
            # Cheap checks of the header first, then the arrays and their digests.
            manifest = checked(file.metadata(), layouts)
            kind, version = manifest["kind"], manifest["version"]
            _check_arrays(file, manifest["arrays"], layouts[kind, version])
            arrays = {name: file.get_tensor(name) for name in manifest["arrays"]}
        check_contents(arrays, manifest["arrays"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a headscore file, or a damaged one ({error})") from error
    except MemoryError as error:
        raise InputError(f"{path}: its {size} bytes do not fit into memory") from error
    roles, facts, counts = manifest["roles"], manifest["facts"], manifest["counts"]
    return Stored(
        kind=kind,
        roles=tuple(roles),
        facts=facts,
        counts=counts,
        arrays=arrays,
        version=version,
        path=path,
    )


def roles_in(path: str | os.PathLike[str], kind: str | None = None) -> tuple[str, ...]:
    """Return the roles that a file names, without its arrays; none where it cannot tell.

    For a quick answer to a misspelled role: what is wrong with a file, `read` finds. With `kind`
    none where the file is of another one.
    """
    if not Path(path).is_file():  # to open a pipe may never end
        return ()
    try:
        with Path(path).open("rb") as file:
            header = json.loads(
                file.read(min(int.from_bytes(file.read(8), "little"), _MOST_HEADER))
            )
        manifest = json.loads(header["__metadata__"][KEY])
        roles = manifest["roles"] if kind in (None, manifest["kind"]) else ()
        return tuple(roles) if all(isinstance(role, str) for role in roles) else ()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()


def read_as(path: str | os.PathLike[str], layouts: Layouts, make: Callable[[Stored], Made]) -> Made:
    """Read a file and convert it with `make`; an InputError of `make` names the file."""
    stored = read(path, layouts)
    try:
        return make(stored)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Digests show that a file is as it was written, not that headscore wrote it.
        raise InputError(f"{path}: its parts do not fit together ({error})") from error


def _check_header_size(path: Path, size: int) -> None:
    """Raise InputError where the header is larger than the file or than any of ours."""
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > min(size - 8, _MOST_HEADER):
        raise InputError(
            "not a headscore file, or a damaged one (its header would be larger than the file, or "
            f"than {_MOST_HEADER} bytes)"
        )


def _header(arrays: Mapping[str, npt.NDArray[Any]], manifest: Mapping[str, Any]) -> bytes:
    """Return the header of a safetensors file, padded to a multiple of eight bytes."""
    header: dict[str, Any] = {"__metadata__": {KEY: json.dumps(manifest)}}
    start = 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": _SAFETENSORS_NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [start, start + array.nbytes],
        }
        start += array.nbytes
    text = json.dumps(header).encode("ascii")
    # Aligned arrays can be mapped; the format allows spaces after the JSON.
    return text + b" " * (-len(text) % 8)


def _check_arrays(file: Any, described: Mapping[str, Any], layout: Layout) -> None:
    """Raise where the arrays' names, dtypes and shapes are not those of the layout."""
    names = set(file.keys())
    required = {name for name, field in layout.items() if not field.optional}
    if not required <= names <= set(layout) or names != set(described):
        raise InputError(f"must hold the arrays {sorted(layout)}, got {sorted(names)}")
    sizes: dict[str, int] = {}
    for name in sorted(names):
        field, part = layout[name], file.get_slice(name)
        dtype, shape = part.get_dtype(), tuple(part.get_shape())
        if dtype != _SAFETENSORS_NAMES[field.dtype]:
            raise InputError(f"array {name!r} must be {field.dtype}, got {dtype}")
        # The first array that has an axis letter sets its size, every later one must agree. zip is
        # not strict: a wrong number of axes is caught by the comparison of lengths below.
        expected = tuple(sizes.setdefault(*item) for item in zip(field.axes, shape, strict=False))
        if len(shape) != len(field.axes) or shape != expected:
            raise InputError(f"array {name!r} has the shape {shape}, which fits no other array")
