"""HeadScores: the sieve bias scores of every head on every sequence."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Bools, Ints
from headscore.errors import InputError, UsageError
from headscore.scores import files

# Axis letters of a file: s sequence, r role, l layer, h head; i and d are the lengths of packed
# texts, which fit no other array.
KIND = "headscores"
LAYOUT = {
    "values": files.Field("float32", "srlh"),
    "attainable": files.Field("float32", "srl", optional=True),
    "tokens": files.Field("uint64", "s", optional=True),
    "sequence_ids": files.Field("uint8", "i"),
    "documents": files.Field("uint8", "d", optional=True),
    "overlap": files.Field("int64", "rr", optional=True),
    "beyond": files.Field("float32", "srlh", optional=True),
    "heads": files.Field("int64", "l", optional=True),
    "hidden": files.Field("int64", "rl", optional=True),
}
_OPTIONAL = ("attainable", "tokens", "overlap", "beyond", "heads", "hidden")
# The boolean masks of a block need one byte a score, however large the array.
_BLOCK = 1024  # sequences checked at a time
_AXES = ("sequence", "role", "layer", "head")


@dataclass(frozen=True, eq=False, repr=False)
class HeadScores:
    """Sieve bias scores, one per sequence, role, layer and head.

    Attributes
    ----------
    values
        float32 (sequence, role, layer, head). NaN where a sequence takes no part in a role.
    roles
        Name of each role.
    sequence_ids
        A unique name of each sequence.
    documents
        The document of each sequence, None for a sequence of none; None if no documents are known.
    attainable
        float32 (sequence, role, layer): the largest score that attention could reach, NaN where a
        sequence takes no part. None if unknown.
    tokens
        uint64 (sequence,): a hash of each sequence's token ids. None if unknown.
    facts
        The entries of the signature, in order: versions, model, corpus, parser, dtype, backend.
    counts
        Counts of the run, such as inputs skipped or truncated.
    overlap
        int64 (role, role): how many sieve entries (query token, key token) two roles have in
        common in the whole corpus and all layers; on the diagonal all entries of a role. Numbers
        of parts of a corpus add up. None if unknown.
    beyond
        float32 (sequence, role, layer, head): log of how many times more attention is on the pairs
        of a role than at their offsets elsewhere in the sequence, a mean over the pairs; see
        `headscore.sieves.ratios`. NaN where no pair is compared, and in roles that list no pairs.
        None if unknown.
    heads
        int64 (layer,): how many heads each layer has, 0 where it has no attention; the
        rest of the head axis of `values` is NaN. None: all layers have all heads.
    hidden
        int64 (role, layer): in how many sequences a role points only to tokens that are not
        visible, such as later ones where attention is causal. Numbers of parts of a corpus add up.
        None if unknown.

    Raises
    ------
    InputError
        If shapes, dtypes or lengths do not fit together, or names are not unique.
    """

    values: npt.NDArray[np.float32]
    roles: tuple[str, ...]
    sequence_ids: tuple[str, ...]
    documents: tuple[str | None, ...] | None = None
    attainable: npt.NDArray[np.float32] | None = None
    tokens: npt.NDArray[np.uint64] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    overlap: Ints | None = None
    beyond: npt.NDArray[np.float32] | None = None
    heads: Ints | None = None
    hidden: Ints | None = None

    def __post_init__(self) -> None:
        _check_values(self.values)
        n_sequences, n_roles, n_layers, n_heads = self.values.shape
        _check_names("roles", self.roles, n_roles)
        _check_names("sequence_ids", self.sequence_ids, n_sequences)
        if self.documents is not None:
            _check_documents(self.documents, n_sequences)
        if self.attainable is not None:
            _check_array(
                "attainable", self.attainable, np.float32, (n_sequences, n_roles, n_layers)
            )
            _check_attainable(self.attainable, self.values, self.roles)
        if self.tokens is not None:
            _check_array("tokens", self.tokens, np.uint64, (n_sequences,))
        if self.overlap is not None:
            check_overlap(self.overlap, n_roles)
        if self.beyond is not None:
            _check_array("beyond", self.beyond, np.float32, self.values.shape)
        if self.heads is not None:
            _check_counts("heads", self.heads, (n_layers,), n_heads)
        if self.hidden is not None:
            _check_counts("hidden", self.hidden, (n_roles, n_layers), n_sequences)

    def __repr__(self) -> str:
        sizes = zip(self.values.shape, _AXES, strict=True)
        return f"HeadScores({' x '.join(f'{size} {axis}' for size, axis in sizes)})"

    @classmethod
    def from_arrays(
        cls,
        values: npt.ArrayLike,
        roles: Sequence[str],
        *,
        sequence_ids: Sequence[str] | None = None,
        documents: Sequence[str | None] | None = None,
        attainable: npt.ArrayLike | None = None,
        beyond: npt.ArrayLike | None = None,
    ) -> HeadScores:
        """Return scores for numbers that were computed elsewhere.

        Parameters
        ----------
        values
            (sequence, role, layer, head), each axis at least 1. NaN where a sequence takes no
            part; infinite values are stored and later reported as ``nonfinite``. A float32 array
            is kept as it is, not copied.
        roles
            Unique name of each role.
        sequence_ids
            Unique name of each sequence; ``"0"``, ``"1"``, ... by default.
        documents
            The document of each sequence, or None.
        attainable
            The largest possible score, (sequence, role, layer), or (sequence, role) where all
            layers agree. A number of at least 0 wherever `values` is one, NaN where a sequence
            takes no part.
        beyond
            How far each head goes beyond position, with the axes of `values`; NaN where nothing
            is compared.

        Raises
        ------
        InputError
            If shapes or lengths do not fit together, or names are not unique.
        """
        roles = _as_tuple("roles", roles)
        values = _as_float32("values", values)
        _check_values(values)
        ids = map(str, range(len(values))) if sequence_ids is None else sequence_ids
        if attainable is not None:
            attainable = _as_float32("attainable", attainable)
            if attainable.ndim == 2:
                attainable = np.repeat(attainable[:, :, None], values.shape[2], axis=2)
        return cls(
            values=values,
            roles=roles,
            sequence_ids=_as_tuple("sequence_ids", ids),
            documents=None if documents is None else _as_tuple("documents", documents),
            attainable=attainable,
            facts={"headscore": _version(), "roles": ",".join(map(str, roles))},
            beyond=None if beyond is None else _as_float32("beyond", beyond),
        )

    @property
    def n_sequences(self) -> int:
        """The number of sequences, also of those that take no part."""
        return len(self.sequence_ids)

    def takes_part(self) -> Bools:
        """Return bool (role,): some sequence takes part in the role."""
        return np.array([not np.isnan(self.values[:, r]).all() for r in range(len(self.roles))])

    @property
    def signature(self) -> str:
        """All facts in one line."""
        return signature(self.facts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the scores to one file atomically; raise InputError if that fails."""
        files.write(path, self.stored())

    def stored(self) -> files.Stored:
        """Return the content of a file of these scores."""
        arrays: dict[str, npt.NDArray[Any]] = {"values": self.values}
        arrays["sequence_ids"] = files.pack(self.sequence_ids)
        if self.documents is not None:
            arrays["documents"] = files.pack(self.documents)
        known = {name: getattr(self, name) for name in _OPTIONAL}
        arrays |= {name: array for name, array in known.items() if array is not None}
        return files.Stored(
            kind=KIND, roles=self.roles, facts=self.facts, counts=self.counts, arrays=arrays
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> HeadScores:
        """Read a file of `save`; raise InputError if it is damaged or of another kind."""
        return files.read_as(path, {KIND: LAYOUT}, cls.from_stored)

    @classmethod
    def from_stored(cls, stored: files.Stored) -> HeadScores:
        """Return the scores of a file; raise InputError if its parts do not fit together."""
        arrays = stored.arrays
        return cls(
            values=arrays["values"],
            roles=stored.roles,
            sequence_ids=files.unpack(arrays["sequence_ids"]),
            documents=files.unpack(arrays["documents"]) if "documents" in arrays else None,
            facts=stored.facts,
            counts=stored.counts,
            **{name: arrays.get(name) for name in _OPTIONAL},
        )


def check_scores(value: object) -> None:
    """Raise UsageError unless scores are `HeadScores`."""
    if not isinstance(value, HeadScores):
        raise UsageError(
            "scores must be HeadScores, as headscore.score or HeadScores.from_arrays makes them, "
            f"got {type(value).__name__}"
        )


def heads_of(scores: HeadScores) -> Ints:
    """Return the number of heads of each layer, int64 (layer,)."""
    _, _, n_layers, n_heads = scores.values.shape
    return np.full(n_layers, n_heads, np.int64) if scores.heads is None else scores.heads


def signature(facts: Mapping[str, str]) -> str:
    """Join facts to one line, ``key:value|key:value``."""
    return "|".join(f"{printable(key)}:{printable(value)}" for key, value in facts.items())


def printable(text: str) -> str:
    r"""Escape characters that break a line or a terminal: control and bidi, ``|``, ``\``."""
    return "".join(
        letter if letter.isprintable() and letter not in "|\\" else f"\\u{{{ord(letter):x}}}"
        for letter in text
    )


def check_overlap(overlap: npt.NDArray[Any], n_roles: int) -> None:
    """Raise InputError where an array is no valid count of common sieve entries."""
    if overlap.shape != (n_roles, n_roles) or overlap.dtype != np.int64:
        raise InputError(
            f"overlap must be int64 (role, role) of shape {(n_roles, n_roles)}, "
            f"got {overlap.dtype} of shape {overlap.shape}"
        )
    # Two roles cannot share more entries than either has; overlap > own compares each row with the
    # diagonal of its column, and symmetry covers the other side.
    own = np.diagonal(overlap)
    if (overlap < 0).any() or (overlap != overlap.T).any() or (overlap > own).any():
        raise InputError(
            "overlap must be symmetric, with no number below 0 or above those of its two roles "
            "on the diagonal"
        )


def _version() -> str:
    try:
        return version("headscore")
    except PackageNotFoundError:
        return "unknown"


def _as_float32(name: str, numbers: npt.ArrayLike) -> npt.NDArray[np.float32]:
    try:
        array = np.asarray(numbers)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be an array of real numbers, got {error}") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} must be an array of real numbers, got {array.dtype}")
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def _as_tuple(name: str, names: Any) -> tuple[Any, ...]:
    if isinstance(names, str | bytes) or not hasattr(names, "__iter__"):
        raise InputError(f"{name} must be a list of texts, got {names!r}")
    return tuple(names)


