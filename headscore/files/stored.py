"""Stored: the content of one file, and the layouts of its arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from headscore.errors import InputError

FORMAT_VERSION = 2  # older ones are read where a layout is known


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
