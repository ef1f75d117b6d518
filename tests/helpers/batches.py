"""Random ragged batches for tests: plain arrays, and what the loops say about them."""

from dataclasses import dataclass

import numpy as np
import torch

import headscore as hs
from helpers import loops

ROLES = (
    "local local:0 offset:-1 offset:2 delimiter delimiter_cls delimiter_sep block block_plain "
    "sink syntactic nsubj obj amod@both advmod@head2dep nsubj:*"
).split()
RELATIONS = ("nsubj", "nsubj:pass", "obj", "dobj", "amod", "advmod", "det")


@dataclass(frozen=True)
class Batch:
    """Arrays of a ragged batch; `pairs` relation -> per sequence [(dependent, head), ...]."""

    lengths: np.ndarray
    special: np.ndarray
    segments: np.ndarray
    pairs: dict

    @property
    def shape(self):
        return self.special.shape

    def encoded(self):
        return hs.Encoded.from_arrays(
            np.ones(self.shape, int), self.lengths, self.special, self.segments, self.pairs
        )

    def plan(self, roles=ROLES):
        return hs.SievePlan.compile(roles, self.encoded())

    def loop_scores(self, attention__bhqk, roles=ROLES, causal=False, window=None):
        """Scores (batch, role, head) by plain loops, NaN = takes no part."""
        batch, heads = attention__bhqk.shape[:2]
        scores = np.full((batch, len(roles), heads), np.nan)
        for b in range(batch):
            n = int(self.lengths[b])
            special, segments = self.special[b, :n].tolist(), self.segments[b, :n].tolist()
            pairs = {relation: words[b] for relation, words in self.pairs.items()}
            for h in range(heads):
                rows = attention__bhqk[b, h, :n, :n].tolist()
                for r, role in enumerate(roles):
                    score = loops.score(rows, role, special, segments, pairs, causal, window)
                    if score is not None:
                        scores[b, r, h] = score
        return scores


SOURCE_ROLES = (
    "diagonal diagonal:0 diagonal:5 delimiter delimiter_cls delimiter_sep sink syntactic nsubj obj "
    "nsubj:*"
).split()


@dataclass(frozen=True)
class CrossBatch:
    """Targets, whose tokens are the queries, and sources, whose tokens are the keys."""

    target: Batch
    source: Batch
    pairs: dict

    def encoded(self):
        source = hs.Encoded.from_arrays(
            np.ones(self.source.shape, int), self.source.lengths, self.source.special
        )
        return hs.Encoded.from_arrays(
            np.ones(self.target.shape, int), self.target.lengths, pairs=self.pairs, source=source
        )

    def plan(self, roles=SOURCE_ROLES):
        return hs.SievePlan.compile(roles, self.encoded())

    def loop_scores(self, attention__bhqk, roles=SOURCE_ROLES):
        """Scores (batch, role, head) by plain loops, NaN = takes no part."""
        batch, heads = attention__bhqk.shape[:2]
        scores = np.full((batch, len(roles), heads), np.nan)
        for b in range(batch):
            n, m = int(self.target.lengths[b]), int(self.source.lengths[b])
            pairs = {relation: words[b] for relation, words in self.pairs.items()}
            for h in range(heads):
                rows = attention__bhqk[b, h, :n, :m].tolist()
                for r, role in enumerate(roles):
                    special = self.source.special[b, :m].tolist()
                    score = loops.source_score(rows, role, special, pairs)
                    if score is not None:
                        scores[b, r, h] = score
        return scores


def random_cross(seed, *, lengths=None, source_lengths=None, tokens=None, source_tokens=None):
    """A cross batch; sizes as of `random_batch`."""
    rng = np.random.default_rng(seed)
    target = random_batch(seed, lengths=lengths, tokens=tokens)
    source = random_batch(
        seed + 1, lengths=source_lengths, batch=target.shape[0], tokens=source_tokens
    )
    pairs = {
        relation: [
            [(_word(rng, n), _word(rng, m)) for _ in range(int(rng.integers(0, 3)))]
            for n, m in zip(target.lengths, source.lengths, strict=True)
        ]
        for relation in RELATIONS
    }
    return CrossBatch(target, source, pairs)


