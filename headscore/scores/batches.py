"""Batches: run a model over encoded sequences and score the attention of every layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from headscore import backends
from headscore.arrays import Array, Bools, Ints
from headscore.encoding.encoded import Encoded
from headscore.errors import IncompleteError, InputError
from headscore.model.load import Model, pad_id
from headscore.options import BackendOptions, RunOptions
from headscore.roles.role import Role
from headscore.scores.by_sequence import role_pairs
from headscore.scores.matched_results import MatchedSums, joined
from headscore.scores.pass_results import PassResults, check_faults
from headscore.scores.prepare import Prepared, input_arrays, prepare
from headscore.scores.runner import Runner, model_facts, reads_token_types, running
from headscore.sieves.odds import ROWS
from headscore.sieves.sampling import with_controls
from headscore.stopwatch import Stopwatch

_MOST_SKIPPED = 0.01  # share of the sequences that may be skipped as non-finite
# A batch keeps one layer's attention at a time: heads x tokens x longest sequence. Small batches
# stay in a CPU's cache; a GPU needs large ones to be busy.
_BATCH_TOKENS = {"cpu": 2048}
_BATCH_TOKENS_ELSEWHERE = 32768


@dataclass(frozen=True)
class Scored:
    """The scores of some sequences, in their order.

    Attributes
    ----------
    values
        float32 (sequence, role, layer, head), NaN = takes no part.
    attainable
        float32 (sequence, role, layer), the largest possible score.
    entries
        int64 (sequence, role pair), sieve entries that two roles have in common, over all layers;
        pairs as in `headscore.scores.by_sequence`.
    excess
        float32 (sequence, role, layer, head), scores of word pairs above what position with 1.5
        times the odds gives, see `headscore.sieves.excess`; None where no word pair is compared, or
        without the option `position`.
    position_sums
        int64 (row, role, layer, head), sums over the sequences of the scores of word pairs and of
        what position gives, see `headscore.scores.head_scores.HeadScores`; None as `excess`.
    invisible
        bool (sequence, role, layer), there is a sieve of which no entry is visible.
    counts
        Batches halved for lack of memory, sequences skipped as non-finite.
    matched
        The rows of the matched control; None without it.
    """

    values: Array
    attainable: Array
    entries: Ints
    excess: Array | None
    position_sums: Ints | None
    invisible: Bools
    counts: dict[str, int]
    matched: MatchedSums | None = None


def run_batches(
    model: Model,
    encoded: Encoded,
    roles: tuple[Role, ...],
    options: RunOptions = RunOptions(),
    batches: Iterable[tuple[Array, Prepared | None]] | None = None,
    *,
    stopwatch: Stopwatch | None = None,
    advance: Callable[[int], Any] = lambda _: None,
    part: bool = False,
) -> Scored:
    """Score every head of a model on every sequence, in batches of similar length.

    Parameters
    ----------
    model, encoded, roles
        The model, the sequences, and the roles that are scored.
    options
        How.
    batches
        The rows of each batch, and what `prepare` has made of them; None: it is made here. None:
        batches of similar length.
    stopwatch
        Counts the time of sieves, forward pass and kernel.
    advance
        Called with the number of sequences of each batch that is done.
    part
        The sequences are a part of the corpus: `check_whole` is left to the caller.

    Raises
    ------
    InputError
        Token ids that the model does not have, layers out of reach, non-finite attention.
    IncompleteError
        More than 1 % of the sequences were non-finite.
    """
    backends.choose(options.backend, model.device)
    check_vocabulary(model, encoded)
    watch = stopwatch or Stopwatch()
    encoded = with_controls(encoded, roles, options.control_columns)
    results = Results.empty(len(encoded), len(roles), model)
    with running(model, options, watch) as runner:
        # The batches run longest first, so a batch that does not fit into memory fails at once.
        if batches is None:
            made = batches_of(lengths_of(encoded), budget_of(model, options))
            batches = ((rows, None) for rows in made)
        for rows, found in run_all(runner, encoded, roles, batches, results.counts):
            results.add(rows, found, _faulty(found.faults, encoded.ids, rows, options.on_nonfinite))
            advance(len(rows))
    if not part:
        scored = bool(results.invisible.any()) or not np.isnan(results.values).all()
        skipped = results.counts["nonfinite_skipped"]
        check_whole(roles, len(encoded), skipped, scored=scored)
    return results.finish()


@dataclass(frozen=True)
class Results:
    """The arrays of `Scored`, filled batch by batch."""

    values: Array
    attainable: Array
    excess: Array
    position_sums: Ints
    entries: Ints
    invisible: Bools
    counts: Counter[str]
    matched: list[MatchedSums]

    @classmethod
    def empty(cls, n_sequences: int, n_roles: int, model: Model) -> Results:
        """Return results without any batch."""
        # NaN everywhere: layers without attention, missing heads and skipped sequences stay NaN.
        shape = (n_sequences, n_roles, model.layers)
        return cls(
            values=np.full((*shape, model.heads), np.nan, np.float32),
            attainable=np.full(shape, np.nan, np.float32),
            excess=np.full((*shape, model.heads), np.nan, np.float32),
            position_sums=np.zeros((ROWS, *shape[1:], model.heads), np.int64),
            entries=np.zeros((n_sequences, role_pairs(n_roles)), np.int64),
            invisible=np.zeros(shape, np.bool_),
            counts=Counter(),
            matched=[],
        )

    def add(self, rows: Array, found: PassResults, faulty: Bools) -> None:
        """Store the results of a batch at the rows of its sequences, without the faulty ones."""
        self.values[rows], self.attainable[rows] = found.values, found.attainable
        self.excess[rows] = found.excess
        if found.matched is not None:
            self.matched.append(found.matched.of(rows, faulty))
        self.entries[rows], self.invisible[rows] = found.entries, found.invisible
        for array in (self.values, self.attainable):
            array[rows[faulty]] = np.nan
        for array in (self.entries, self.invisible):
            array[rows[faulty]] = 0
        np.add(self.position_sums, found.position_sums, out=self.position_sums)
        noted = {"pairs_not_compared": found.left_out, "nonfinite_skipped": int(faulty.sum())}
        self.counts.update({name: count for name, count in noted.items() if count})

    def finish(self) -> Scored:
        """Return the results of all batches."""
        compared = not np.isnan(self.excess).all()
        return Scored(
            values=self.values,
            attainable=self.attainable,
            entries=self.entries,
            excess=self.excess if compared else None,
            position_sums=self.position_sums if compared else None,
            invisible=self.invisible,
            counts=dict(self.counts),
            matched=joined(self.matched) if self.matched else None,
        )


def budget_of(model: Model, options: RunOptions) -> int:
    """Return the most tokens of a batch."""
    default = _BATCH_TOKENS.get(model.device.type, _BATCH_TOKENS_ELSEWHERE)
    return options.batch_tokens or default


def check_whole(roles: Iterable[Role], n_sequences: int, skipped: int, *, scored: bool) -> None:
    """Check the scores of a whole corpus; raises as `run_batches`."""
    if skipped > _MOST_SKIPPED * n_sequences:
        raise IncompleteError(
            f"at most 1 % of the sequences may be skipped as non-finite, "
            f"got {skipped} of {n_sequences}"
        )
    if not scored:
        names = ", ".join(role.name for role in roles)
        raise InputError(f"some token of the corpus must have a sieve, got none for {names}")


def check_backend(options: BackendOptions) -> None:
    """Raise BackendError if a backend selected by name cannot run here."""
    if options.backend != "auto":
        backends.choose(options.backend, torch.device("cpu"))


def lengths_of(encoded: Encoded) -> Array:
    """Return the length of each sequence, or of its source where that is longer."""
    return np.maximum(encoded.lengths, encoded.keyed.lengths)


def batches_of(lengths: Array, budget: int) -> list[Array]:
    """Group sequences of similar length, longest first, each group within the token budget.

    Returns
    -------
    list of int64 arrays
        Indices of the sequences of each batch; a batch holds at least one.
    """
    # lengths 5 9 3 8 2 2, budget 10: the first of a batch is its longest, so size * longest <=
    # budget with padding included.
    #
    #     order     1 | 3 | 0 2 | 4 5
    #     lengths   9 | 8 | 5 3 | 2 2
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, budget // int(lengths[order[start]]))
        batches.append(order[start : start + size])
        start += size
    return batches


def run_all(
    runner: Runner,
    encoded: Encoded,
    roles: tuple[Role, ...],
    batches: Iterable[tuple[Array, Prepared | None]],
    counts: Counter[str],
) -> Iterator[tuple[Array, PassResults]]:
    """Run batches, given as rows of the corpus; halve and retry one that does not fit into memory.

    Parameters
    ----------
    runner, encoded, roles
        The model that is attached, the sequences, and the roles.
    batches
        Rows of each batch, and what `prepare` has made of them; None: it is made here.
    counts
        Counts the batches that were halved.
    """
    for first in batches:
        # A stack: the halves of a failed batch go on top and run next, first half first.
        left = [first]
        while left:
            rows, prepared = left.pop()
            try:
                if prepared is None:
                    with runner.stopwatch.stage("sieves"):
                        facts = model_facts(runner.model, runner.options)
                        batch = encoded.take(rows)
                        prepared = prepare(facts, roles, runner.options, batch)
                found = runner.run(prepared)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(rows) == 1:
                    raise IncompleteError(
                        f"memory must hold at least one sequence, got out of it on "
                        f"{encoded.ids[rows[0]]!r} of {encoded.lengths[rows[0]]} tokens"
                    ) from error
                counts["batches_halved"] += 1
                middle = len(rows) // 2
                left += [(rows[middle:], None), (rows[:middle], None)]
                continue
            yield rows, found


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory did not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # torch.OutOfMemoryError is CUDA's; the CPU allocator raises a plain RuntimeError.
    return "can't allocate memory" in str(error)


def inputs(model: Model, batch: Encoded) -> dict[str, torch.Tensor]:
    """Return the input tensors of the model for a batch, padded on the right."""
    pad = pad_id(model.tokenizer)
    assert pad is not None  # load() has checked it
    arrays = input_arrays(pad, batch, token_types=reads_token_types(model))
    return {name: torch.from_numpy(array).to(model.device) for name, array in arrays.items()}


def _faulty(faults__blh: Array, ids: Any, rows: Array, on_nonfinite: str) -> Bools:
    """Return bool (batch,): some layer or head has a fault; raise unless such are skipped."""
    if on_nonfinite != "skip":
        check_faults(faults__blh, tuple(ids[row] for row in rows))
    # One faulty layer or head removes the sequence everywhere, so all cells keep the same
    # sequences.
    return np.asarray(faults__blh.any(axis=(1, 2)))


def check_vocabulary(model: Model, encoded: Encoded) -> None:
    """Check that the model has an embedding for every id it will be given."""
    words = getattr(model.network.get_input_embeddings(), "num_embeddings", None)
    if words is None:
        raise InputError(
            f"{type(model.network).__name__} must read token ids, got a model of "
            f"{model.network.main_input_name}"
        )
    given = [
        ("token ids", max(encoded.input_ids.max(), encoded.keyed.input_ids.max()), words),
        ("the pad token id", pad_id(model.tokenizer), words),
    ]
    types = encoded.token_types if reads_token_types(model) else None
    if types is not None:
        size = getattr(model.network.config, "type_vocab_size", None)
        given.append(("token type ids", types.max(), size))
    for what, largest, size in given:
        if size and largest >= size:
            raise InputError(
                f"{what} must be below the model's {size} embeddings, got {largest}: "
                "the tokenizer does not fit the model"
            )
