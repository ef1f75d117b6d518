"""HeadScores: the sieve bias scores of every head on every sequence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headscore import files
from headscore.arrays import Bools, Ints
from headscore.errors import UsageError
from headscore.log import log
from headscore.scores import by_sequence, checks
from headscore.scores.choice import Where, chosen_roles, chosen_sequences
from headscore.scores.matched_rows import MATCHED, check_matched, taken_rows
from headscore.scores.notebook import view
from headscore.scores.repeats import repeats
from headscore.scores.signature import facts_of_part, printable, signature
from headscore.scores.taking import scores_frame, taken
from headscore.sieves import odds

if TYPE_CHECKING:
    import pandas as pd

# Axis letters of a file: s sequence, r role, q role pair, l layer, h head, p row of
# `position_sums`, m row of `matched`; i and d are the lengths of packed texts, which fit no other
# array.
KIND = "headscores"
LAYOUT = {
    "values": files.Field("float32", "srlh"),
    "attainable": files.Field("float32", "srl", optional=True),
    "tokens": files.Field("uint64", "s", optional=True),
    "sequence_ids": files.Field("uint8", "i"),
    "documents": files.Field("uint8", "d", optional=True),
    "lengths": files.Field("int64", "s", optional=True),
    "overlap": files.Field("int64", "rr", optional=True),
    "excess": files.Field("float32", "srlh", optional=True),
    "position_sums": files.Field("int64", "prlh", optional=True),
    "heads": files.Field("int64", "l", optional=True),
    "hidden": files.Field("int64", "rl", optional=True),
    "entries": files.Field("int64", "sq", optional=True),
    "invisible": files.Field("bool", "srl", optional=True),
    **{name: files.Field(*each, optional=True) for name, each in MATCHED.items()},
}
_NEW = ("lengths", "excess", "position_sums", "entries", "invisible", *MATCHED)  # since version 2
_LAYOUT_1 = {
    **{name: each for name, each in LAYOUT.items() if name not in _NEW},
    "beyond": files.Field("float32", "srlh", optional=True),  # dropped when it is read
}
LAYOUTS = {(KIND, 1): _LAYOUT_1, (KIND, files.FORMAT_VERSION): LAYOUT}
_OPTIONAL = ("attainable", "tokens", *_NEW, "overlap", "heads", "hidden")
SUMS = ("overlap", "position_sums", "hidden")  # over the sequences of a corpus
_MOST = int(np.iinfo(np.int64).max)  # of counts without another bound


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
        Counts of the run, such as inputs skipped or truncated; of some sequences of a run their
        repeats alone.
    overlap
        int64 (role, role): how many sieve entries (query token, key token) two roles have in
        common in the whole corpus and all layers; on the diagonal all entries of a role. Numbers
        of parts of a corpus add up. None if unknown.
    excess
        float32 (sequence, role, layer, head): a mean over the word pairs of their scores above what
        position with 1.5 times the odds gives, see `headscore.sieves.excess`. NaN where no pair is
        compared, and in roles that list no pairs. None if unknown.
    position_sums
        int64 (row, role, layer, head), in units of 2**-20: sums over the sequences of the means
        over their compared word pairs of the score (row 0), of the visible keys |V| (row 1), and of
        the score that position gives with each of `headscore.sieves.odds.FACTORS` times the odds
        (rows 2 to 10; row 4 is position alone). 0 where nothing is compared. Numbers of parts of a
        corpus add up. None if unknown.
    lengths
        int64 (sequence,): tokens of each sequence, special tokens included. None if unknown.
    heads
        int64 (layer,): how many heads each layer has, 0 where it has no attention; the
        rest of the head axis of `values` is NaN. None: all layers have all heads.
    hidden
        int64 (role, layer): in how many sequences a role points only to tokens that are not
        visible, such as later ones where attention is causal. Numbers of parts of a corpus add up.
        None if unknown.
    entries
        int64 (sequence, role pair): `overlap` of each sequence, a column for each pair as in
        `headscore.scores.by_sequence`. None if unknown.
    invisible
        bool (sequence, role, layer): the sequences that `hidden` counts. None if unknown.
    matched
        float32 (row, layer, head): sums of attention times weight over the entries of a row of the
        matched control, see `headscore.sieves.matching`; NaN where a layer has no such head. A row
        has the word pairs of a role, or the controls, of one sequence in one stratum: entries of
        the same offset and the same labels of both words. Rows are sorted by sequence, role and
        stratum, each once. None without a control by labels, and so are the next four.
    matched_weight
        float32 (row, layer): sums of the weights alone. A word pair has the weight 1, of which
        each of its entries has a share; a control has 1. 0 where no entry is visible to a layer.
    matched_sequence
        int64 (row,): number of the sequence.
    matched_role
        int32 (row,): number of the role, -1 for controls.
    matched_stratum
        uint64 (row,): a hash of the stratum, equal in all runs; 0: a word has no label, so that
        nothing is a control.

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
    excess: npt.NDArray[np.float32] | None = None
    position_sums: Ints | None = None
    lengths: Ints | None = None
    heads: Ints | None = None
    hidden: Ints | None = None
    entries: Ints | None = None
    invisible: Bools | None = None
    matched: npt.NDArray[np.float32] | None = None
    matched_weight: npt.NDArray[np.float32] | None = None
    matched_sequence: Ints | None = None
    matched_role: npt.NDArray[np.int32] | None = None
    matched_stratum: npt.NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        checks.check_values(self.values)
        n_sequences, n_roles, n_layers, n_heads = self.values.shape
        checks.check_names("roles", self.roles, n_roles)
        checks.check_names("sequence_ids", self.sequence_ids, n_sequences)
        if self.documents is not None:
            checks.check_documents(self.documents, n_sequences)
        if self.attainable is not None:
            checks.check_array(
                "attainable", self.attainable, np.float32, (n_sequences, n_roles, n_layers)
            )
            checks.check_attainable(self.attainable, self.values, self.roles)
        if self.tokens is not None:
            checks.check_array("tokens", self.tokens, np.uint64, (n_sequences,))
        if self.overlap is not None:
            by_sequence.check_overlap(self.overlap, n_roles)
        if self.excess is not None:
            checks.check_array("excess", self.excess, np.float32, self.values.shape)
        if self.position_sums is not None:
            rows = (odds.ROWS, n_roles, n_layers, n_heads)
            checks.check_counts("position_sums", self.position_sums, rows, _MOST)
        if self.lengths is not None:
            checks.check_counts("lengths", self.lengths, (n_sequences,), _MOST)
        if self.heads is not None:
            checks.check_counts("heads", self.heads, (n_layers,), n_heads)
        if self.hidden is not None:
            checks.check_counts("hidden", self.hidden, (n_roles, n_layers), n_sequences)
        if self.entries is not None:
            by_sequence.check_entries(self.entries, n_sequences, n_roles)
        if self.invisible is not None:
            shape = (n_sequences, n_roles, n_layers)
            checks.check_array("invisible", self.invisible, np.bool_, shape)
        counted = ("entries", "invisible", "overlap", "hidden")
        by_sequence.check_sums({name: getattr(self, name) for name in counted}, n_roles)
        check_matched({name: getattr(self, name) for name in MATCHED}, self.values.shape)

    def __repr__(self) -> str:
        sizes = zip(self.values.shape, checks.AXES, strict=True)
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
        excess: npt.ArrayLike | None = None,
        position_sums: npt.ArrayLike | None = None,
        lengths: npt.ArrayLike | None = None,
        matched: npt.ArrayLike | None = None,
        matched_weight: npt.ArrayLike | None = None,
        matched_sequence: npt.ArrayLike | None = None,
        matched_role: npt.ArrayLike | None = None,
        matched_stratum: npt.ArrayLike | None = None,
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
        excess
            Scores above what position gives, with the axes of `values`; NaN where nothing is
            compared.
        position_sums
            Sums of scores and of what position gives, integers of at least 0, (row, role, layer,
            head) as in the attribute.
        lengths
            Tokens of each sequence.
        matched, matched_weight, matched_sequence, matched_role, matched_stratum
            Rows of the matched control as in the attributes, all or none of them.

        Raises
        ------
        InputError
            If shapes or lengths do not fit together, or names are not unique.
        """
        roles = checks.as_tuple("roles", roles)
        values = checks.as_float32("values", values)
        checks.check_values(values)
        ids = map(str, range(len(values))) if sequence_ids is None else sequence_ids
        if attainable is not None:
            attainable = checks.as_float32("attainable", attainable)
            if attainable.ndim == 2:
                attainable = np.repeat(attainable[:, :, None], values.shape[2], axis=2)
        return cls(
            values=values,
            roles=roles,
            sequence_ids=checks.as_tuple("sequence_ids", ids),
            documents=None if documents is None else checks.as_tuple("documents", documents),
            attainable=attainable,
            facts={"headscore": _version(), "roles": ",".join(map(str, roles))},
            excess=None if excess is None else checks.as_float32("excess", excess),
            position_sums=checks.as_int64("position_sums", position_sums),
            lengths=checks.as_int64("lengths", lengths),
            **checks.as_matched(
                matched=matched,
                matched_weight=matched_weight,
                matched_sequence=matched_sequence,
                matched_role=matched_role,
                matched_stratum=matched_stratum,
            ),
        )

    def __len__(self) -> int:
        """Return the number of sequences, also of those that take no part."""
        return len(self.sequence_ids)

    @property
    def n_sequences(self) -> int:
        """The number of sequences, also of those that take no part."""
        return len(self.sequence_ids)

    def select(
        self,
        *,
        where: Where | None = None,
        roles: str | Iterable[Any] | Mapping[str, Any] | None = None,
        ids: str | Iterable[str] | None = None,
        documents: str | Iterable[str] | None = None,
    ) -> HeadScores:
        """Return the scores of some sequences and roles, as if nothing else had been scored.

        `position_sums` are sums over the whole corpus: of some sequences they are unknown, and with
        them the columns position_mean and beyond_odds of a test. So are the counts of reading.

        Parameters
        ----------
        where
            True or False for each sequence, or a function that returns it for the id of one.
        roles
            Role specs as in `score`, or a list of them; the roles of the result in this order. Or a
            mapping from new names to them, so that one role can be compared with another.
        ids, documents
            Names of sequences and of documents, or a single one.

        Returns
        -------
        HeadScores
            Of the sequences that meet all conditions, in the order of the corpus; the fact
            ``selected`` has their number and a hash of their ids.

        Raises
        ------
        UsageError
            A condition has a wrong form, or names what the scores do not have.
        InputError
            Documents are unknown, or no sequence is left.

        Examples
        --------
        >>> import headscore as hs
        >>> scores = hs.load("run.hs")
        >>> hs.test(scores.select(where=scores.lengths > 20, roles="nsubj,obj"))
        """
        conditions = {"where": where, "ids": ids, "documents": documents}
        rows = chosen_sequences(self.sequence_ids, self.documents, conditions)
        numbers, names = chosen_roles(self.roles, roles)
        found = self.take(np.flatnonzero(rows), numbers)
        if found.roles == names:
            return found
        return replace(found, roles=names, facts=facts_of_part(found.facts, names, None))

    def take(self, sequences: Ints, roles: Ints) -> HeadScores:
        """Return the scores of some sequences and roles, in a given order, see `select`.

        Parameters
        ----------
        sequences, roles
            Their numbers, each at most once.
        """
        n_sequences, n_roles = self.values.shape[:2]
        every = [np.arange(n_sequences), np.arange(n_roles)]
        if all(map(np.array_equal, (sequences, roles), every)):
            return self
        whole = len(sequences) == n_sequences
        ids = tuple(self.sequence_ids[s] for s in sequences)
        documents = self.documents and tuple(self.documents[s] for s in sequences)
        names = tuple(self.roles[r] for r in roles)
        apart = ("sequence_ids", "documents", *MATCHED, *(() if whole else SUMS))
        arrays: dict[str, Any] = dict.fromkeys(SUMS)
        pairs = by_sequence.columns_of(roles, n_roles)
        for name in LAYOUT.keys() - apart:
            numbers = {"s": sequences, "r": roles, "q": pairs}
            arrays[name] = taken(getattr(self, name), LAYOUT[name].axes, numbers)
        if not whole:
            arrays |= by_sequence.with_sums(arrays["entries"], arrays["invisible"], len(roles))
        if self.matched is not None:
            rows = {name: getattr(self, name) for name in MATCHED}
            arrays |= taken_rows(rows, sequences, roles)
        return replace(
            self,
            **arrays,
            roles=names,
            sequence_ids=ids,
            documents=documents if documents and any(documents) else None,
            facts=facts_of_part(self.facts, names, None if whole else ids),
            counts=self.counts if whole else repeats(arrays["tokens"]),
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each score: id, document, role, layer, head, score.

        In the order of the sequences, then roles, layers and heads; only where a sequence takes
        part. id, document and role are categories, so that a row takes 24 bytes.
        """
        return scores_frame(self.values, self.sequence_ids, self.documents, self.roles)

    def takes_part(self) -> Bools:
        """Return bool (role,): some sequence takes part in the role."""
        return np.array([not np.isnan(self.values[:, r]).all() for r in range(len(self.roles))])

    @property
    def signature(self) -> str:
        """All facts in one line."""
        return signature(self.facts)

    def _repr_html_(self) -> str:
        """Show the number of sequences, roles and heads in a notebook."""
        n_sequences, _, n_layers, _ = self.values.shape
        n_heads = int(heads_of(self).sum())
        sizes = {"sequence": n_sequences, "head": n_heads, "layer": n_layers}
        n_each = [f"{n} {what}{'' if n == 1 else 's'}" for what, n in sizes.items()]
        answer = f"Scores of {n_each[0]}, {n_each[1]} in {n_each[2]}"
        rows = [
            (printable(role), f"{n} sequences take part")
            for role, n in zip(self.roles, taking_part(self).tolist(), strict=True)
        ]
        return view(answer, rows, self.signature)

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
        return files.read_as(path, LAYOUTS, cls.from_stored)

    @classmethod
    def from_stored(cls, stored: files.Stored) -> HeadScores:
        """Return the scores of a file; raise InputError if its parts do not fit together.

        Log a warning where the file is of version 1, whose position control is dropped.
        """
        if stored.version == 1:
            log.warning(
                "%s: a file of format 1 has no position control by odds and no sequence lengths; "
                "score again to have them",
                stored.path,
            )
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


def taking_part(scores: HeadScores) -> Ints:
    """Return how many sequences take part in each role, int64 (role,)."""
    # Missing in one head is missing in all of its layer: the first one is enough, of scores that
    # may be mapped from a disk. Layers differ where the keys of a role are not visible to some.
    layers = np.flatnonzero(heads_of(scores) > 0)
    there = ~np.isnan(scores.values[:, :, layers, 0]).all(axis=2)
    return np.asarray(there.sum(axis=0, dtype=np.int64))


def _version() -> str:
    try:
        return version("headscore")
    except PackageNotFoundError:
        return "unknown"