def random_batch(seed, *, batch=None, tokens=None, lengths=None):
    """A batch whose sequences have lengths 1..T, some special tokens, 1 or 2 texts, few pairs."""
    rng = np.random.default_rng(seed)
    if lengths is not None:
        batch, tokens = len(lengths), max(lengths)
    batch = int(rng.integers(1, 5)) if batch is None else batch
    tokens = int(rng.integers(1, 30)) if tokens is None else tokens
    lengths = rng.integers(1, tokens + 1, batch) if lengths is None else np.array(lengths)
    pairs = {
        relation: [
            [(_word(rng, n), _word(rng, n)) for _ in range(int(rng.integers(0, 3)))]
            for n in lengths
        ]
        for relation in RELATIONS
    }
    segments = np.sort(rng.integers(0, 2, (batch, tokens)), axis=1)
    return Batch(lengths, rng.random((batch, tokens)) < 0.2, segments, pairs)


def _word(rng, n):
    start = int(rng.integers(0, n))
    return list(range(start, int(rng.integers(start + 1, min(n, start + 3) + 1))))


def loop_attention(
    query__bhtd, key__bhtd, lengths, *, key_lengths=None, bias__bhtt=None, **options
):
    """Attention (batch, head, Tq, Tk) in float64 by plain loops; padding rows are 0."""
    batch, heads, tokens, _ = query__bhtd.shape
    group = heads // key__bhtd.shape[1]
    attention = np.zeros((batch, heads, tokens, key__bhtd.shape[2]))
    for b in range(batch):
        n = int(lengths[b])
        m = n if key_lengths is None else int(key_lengths[b])
        for h in range(heads):
            query, key = query__bhtd[b, h, :n], key__bhtd[b, h // group, :m]
            if bias__bhtt is not None:
                options["bias"] = bias__bhtt[b % len(bias__bhtt), h].tolist()
            attention[b, h, :n, :m] = loops.attention(query.tolist(), key.tolist(), **options)
    return attention


def loop_output(attention__bhtt, value__bhtd, lengths, key_lengths=None):
    """Attention's output (batch, Tq, head, d) by plain loops; padding rows are 0."""
    batch, heads, tokens, _ = attention__bhtt.shape
    group = heads // value__bhtd.shape[1]
    output = np.zeros((batch, tokens, heads, value__bhtd.shape[3]))
    for b in range(batch):
        n = int(lengths[b])
        for h in range(heads):
            m = n if key_lengths is None else int(key_lengths[b])
            rows, value = attention__bhtt[b, h, :n, :m], value__bhtd[b, h // group, :m]
            output[b, :n, h] = loops.output(rows.tolist(), value.tolist())
    return output


def relative(got, want):
    """Largest relative difference; the two must be NaN at the same places."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    assert (np.isnan(got) == np.isnan(want)).all()
    both = ~np.isnan(want)
    size = np.maximum(np.abs(want[both]), 1e-6)
    return float((np.abs(got[both] - want[both]) / size).max(initial=0.0))


def peaks(tokens, peak):
    """Logits (1, 1, T, T) with a peak at one key, so that rows have entropies down to 1e-5."""
    logits = torch.zeros(1, 1, tokens, tokens, dtype=torch.float64)
    logits[..., tokens // 2] = 6
    logits[..., peak] = torch.linspace(12, 22, tokens, dtype=torch.float64)
    return logits


def peaked(tokens, peak):
    """Attention (1, 1, T, T) of nearly 1 at one key, see `peaks`."""
    return torch.softmax(peaks(tokens, peak), -1).float()


def queries_keys(batch, heads, kv_heads, size, seed, dtype=torch.float32):
    """Strided views as transformers hands them over: (B, H, T, d) out of (B, T, H, d)."""
    generator = torch.Generator().manual_seed(seed)
    n, tokens = batch.shape
    return (
        torch.randn(n, tokens, h, size, generator=generator).to(dtype).transpose(1, 2)
        for h in (heads, kv_heads)
    )


def cross_queries_keys(cross, heads, kv_heads, size, seed, dtype=torch.float32):
    """Queries of the targets and keys of the sources, NaN at padded keys."""
    query, _ = queries_keys(cross.target, heads, kv_heads, size, seed, dtype)
    _, key = queries_keys(cross.source, heads, kv_heads, size, seed, dtype)
    for b, n in enumerate(cross.source.lengths):
        key[b, :, n:] = float("nan")
    return query, key


def made_bias(batch, heads, seed, kind, keys=None):
    """A bias of every layout: one for all sequences, one each, any strides, half precision."""
    if kind is None:
        return None
    n, tokens = batch.shape
    generator = torch.Generator().manual_seed(seed + 1)
    keys = tokens if keys is None else keys
    bias = torch.randn(1 if kind == "one" else n, heads, tokens, keys, generator=generator)
    if kind == "view":  # as T5 makes it: (Tq, Tk, H) permuted
        return bias.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    return bias if isinstance(kind, str) else bias.to(kind)
