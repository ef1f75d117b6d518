"""Convert and validate the arrays and names of `HeadScores`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.errors import InputError
from headscore.scores.matched_rows import MATCHED

AXES = ("sequence", "role", "layer", "head")
# The boolean masks of a block need one byte a score, however large the array.
_BLOCK = 1024  # sequences checked at a time
_WHOLE = ("integers", "iu")


def as_float32(name: str, numbers: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return real numbers as float32; raise InputError for anything else."""
    array = _numbers(name, numbers, "real numbers", "fiu")
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def as_int64(name: str, numbers: npt.ArrayLike | None) -> npt.NDArray[np.int64] | None:
    """Return integers as int64, None as None; raise InputError for other numbers."""
    if numbers is None:
        return None
    return _numbers(name, numbers, *_WHOLE).astype(np.int64, copy=False)


def as_matched(**rows: npt.ArrayLike | None) -> dict[str, Any]:
    """Return arrays of `MATCHED` with their dtypes; raise InputError as `as_int64`."""
    found: dict[str, Any] = dict.fromkeys(rows)
    for name, numbers in rows.items():
        if numbers is not None:
            dtype, _ = MATCHED[name]
            real = dtype == "float32"
            array = _numbers(name, numbers, *(("real numbers", "fiu") if real else _WHOLE))
            found[name] = array.astype(dtype, copy=False)
    return found


def _numbers(name: str, numbers: npt.ArrayLike, what: str, kinds: str) -> npt.NDArray[Any]:
    """Return an array of some kinds of dtype; raise InputError for anything else."""
    try:
        array = np.asarray(numbers)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be an array of {what}, got {error}") from error
    if array.dtype.kind not in kinds:
        raise InputError(f"{name} must be an array of {what}, got {array.dtype}")
    return array


def as_tuple(name: str, names: Any) -> tuple[Any, ...]:
    """Return a list of texts as a tuple; raise InputError for a single text."""
    if isinstance(names, str | bytes) or not hasattr(names, "__iter__"):
        raise InputError(f"{name} must be a list of texts, got {names!r}")
    return tuple(names)


def check_values(values: npt.NDArray[Any]) -> None:
    """Raise InputError unless values are float32 of four axes, each at least 1."""
    if values.ndim != 4 or values.dtype != np.float32:
        raise InputError(
            f"values must be float32 ({', '.join(AXES)}), "
            f"got {values.dtype} of shape {values.shape}"
        )
    if 0 in values.shape:
        raise InputError(
            f"values must have at least one {', '.join(AXES[:3])} and head, got {values.shape}"
        )


def check_array(
    name: str, array: npt.NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    """Raise InputError unless an array has the dtype and shape."""
    if array.shape != shape or array.dtype != dtype:
        raise InputError(
            f"{name} must be {np.dtype(dtype)} {AXES[: len(shape)]} of shape {shape}, "
            f"got {array.dtype} of shape {array.shape}"
        )


def check_counts(name: str, counts: npt.NDArray[Any], shape: tuple[int, ...], most: int) -> None:
    """Raise InputError unless counts are int64 of the shape, in 0..most."""
    if counts.shape != shape or counts.dtype != np.int64:
        raise InputError(
            f"{name} must be int64 of shape {shape}, got {counts.dtype} of shape {counts.shape}"
        )
    if ((counts < 0) | (counts > most)).any():
        raise InputError(f"{name} must lie in 0..{most}, got {counts.min()}..{counts.max()}")


def check_names(what: str, names: tuple[str, ...], n_names: int) -> None:
    """Raise InputError unless names are unique texts, one for each."""
    if len(names) != n_names:
        raise InputError(f"{what} must have one name for each of {n_names}, got {len(names)}")
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise InputError(f"{what} must be texts that are not empty, got {name!r} at {index}")
        if name in seen:
            raise InputError(f"{what} must be unique, got {name!r} twice")
        seen.add(name)


def check_documents(documents: tuple[str | None, ...], n_sequences: int) -> None:
    """Raise InputError unless documents are texts or None, one for each sequence."""
    if len(documents) != n_sequences:
        raise InputError(
            f"documents must have one entry for each of {n_sequences} sequences, "
            f"got {len(documents)}"
        )
    for index, document in enumerate(documents):
        if not isinstance(document, str | None):
            raise InputError(f"documents must be texts or None, got {document!r} at {index}")


def check_attainable(
    attainable: npt.NDArray[np.float32], values: npt.NDArray[np.float32], roles: tuple[str, ...]
) -> None:
    """Raise InputError where the largest possible score is NaN although a value is not."""
    for start in range(0, len(values), _BLOCK):  # bounds the memory of the masks
        most = attainable[start : start + _BLOCK]
        if np.isinf(most).any() or (most < 0).any():
            raise InputError(
                "attainable must be NaN or a finite number of at least 0, got "
                f"{most[np.isinf(most) | (most < 0)][0]}"
            )
        takes_part = (~np.isnan(values[start : start + _BLOCK])).any(axis=3)
        wrong = np.argwhere(takes_part & np.isnan(most))
        if len(wrong):
            sequence, role, layer = wrong[0]
            raise InputError(
                "attainable must be a number wherever values is, got NaN for sequence "
                f"{start + sequence}, role {roles[role]!r}, layer {layer}"
            )
