"""Repeats: random tokens or a text, written twice with the same tokens.

Random tokens as in Olsson et al. 2022, "In-context learning and induction heads" (arXiv
2209.11895): what follows a token is known from its first occurrence alone.
"""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import Any

import numpy as np

from headscore.arrays import Ints, offsets_of
from headscore.encoding.encoded import PUNCTUATION, Column, Encoded
from headscore.encoding.punctuation import spell_punctuation
from headscore.encoding.sources import KEPT, Sources
from headscore.encoding.tokens import Tokens, has_offsets
from headscore.encoding.word_pairs import WordPairs
from headscore.errors import InputError, UsageError
from headscore.tasks.gold import Gold, with_pairs

TOKENS = (20, 40)  # random tokens of a half
WORDS = (8, 30)  # words of a text


def vocabulary(tokenizer: Any) -> Ints:
    """Return the ids of a tokenizer, in order, without those of special tokens."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special = {*tokenizer.all_special_ids, *(id for id, each in added.items() if each.special)}
    return np.array(sorted(set(tokenizer.get_vocab().values()) - special), np.int64)


def random_half(rng: np.random.Generator, size: int, ids: Ints) -> list[int]:
    """Draw `size` different tokens; raises UsageError where there are not as many."""
    if size > len(ids):
        raise UsageError(
            f"size must be at most {len(ids)}, the tokens of the vocabulary, got {size}"
        )
    half: list[int] = rng.choice(ids, size, replace=False).tolist()
    return half


def text_half(text: str, tokenizer: Any) -> list[int]:
    """Return the tokens of a text as they are where the text follows another one."""
    if not has_offsets(tokenizer):
        raise InputError(
            f"the tokenizer must be a fast one, which has offsets, got {type(tokenizer).__name__}"
        )
    twice = tokenizer(
        f"{text} {text}",
        add_special_tokens=False,
        split_special_tokens=True,
        return_offsets_mapping=True,
        verbose=False,
    )
    spans = zip(twice["input_ids"], twice["offset_mapping"], strict=True)
    # A token of the blank alone belongs to the second text, as one of blank and first word does.
    return [id for id, (_, end) in spans if end > len(text)]


def encode_repeats(
    halves: Many[list[int]],
    names: Many[str],
    documents: Many[str],
    tokenizer: Any,
    max_length: int,
) -> Encoded:
    """Return the corpus of halves written twice, with the special tokens of the tokenizer.

    Raises
    ------
    InputError
        A sequence is longer than `max_length`.
    """
    before, after = _around(tokenizer)
    rows = [[*before, *half, *half, *after] for half in halves]
    longest = max(map(len, rows))
    if longest > max_length:
        raise InputError(f"a sequence must have at most {max_length} tokens, got {longest}")
    owners = [[-1] * len(before) + [0] * 2 * len(half) + [-1] * len(after) for half in halves]
    tokens = _tokens(rows, owners)
    encoded = Encoded(
        offsets=tokens.offsets,
        input_ids=tokens.ids.astype(np.int64),
        special=tokens.owners < 0,
        segments=np.maximum(tokens.owners, 0),
        token_types=tokens.types.astype(np.int64),
        relation_names=(),
        pairs=WordPairs.from_lists([], len(rows)),
        parsed=False,
        ids=tuple(names),
        documents=tuple(documents),
        columns={PUNCTUATION: Column(spell_punctuation(tokens, [], tokenizer), ("yes",))},
        sources=Sources(
            state=np.full(len(rows), KEPT, np.uint8),
            dropped=np.empty(0, np.int64),
            dropped_relation=np.empty(0, np.int32),
            dropped_names=(),
            seen={},
        ),
    )
    return with_pairs(encoded, [_gold(len(before), len(half)) for half in halves])


def _tokens(rows: Many[list[int]], owners: Many[list[int]]) -> Tokens:
    """Return the tokens of some sequences, without texts: there are no offsets."""
    ids = np.concatenate(rows).astype(np.int32)
    none = np.empty(0, np.int32)
    return Tokens(
        offsets=offsets_of([len(row) for row in rows]),
        ids=ids,
        types=np.zeros_like(ids),
        owners=np.concatenate(owners).astype(np.int32),
        words=none,
        starts=none,
        ends=none,
        truncated=np.zeros(len(rows), np.bool_),
    )


def _around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that a tokenizer adds before and after a text."""
    own = tokenizer("A", add_special_tokens=False)["input_ids"]
    whole = tokenizer("A")["input_ids"]
    starts = [at for at in range(len(whole)) if own and whole[at : at + len(own)] == own]
    if not starts:
        raise InputError(
            f"the tokenizer must add special tokens before and after a text, got {whole} for {own}"
        )
    return whole[: starts[0]], whole[starts[0] + len(own) :]


def _gold(start: int, size: int) -> list[Gold]:
    """Return the pairs of a sequence: the token at i repeats that at i - size."""
    second = range(start + size, start + 2 * size)
    copies: list[Gold] = [("copy", [i], [i - size]) for i in second]
    return [*copies, *(("after_copy", [i], [i - size + 1]) for i in second)]
