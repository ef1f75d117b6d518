"""Read and write headscore files: safetensors with a checked JSON manifest as metadata."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from headscore.errors import InputError

Made = TypeVar("Made")

FORMAT_VERSION = 2  # older ones are read where a layout is known
_MANIFEST = "headscore"
_MOST_HEADER = 2**24  # bytes; that of a shard of 10^9 sequences has 3 MB of hashes
_MOST_JSON = 2**26  # bytes of a JSON file; a million shards have 8 MB of bounds
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)  # of file systems that cannot sync a folder
_SAFETENSORS_NAMES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int32": "I32",
    "int64": "I64",
    "uint64": "U64",
    "float32": "F32",
    "float64": "F64",
}


class Field(NamedTuple):
    """The dtype and the axes of one array of a file.

    Attributes
    ----------
    dtype
        Its numpy name.
    axes
        One letter per axis; the same letter has the same size in every array of the file.
    optional
        Whether the file may lack it.
    """

    dtype: str
    axes: str
    optional: bool = False


Layout = Mapping[str, Field]
Layouts = Mapping[tuple[str, int], Layout]  # by kind and format version


@dataclass(frozen=True, eq=False)
class Stored:
    """The content of one file.

    Attributes
    ----------
    kind
        Kind of the file, such as ``"headscores"``.
    roles
        Names of the roles, in order.
    facts
        The entries of the signature, in order.
    counts
        Counts of the run, such as inputs skipped.
    arrays
        The numbers, and texts packed by `pack`.
    version
        Format version.
    path
        The file that it was read from; None: it was not.
    """

    kind: str
    roles: tuple[str, ...]
    facts: Mapping[str, str]
    counts: Mapping[str, int]
    arrays: Mapping[str, npt.NDArray[Any]]
    version: int = FORMAT_VERSION
    path: Path | None = None


def pack(texts: Sequence[str | None]) -> npt.NDArray[np.uint8]:
    """Encode texts as an array of bytes."""
    # ASCII with \u escapes: JSON can hold None and a lone surrogate, which UTF-8 cannot.
    return np.frombuffer(json.dumps(list(texts)).encode("ascii"), dtype=np.uint8)


def unpack(packed: npt.NDArray[np.uint8]) -> tuple[Any, ...]:
    """Decode the texts that `pack` encoded; raise InputError where the bytes are not such."""
    try:
        return tuple(json.loads(packed.tobytes()))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"texts must be a list in JSON, got {error}") from error


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, swept: bool = False) -> Iterator[Path]:
    """Yield a temporary file in the folder of `path`; rename it to `path` once it is written.

    Until then `path` keeps what it held, and after a failure nothing new is left in the folder.
    What killed processes left of earlier tries is deleted, where the folder is not `swept`: that
    lists the folder, and a run of many shards writes each into one.

    Raises
    ------
    InputError
        If the folder is missing or cannot be written to, or the disk is full.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        if not swept:
            sweep(path.parent, path.name)
        # In the same folder, so that the rename stays on one file system and is atomic.
        temporary, lock = _claimed(path)
        with lock:
            yield temporary
            # Content first, then the name: after a power cut the name never points to a
            # half-written file.
            os.fsync(lock.fileno())
            temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def make_folder(folder: Path) -> None:
    """Create a folder where there is none; raises InputError."""
    try:
        new = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for each in reversed(new):  # a file synced in a folder is lost with the folder's own entry
            _sync_folder(each.parent)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror})") from error


def sweep(folder: Path, name: str | None = None) -> None:
    """Delete the temporary files that killed processes have left in a folder.

    A process holds a lock on the file that it writes; the lock ends with the process.

    Parameters
    ----------
    folder
        The folder.
    name
        Name of the file that they were to become; None: any.
    """
    pattern = f".headscore-{'*' if name is None else _tag(name)}-*.part"
    with contextlib.suppress(OSError):  # a file that cannot be deleted is left to a later sweep
        for temporary in folder.glob(pattern):
            if not temporary.is_file():  # to open a FIFO would wait for its writer
                continue
            # LOCK_NB fails at once where a living process holds the lock: its file is left alone.
            # Open to write, as NFS locks no file that is open to read.
            with contextlib.suppress(OSError), temporary.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                temporary.unlink()


def _claimed(target: Path) -> tuple[Path, IO[bytes]]:
    """Create a temporary file beside a target, and lock it against `sweep`."""
    # Between creation and lock another process may sweep the file: then it has no link left.
    while True:
        path = target.parent / f".headscore-{_tag(target.name)}-{secrets.token_hex(8)}.part"
        file = path.open("xb")
        # Where the file system has no locks, `sweep` gets none either, and deletes nothing.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:  # else it was swept before it was locked
            return path, file
        file.close()