def _check_values(values: npt.NDArray[Any]) -> None:
    if values.ndim != 4 or values.dtype != np.float32:
        raise InputError(
            f"values must be float32 ({', '.join(_AXES)}), "
            f"got {values.dtype} of shape {values.shape}"
        )
    if 0 in values.shape:
        raise InputError(
            f"values must have at least one {', '.join(_AXES[:3])} and head, got {values.shape}"
        )


def _check_array(
    name: str, array: npt.NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise InputError(
            f"{name} must be {np.dtype(dtype)} {_AXES[: len(shape)]} of shape {shape}, "
            f"got {array.dtype} of shape {array.shape}"
        )


def _check_counts(name: str, counts: npt.NDArray[Any], shape: tuple[int, ...], most: int) -> None:
    if counts.shape != shape or counts.dtype != np.int64:
        raise InputError(
            f"{name} must be int64 of shape {shape}, got {counts.dtype} of shape {counts.shape}"
        )
    if ((counts < 0) | (counts > most)).any():
        raise InputError(f"{name} must lie in 0..{most}, got {counts.min()}..{counts.max()}")


def _check_names(what: str, names: tuple[str, ...], n_names: int) -> None:
    if len(names) != n_names:
        raise InputError(f"{what} must have one name for each of {n_names}, got {len(names)}")
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise InputError(f"{what} must be texts that are not empty, got {name!r} at {index}")
        if name in seen:
            raise InputError(f"{what} must be unique, got {name!r} twice")
        seen.add(name)


def _check_documents(documents: tuple[str | None, ...], n_sequences: int) -> None:
    if len(documents) != n_sequences:
        raise InputError(
            f"documents must have one entry for each of {n_sequences} sequences, "
            f"got {len(documents)}"
        )
    for index, document in enumerate(documents):
        if not isinstance(document, str | None):
            raise InputError(f"documents must be texts or None, got {document!r} at {index}")


def _check_attainable(
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
