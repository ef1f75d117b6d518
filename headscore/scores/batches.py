"""Runs: a model over an encoded corpus, batch by batch, every layer scored as it passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import torch

from headscore import backends
from headscore.arrays import Array
from headscore.backends.results import describe_faults, mark_absent
from headscore.encoding.encoded import Encoded
from headscore.errors import IncompleteError, InputError, UsageError
from headscore.model import forward as hook
from headscore.model.load import Model, pad_id
from headscore.model.norms import OutputNorms
from headscore.roles.specs import Role
from headscore.sieves import ratios as beyond
from headscore.sieves.counts import count_overlap
from headscore.sieves.hidden import count_hidden
from headscore.sieves.plan import compiled
from headscore.sieves.position import Controlled
from headscore.stages import Stages

ON_NONFINITE = ("error", "skip")
WEIGHTS = ("attention", "norm")
SPECIAL = ("keep", "drop")
_MOST_SKIPPED = 0.01  # share of the sequences that may be skipped as non-finite
_BATCH_TOKENS = {"cpu": 2048}
_BATCH_TOKENS_ELSEWHERE = 32768


@dataclass(frozen=True)
class Scored:
    """What a run over a corpus brings out, in corpus order.

    Attributes
    ----------
    values
        float32 (sequence, role, layer, head), NaN = takes no part.
    attainable
        float32 (sequence, role, layer), the largest possible score.
    overlap
        int64 (role, role), sieve entries that two roles have in common, over all layers.
    beyond
        float32 (sequence, role, layer, head), how far a head goes beyond position, see
        `headscore.sieves.ratios`; None where no role lists pairs, or it was not asked for.
    hidden
        int64 (role, layer), sequences with a sieve of which nothing is visible.
    counts
        Batches halved for lack of memory, sequences skipped as non-finite.
    """

    values: Array
    attainable: Array
    overlap: Array
    beyond: Array | None
    hidden: Array
    counts: dict[str, int]


def run(
    model: Model,
    encoded: Encoded,
    roles: tuple[Role, ...],
    *,
    batch_tokens: int | None = None,
    backend: str = "auto",
    on_nonfinite: str = "error",
    stages: Stages | None = None,
    position: bool = True,
    advance: Callable[[int], Any] = lambda _: None,
    part: bool = False,
    weights: str = "attention",
    special: str = "keep",
) -> Scored:
    """Score every head of a model on every sequence.

    Parameters
    ----------
    model, encoded, roles
        What runs, on what, for which roles.
    batch_tokens
        Most tokens of a batch, padding included; None: 2048 on a CPU, 32768 elsewhere.
    backend
        Name of the backend, or "auto".
    on_nonfinite
        What sequences get whose attention holds NaN or Inf: "error", or "skip" for up to 1 % of
        them.
    stages
        Counts the time of sieves, forward pass and kernel.
    position
        Compare pairs with what is at their offsets elsewhere, see `headscore.sieves.ratios`.
    advance
        Called with the number of sequences of each batch that is done.
    part
        The sequences are a part of the corpus: `check_whole` is left to the caller.
    weights
        "attention"; or "norm": attention times the norm of what each key adds to the output.
    special
        "keep"; or "drop": score the attention among the other tokens alone.

    Raises
    ------
    InputError
        Token ids that the model does not have, layers out of reach, non-finite attention.
    IncompleteError
        More than 1 % of the sequences were non-finite.
    """
    check_options(
        batch_tokens=batch_tokens,
        on_nonfinite=on_nonfinite,
        backend=backend,
        weights=weights,
        special=special,
    )
    backends.choose(backend, model.device)
    _check_vocabulary(model, encoded)
    budget = batch_tokens or _BATCH_TOKENS.get(model.device.type, _BATCH_TOKENS_ELSEWHERE)
    shape = (len(encoded), len(roles), model.layers)
    values = np.full((*shape, model.heads), np.nan, np.float32)
    attainable = np.full(shape, np.nan, np.float32)
    ratios = np.full(values.shape, np.nan, np.float32)
    overlap = np.zeros((len(roles), len(roles)), np.int64)
    hidden = np.zeros(shape[1:], np.int64)
    counts: Counter[str] = Counter()
    norms = OutputNorms(model.network) if weights == "norm" else None
    further = position, norms, special
    run_batch = partial(_run_batch, model, roles, backend, stages or Stages(), *further)
    batches = _halving(encoded, run_batch, batches_of(encoded.lengths, budget), counts)
    with hook.hooked(model.network, model.route):
        if norms is not None:
            norms.check_reached()
        for rows, done in batches:
            values[rows], attainable[rows] = collect(done)
            ratios[rows], left_out = _log_ratios(done)
            if left_out:
                counts["pairs_not_compared"] += left_out
            overlap += overlap_of(done)
            hidden += hidden_of(done)
            results = values, attainable, ratios
            _check_faults(results, rows, done, encoded, on_nonfinite, counts)
            advance(len(rows))
    if not part:
        scored = bool(hidden.any()) or not np.isnan(values).all()
        check_whole(roles, len(encoded), counts["nonfinite_skipped"], scored=scored)
    compared = not np.isnan(ratios).all()
    return Scored(values, attainable, overlap, ratios if compared else None, hidden, dict(counts))


def check_whole(roles: Iterable[Role], n_sequences: int, skipped: int, *, scored: bool) -> None:
    """Check what a run over a whole corpus brought out; raises as `run`."""
    if skipped > _MOST_SKIPPED * n_sequences:
        raise IncompleteError(
            f"at most 1 % of the sequences may be skipped as non-finite, "
            f"got {skipped} of {n_sequences}"
        )
    if not scored:
        names = ", ".join(role.name for role in roles)
        raise InputError(f"some token of the corpus must have a sieve, got none for {names}")


def check_options(
    *,
    batch_tokens: int | None,
    on_nonfinite: str,
    backend: str,
    weights: str = "attention",
    special: str = "keep",
) -> None:
    """Check the options of a run before its model is there; raises UsageError."""
    if weights not in WEIGHTS:
        raise UsageError(f"weights must be one of {', '.join(WEIGHTS)}, got {weights!r}")
    if special not in SPECIAL:
        raise UsageError(f"special must be one of {', '.join(SPECIAL)}, got {special!r}")
    if on_nonfinite not in ON_NONFINITE:
        raise UsageError(
            f"on_nonfinite must be one of {', '.join(ON_NONFINITE)}, got {on_nonfinite!r}"
        )
    if batch_tokens is not None and not (isinstance(batch_tokens, Integral) and batch_tokens >= 1):
        raise UsageError(f"batch_tokens must be an integer of at least 1, got {batch_tokens!r}")
    if backend != "auto":
        backends.choose(backend, torch.device("cpu"))


def batches_of(lengths: Array, budget: int) -> list[Array]:
    """Group sequences of similar length, longest first, each group within the token budget.

    Returns
    -------
    list of int64 arrays
        Indices of the sequences of each batch; a batch holds at least one.
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        size = max(1, budget // int(lengths[order[start]]))
        batches.append(order[start : start + size])
        start += size
    return batches


def _halving(
    encoded: Encoded,
    run_batch: Callable[[Encoded], hook.Pass],
    batches: list[Array],
    counts: Counter[str],
) -> Iterator[tuple[Array, hook.Pass]]:
    """Run the batches; one that does not fit into memory is cut in two and tried again."""
    left = list(reversed(batches))
    while left:
        rows = left.pop()
        try:
            done = run_batch(encoded.take(rows))
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            if len(rows) == 1:
                raise IncompleteError(
                    f"memory must hold at least one sequence, got out of it on "
                    f"{encoded.ids[rows[0]]!r} of {encoded.lengths[rows[0]]} tokens"
                ) from error
            counts["batches_halved"] += 1
            middle = len(rows) // 2
            left += [rows[middle:], rows[:middle]]
            continue
        yield rows, done


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "can't allocate memory" in str(error)  # torch's allocator on the CPU


def _run_batch(
    model: Model,
    roles: tuple[Role, ...],
    backend: str,
    stages: Stages,
    position: bool,
    norms: OutputNorms | None,
    special: str,
    batch: Encoded,
) -> hook.Pass:
    with stages.stage("sieves"):
        drops = special == "drop"
        scored = batch.without_special() if drops else batch
        plan = Controlled.of(compiled(roles, scored), scored, compared=position)
    current = hook.Pass(plan, model.route, backend, stages=stages, norms=norms)
    if drops:
        current.real = torch.from_numpy(batch.real)
        current.chosen = torch.from_numpy(batch.real & ~batch.grid(batch.special, fill=True))
    with stages.stage("forward"):
        hook.run(model.network, inputs(model, batch), current)
    return current


def inputs(model: Model, batch: Encoded) -> dict[str, torch.Tensor]:
    """Return what the model's forward takes for a batch, padded on the right."""
    pad = pad_id(model.tokenizer)
    assert pad is not None  # load() has checked it
    arrays = {
        "input_ids": batch.grid(batch.input_ids, pad),
        "attention_mask": batch.real.astype(np.int64),
    }
    if (types := _token_types(model, batch)) is not None:
        arrays["token_type_ids"] = batch.grid(types, 0)
    return {name: torch.from_numpy(array).to(model.device) for name, array in arrays.items()}


def collect(done: hook.Pass) -> tuple[Array, Array]:
    """Return the batch's scores (batch, role, layer, head) and attainable (batch, role, layer)."""
    route = done.route
    roles = len(done.plan.plan.names)
    shape = (done.plan.batch, roles, route.depth)
    values = np.full((*shape, max(route.heads)), np.nan, np.float32)
    attainable = np.full(shape, np.nan, np.float32)
    for layer, raw, arrays in done.results():
        scores = mark_absent(raw.scores.cpu(), arrays)[:, :roles].numpy()
        values[:, :, layer, : scores.shape[2]] = scores
        attainable[:, :, layer] = arrays.attainable[:, :roles]
    return values, attainable


def _log_ratios(done: hook.Pass) -> tuple[Array, int]:
    """Return how far heads go beyond position, (batch, role, layer, head), and the pairs left out.

    Of layers that see different keys, the number of the one that leaves out most.
    """
    most = max(done.route.heads)
    shape = (done.plan.batch, len(done.plan.plan.names), done.route.depth, most)
    ratios = np.full(shape, np.nan, np.float32)
    layers, left_out = np.array(done.route.layers), 0
    for visibility in set(done.visibilities):
        chosen = np.flatnonzero([each == visibility for each in done.visibilities])
        scores = [_to_width(done.scored[n].scores, most) for n in chosen]
        columns = torch.stack(scores, dim=2).cpu().numpy()
        compared = beyond.compare(done.plan, visibility)
        ratios[:, :, layers[chosen]] = beyond.log_ratios(done.plan, columns, compared)
        left_out = max(left_out, compared.left_out)
    return ratios, left_out


def _to_width(scores__brh: torch.Tensor, heads: int) -> torch.Tensor:
    missing = heads - scores__brh.shape[2]
    return torch.nn.functional.pad(scores__brh, (0, missing), value=float("nan"))


def hidden_of(done: hook.Pass) -> Array:
    """Return int64 (role, layer), the batch's sequences with a sieve that no token sees."""
    hidden = np.zeros((len(done.plan.plan.names), done.route.depth), np.int64)
    counts = {each: count_hidden(done.plan.plan, each) for each in set(done.visibilities)}
    for layer, visibility in zip(done.route.layers, done.visibilities, strict=True):
        hidden[:, layer] = counts[visibility]
    return hidden


def overlap_of(done: hook.Pass) -> Array:
    """Return int64 (role, role), what the batch's sieves have in common, summed over layers."""
    layers = Counter(done.visibilities)
    counts = [count_overlap(done.plan.plan, each) * number for each, number in layers.items()]
    return np.asarray(sum(counts))


def _check_faults(
    results: tuple[Array, ...],
    rows: Array,
    done: hook.Pass,
    encoded: Encoded,
    on_nonfinite: str,
    counts: Counter[str],
) -> None:
    faulty__lb = torch.stack([raw.faults.amax(1) for raw in done.scored]).cpu().numpy()
    if not faulty__lb.any():
        return
    if on_nonfinite == "skip":
        bad = rows[faulty__lb.any(0)]
        for array in results:
            array[bad] = np.nan
        counts["nonfinite_skipped"] += len(bad)
        return
    attention, row = np.argwhere(faulty__lb)[0]
    faults__h = done.scored[attention].faults[row].cpu().numpy()
    head = int(np.flatnonzero(faults__h)[0])
    layer = done.route.layers[attention]
    fault = describe_faults(int(faults__h[head]))
    raise InputError(
        f"the attention of sequence {encoded.ids[rows[row]]!r}, layer {layer}, head {head} {fault}"
    )


def _check_vocabulary(model: Model, encoded: Encoded) -> None:
    """Check that the model has an embedding for whatever it is given."""
    words = getattr(model.network.get_input_embeddings(), "num_embeddings", None)
    if words is None:
        raise InputError(f"{type(model.network).__name__} must read token ids, got another input")
    given = [
        ("token ids", encoded.input_ids.max(), words),
        ("the pad token id", pad_id(model.tokenizer), words),
    ]
    if (types := _token_types(model, encoded)) is not None:
        size = getattr(model.network.config, "type_vocab_size", None)
        given.append(("token type ids", types.max(), size))
    for what, largest, size in given:
        if size and largest >= size:
            raise InputError(
                f"{what} must be below the model's {size} embeddings, got {largest}: "
                "the tokenizer does not fit the model"
            )


def _token_types(model: Model, encoded: Encoded) -> Array | None:
    """Return the token type ids, where the tokenizer says that its model reads them."""
    wanted = "token_type_ids" in getattr(model.tokenizer, "model_input_names", ())
    return encoded.token_types if wanted else None