def _tag(name: str) -> str:
    """Return a hash of a file name, as the name itself may be too long for a longer one."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]


def write(path: str | os.PathLike[str], stored: Stored, *, swept: bool = False) -> None:
    """Write one file to `path` atomically; `swept` as in `replacing`.

    Raises
    ------
    InputError
        If the folder is missing or cannot be written to, or the disk is full.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in stored.arrays.items()}
    header = _header(arrays, _describe(stored, arrays))
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


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text to `path` atomically, in UTF-8; raises as `write`."""
    with replacing(path) as temporary:
        # A lone surrogate, as names may have, cannot be encoded.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


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
            manifest = _manifest(file.metadata(), layouts)
            kind, version = manifest["kind"], manifest["version"]
            _check_arrays(file, manifest["arrays"], layouts[kind, version])
            arrays = {name: file.get_tensor(name) for name in manifest["arrays"]}
        _check_contents(arrays, manifest["arrays"])
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


def roles_in(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the roles that a file names, without its arrays; none where it cannot tell.

    For a quick answer to a misspelled role: what is wrong with a file, `read` finds.
    """
    if not Path(path).is_file():  # to open a pipe may never end
        return ()
    try:
        with Path(path).open("rb") as file:
            header = json.loads(
                file.read(min(int.from_bytes(file.read(8), "little"), _MOST_HEADER))
            )
        roles = json.loads(header["__metadata__"][_MANIFEST])["roles"]
        return tuple(roles) if all(isinstance(role, str) for role in roles) else ()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()


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


def check_same(path: Path, known: Mapping[str, str], asked: Mapping[str, str]) -> None:
    """Raise InputError where two fingerprints differ, with the fields that do."""
    # Keys of both in order; a missing field counts as a difference.
    names = [name for name in {**known, **asked} if known.get(name) != asked.get(name)]
    if names:
        fields = "; ".join(
            f"{name} is {known.get(name, 'missing')} there and {asked.get(name, 'missing')} here"
            for name in names
        )
        raise InputError(f"{path}: belongs to another run: {fields}")


def _check_header_size(path: Path, size: int) -> None:
    """Raise InputError where the header is larger than the file or than any of ours."""
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > min(size - 8, _MOST_HEADER):
        raise InputError(
            "not a headscore file, or a damaged one (its header would be larger than the file, or "
            f"than {_MOST_HEADER} bytes)"
        )


def _describe(stored: Stored, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Return the manifest: metadata, a digest of each array, and a digest of the manifest."""
    manifest = {
        "kind": stored.kind,
        "version": stored.version,
        "roles": list(stored.roles),
        "facts": dict(stored.facts),
        "counts": dict(stored.counts),
        "arrays": {
            name: {"shape": list(array.shape), "sha256": hashlib.sha256(array.data).hexdigest()}
            for name, array in arrays.items()
        },
    }
    return sealed(manifest)


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with its digest as the last entry, ``sha256``."""
    return {**manifest, "sha256": _digest(manifest)}


def is_sealed(manifest: Mapping[str, Any]) -> bool:
    """Return whether a mapping has the digest that `sealed` gave it."""
    return bool(manifest.get("sha256") == _digest(manifest))


def _digest(manifest: Mapping[str, Any]) -> str:
    # Key order is part of the digest: JSON keeps it, and facts are in the order of the signature.
    own = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(own).encode("ascii")).hexdigest()


def _header(arrays: Mapping[str, npt.NDArray[Any]], manifest: Mapping[str, Any]) -> bytes:
    """Return the header of a safetensors file, padded to a multiple of eight bytes."""
    header: dict[str, Any] = {"__metadata__": {_MANIFEST: json.dumps(manifest)}}
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


def _manifest(metadata: Mapping[str, str] | None, layouts: Layouts) -> dict[str, Any]:
    """Return the manifest of a file; raise unless it is undamaged, of a known version and kind."""
    try:
        manifest = json.loads((metadata or {})[_MANIFEST])
        kind, version = manifest["kind"], manifest["version"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError("not a headscore file: it has no manifest that can be read") from error
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise InputError(
            f"has format version {version!r}, this headscore reads versions 1 to {FORMAT_VERSION}"
        )
    kinds = tuple(dict.fromkeys(each for each, _ in layouts))
    if kind not in kinds:
        raise InputError(f"must hold {' or '.join(kinds)}, got {kind!r}")
    if (kind, version) not in layouts:
        known = " and ".join(str(number) for each, number in layouts if each == kind)
        raise InputError(f"a {kind} of format version {version}, this headscore reads {known}")
    if not is_sealed(manifest) or not _well_formed(manifest):
        raise InputError("damaged: its manifest does not have the digest it was written with")
    return dict(manifest)


def _well_formed(manifest: Mapping[str, Any]) -> bool:
    """Return whether the parts of a manifest have their types."""
    roles, facts, counts = (manifest.get(key) for key in ("roles", "facts", "counts"))
    arrays = manifest.get("arrays")
    return (
        isinstance(roles, list)
        and isinstance(facts, dict)
        and isinstance(counts, dict)
        and isinstance(arrays, dict)
        and all(isinstance(text, str) for text in (*roles, *facts.values()))
        and all(type(count) is int and 0 <= count < 2**63 for count in counts.values())
        and all(isinstance(entry, dict) for entry in arrays.values())
    )


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


def _check_contents(arrays: Mapping[str, npt.NDArray[Any]], described: Mapping[str, Any]) -> None:
    """Raise InputError where an array does not have its digest or shape."""
    for name, array in arrays.items():
        digest = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
        entry = described[name]
        if entry.get("sha256") != digest or entry.get("shape") != list(array.shape):
            raise InputError(f"damaged: array {name!r} is not the one that was written")


def _sync_folder(folder: Path) -> None:
    """Write the entries of a folder to disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)
