"""The matched control by plain loops over every entry, for batches of `helpers.batches`."""

import math
from collections import Counter, defaultdict
from dataclasses import replace
from fractions import Fraction

import numpy as np

import headscore as hs
from headscore.sieves.strata import label_hashes, stratum_of
from headscore.sieves.surroundings import CONTENT, Surroundings
from helpers import loops, tiny

UPOS = ("NOUN", "VERB", "")
NONE = "no label"  # the stratum of an entry with a token without a label


def items_of(n, seed=0):
    """Random parsed sequences with one of two labels for each word."""
    rng = np.random.default_rng(seed)
    return [
        replace(
            each,
            segments=tuple(
                replace(text, labels={"upos": tuple(rng.choice(["A", "B"], len(text.words)))})
                for text in each.segments
            ),
        )
        for each in tiny.sequences(n, seed)
    ]


def labelled(batch, seed, labels=UPOS, words=False):
    """The batch as an Encoded with a column of random labels, and with words of one or two pieces.

    Returns it with the labels and the words, (batch, T).
    """
    rng = np.random.default_rng(seed)
    upos = rng.choice(labels, batch.shape)
    word = np.cumsum(rng.random(batch.shape) < 0.6, axis=1)
    columns = {"upos": upos, **({"word": word} if words else {})}
    encoded = hs.Encoded.from_arrays(
        np.ones(batch.shape, int),
        batch.lengths,
        batch.special,
        batch.segments,
        batch.pairs,
        columns,
    )
    return encoded, upos, word if words else np.arange(batch.shape[1]) + np.zeros_like(word)


def pairs_of(batch, role):
    """The word pairs of a role, a list for each sequence: (queries, keys)."""
    name, _, direction = role.partition("@")
    names = {"syntactic": loops.SYNTACTIC}.get(name, (name,))
    names = {*names, *({"dobj"} if "obj" in names else ())}
    found = [[] for _ in batch.lengths]
    for relation in names & set(batch.pairs):
        for sequence, pairs in enumerate(batch.pairs[relation]):
            for dependent, head in pairs:
                if direction != "head2dep":
                    found[sequence].append((dependent, head))
                if direction in ("head2dep", "both"):
                    found[sequence].append((head, dependent))
    return found


def cases_of(batch, role, causal=False, window=None):
    """(sequence, query, key) -> summed weight of a role's visible entries."""
    weights = defaultdict(Fraction)
    for sequence, pairs in enumerate(pairs_of(batch, role)):
        n = int(batch.lengths[sequence])
        for queries, keys in pairs:
            rows = {}
            for i in queries:
                seen = [j for j in keys if j != i and j in loops.visible(i, n, causal, window)]
                if seen:
                    rows[i] = seen
            for i, seen in rows.items():
                for j in seen:
                    weights[sequence, i, j] += Fraction(1, len(seen) * len(rows))
    return weights


def free_of(batch, roles, upos, word):
    """All entries that may be controls: [(sequence, query, key)]."""
    held = set()
    for name in {*roles, *batch.pairs}:
        for sequence, i, j in cases_of(batch, name):
            held |= {(sequence, i, j), (sequence, j, i)}
    free = []
    for s, n in enumerate(batch.lengths.tolist()):
        special, segment = batch.special[s], batch.segments[s]
        for i in range(n):
            if not any(s == place[0] and segment[place[1]] == segment[i] for place in held):
                continue
            for j in range(n):
                good = segment[i] == segment[j] and not special[i] and not special[j]
                good = good and word[s, i] != word[s, j] and upos[s, i] and upos[s, j]
                if good and (s, i, j) not in held:
                    free.append((s, i, j))
    return free


def around(batch, upos, word, place):
    """Content words within two words of the query, and whether a word like the key is between."""
    s, i, j = place
    texts = [
        [
            t
            for t in range(int(batch.lengths[s]))
            if not batch.special[s, t] and batch.segments[s, t] == batch.segments[s, end]
        ]
        for end in (i, j)
    ]
    own, near = texts[0], 0
    for side in (own[own.index(i) :], own[own.index(i) :: -1]):
        met = [word[s, i]]
        for t in side:
            if word[s, t] != met[-1] and len(met) <= 2:
                met.append(word[s, t])
                near += upos[s, t] in CONTENT
    return near, any(
        upos[s, t] == upos[s, j] and word[s, t] not in (word[s, i], word[s, j])
        for t in texts[1]
        if min(i, j) < t < max(i, j)
    )


