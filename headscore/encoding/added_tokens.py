"""Find the tokens that a tokenizer added to given texts, not those that the texts spell."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from headscore.arrays import Array, Bools

_PROBE = "a"
# A user may write the begin and the end of a sequence that the tokenizer does not add itself.
_BEGINS = ("bos_token_id", "cls_token_id")
_ENDS = ("eos_token_id", "sep_token_id")


class AddedTokens(NamedTuple):
    """Ids of the tokens that a tokenizer adds: before, behind and between texts."""

    before: set[int]
    behind: set[int]
    between: set[int]


def special_mask(ids__bt: Array, lengths: Array, added: AddedTokens) -> Bools:
    """Return which tokens of given sequences their tokenizer added.

    Special tokens inside a text are not among them, as in `headscore.score`: [UNK], [MASK], markers
    of entities or turns. What separates two texts is one of them wherever it stands.

    Parameters
    ----------
    ids__bt
        integers (batch, T), padding on the right.
    lengths
        integers (batch,), the tokens of each sequence without padding.
    added
        `added_by` their tokenizer.

    Returns
    -------
    bool (batch, T), False at padding.
    """
    real = np.arange(ids__bt.shape[1]) < np.asarray(lengths)[:, None]
    # A token belongs to the start where all tokens up to it do, and to the end likewise.
    leads = np.logical_and.accumulate(_are(ids__bt, added.before), axis=1)
    closes = _are(ids__bt, added.behind) | ~real
    trails = np.logical_and.accumulate(closes[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(real & (leads | trails | _are(ids__bt, added.between)), np.bool_)


def _are(ids: Array, some: set[int]) -> Array:
    return np.isin(ids, sorted(some))


def added_by(tokenizer: Any) -> AddedTokens:
    """Return what a transformers tokenizer adds, which two calls show; None adds nothing."""
    if tokenizer is None:
        return AddedTokens(set(), set(), set())
    begins, ends = _named(tokenizer, _BEGINS), _named(tokenizer, _ENDS)
    ids, own = _probe(tokenizer, _PROBE)
    before, behind = set(ids[: own[0]]), set(ids[own[-1] + 1 :])
    ids, own = _probe(tokenizer, _PROBE, _PROBE)
    inside = set(range(own[0], own[-1])) - set(own)
    return AddedTokens(before | begins, behind | ends, {ids[place] for place in inside})


def _named(tokenizer: Any, names: tuple[str, ...]) -> set[int]:
    ids = [getattr(tokenizer, name, None) for name in names]
    return {number for number in ids if number is not None}


def _probe(tokenizer: Any, *texts: str) -> tuple[list[int], list[int]]:
    """Return the token ids of some texts, and the places of those that were not added."""
    try:
        found = tokenizer(*texts, return_special_tokens_mask=True, verbose=False)
    except (TypeError, ValueError, NotImplementedError):  # a tokenizer of other input, or no pairs
        return [], [0]
    marks = found["special_tokens_mask"]
    # A vocabulary that lacks the text leaves added tokens alone: those of both ends.
    return found["input_ids"], [n for n, mark in enumerate(marks) if not mark] or [len(marks), -1]