def stratum(batch, upos, word, place, seen):
    s, i, j = place
    if not (upos[s, i] and upos[s, j]) or batch.special[s, i] or batch.special[s, j]:
        return NONE
    length = math.floor(2 * math.log2(seen) + 1e-9)
    return (
        *(j - i, str(upos[s, i]), str(upos[s, j]), length),
        *around(batch, upos, word, place),
    )


def wanted_rows(batch, roles, upos, word, controls, attention__bhqk, causal=False, window=None):
    """(sequence, role, stratum) -> [sum of weight, sums of weight times attention by head]."""
    rows = defaultdict(lambda: [0, 0])
    sides = [(r, cases_of(batch, role, causal, window)) for r, role in enumerate(roles)]
    sides.append((-1, dict.fromkeys(controls, 1)))
    for role, entries in sides:
        for (s, i, j), weight in entries.items():
            seen = loops.visible(i, int(batch.lengths[s]), causal, window)
            if j in seen:
                row = rows[s, role, stratum(batch, upos, word, (s, i, j), len(seen))]
                row[0] += float(weight)
                row[1] += float(weight) * attention__bhqk[s, :, i, j].astype(float)
    return dict(rows)


def named_rows(scores, batch, encoded, upos, word, layer=0):
    """The same of scores, whose strata are hashes."""
    hashes, names = label_hashes(encoded, ("upos",)), {0: NONE}
    places = [
        (s, i, j, seen)
        for s, n in enumerate(batch.lengths.tolist())
        for i in range(n)
        for j in range(n)
        for seen in range(1, n + 1)
    ]
    sequence, query, key, seen = np.array(places).T
    first = encoded.offsets[sequence]
    query, key = first + query, first + key
    around_ = Surroundings.of(encoded, ("upos",), hashes).of_entries(query, key)
    keys = stratum_of(key - query, hashes[query], hashes[key], seen, around_)
    for (*place, count), each in zip(places, keys.tolist(), strict=True):
        if each not in names:
            names[each] = stratum(batch, upos, word, place, count)
    assert len(names) == len(set(names.values()))
    keys = zip(
        scores.matched_sequence.tolist(),
        scores.matched_role.tolist(),
        (names[key] for key in scores.matched_stratum.tolist()),
        strict=True,
    )
    weights, sums = scores.matched_weight[:, layer], scores.matched[:, layer]
    return {key: [w, a] for key, w, a in zip(keys, weights, sums, strict=True)}


def sampled(encoded):
    """The controls of an encoded batch: [(sequence, query, key)]."""
    controls = encoded.controls
    owner = np.repeat(np.arange(len(encoded)), np.diff(controls.offsets))
    return list(zip(owner.tolist(), controls.query.tolist(), controls.key.tolist(), strict=True))


def check_sample(batch, roles, upos, word, found, most):
    """Assert that a sample holds the entries it should, apart from which of equal ones.

    Strata of a sample have the length of the sequence, whatever is visible.
    """
    assert sorted(set(found)) == found

    def at(place):
        return stratum(batch, upos, word, place, int(batch.lengths[place[0]]))

    cases = {place for role in roles for place in cases_of(batch, role)}
    wanted = Counter(map(at, cases))
    del wanted[NONE]
    free = [place for place in free_of(batch, roles, upos, word) if at(place) in wanted]
    assert set(found) <= set(free)
    here = {(at(place), place[0]) for place in cases}
    for each, count in wanted.items():
        own = [place for place in free if at(place) == each]
        got = [place for place in found if at(place) == each]
        assert len(got) == min(most * count, len(own))
        near = [(each, place[0]) in here for place in own]
        assert sum((each, place[0]) in here for place in got) == min(len(got), sum(near))
    return wanted, free
