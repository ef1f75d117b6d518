"""The formulas as plain Python loops. Imports nothing of headscore, so that it can judge it.

A sequence is described by plain lists: `special[i]` bool, `segment[i]` 0 or 1, `pairs` a dict
relation -> list of (dependent positions, head positions). Attention is a list of rows.
"""

import math

SYNTACTIC = ("nsubj", "obj", "amod", "advmod")


def visible(i, n, causal=False, window=None):
    """Keys that query i may attend to, of n."""
    keys = []
    for j in range(n):
        if causal and j > i:
            continue
        if window is not None and causal and not j > i - window:
            continue
        if window is not None and not causal and abs(i - j) > window:
            continue
        keys.append(j)
    return keys


def attention(query, key, scale, causal=False, window=None, softcap=None, bias=None):
    """Rows of softmax(scale * q . k + bias) over the visible keys; query, key: lists of vectors."""
    n = len(key)
    rows = []
    for i in range(len(query)):
        logits = {}
        for j in visible(i, n, causal, window):
            logit = scale * sum(a * b for a, b in zip(query[i], key[j], strict=True))
            if softcap is not None:
                logit = softcap * math.tanh(logit / softcap)
            if bias is not None:
                logit += bias[i][j]
            logits[j] = logit
        top = max(logits.values())
        total = sum(math.exp(value - top) for value in logits.values())
        rows.append([math.exp(logits[j] - top) / total if j in logits else 0.0 for j in range(n)])
    return rows


def output(rows, value):
    """Attention's output: sums of the values, weighted by each row."""
    columns = range(len(value[0]))
    return [
        [sum(a * v[c] for a, v in zip(row, value, strict=True)) for c in columns] for row in rows
    ]


def source_sieves(role, n, special):
    """S(i) of n tokens of a target, `special` are those of the source; None: not such a role."""
    keys = range(len(special))
    specials = [j for j in keys if special[j]]
    name, _, number = role.partition(":")
    if name == "diagonal":
        centres = [math.floor(i * (len(special) - 1) / (n - 1 or 1) + 0.5) for i in range(n)]
        return [[j for j in keys if abs(j - centre) <= int(number or 2)] for centre in centres]
    if name == "sink":
        return [[0]] * n
    first = {"delimiter": specials, "delimiter_cls": specials[:1], "delimiter_sep": specials[1:]}
    return [first[name]] * n if name in first else None


def sieves(role, special, segment):
    """S(i) of every token, for the roles that look at sets of keys; None: not such a role."""
    n = len(special)
    specials = [j for j in range(n) if special[j]]
    name, _, number = role.partition(":")
    if name in ("local", "diagonal"):
        width = int(number or 2)
        return [[j for j in range(n) if abs(i - j) <= width] for i in range(n)]
    if name == "recent":
        return [list(range(max(0, i - int(number) + 1), i + 1)) for i in range(n)]
    if name == "offset":
        return [[j for j in range(n) if j == i + int(number)] for i in range(n)]
    if name == "delimiter":
        return [specials] * n
    if name == "delimiter_cls":
        return [specials[:1]] * n
    if name == "delimiter_sep":
        return [specials[1:]] * n
    if name == "sink":
        return [[0]] * n
    if name in ("block", "block_plain"):
        return _block_sieves(special, segment)
    return None


def _block_sieves(special, segment):
    n = len(special)
    text = [[j for j in range(n) if not special[j] and segment[j] == s] for s in (0, 1)]
    if not text[0] or not text[1]:
        return [[]] * n
    first_text = min(text[0] + text[1])
    own = []
    for i in range(n):
        if special[i]:
            own.append(0 if i < first_text else 1)
        else:
            own.append(segment[i])
    return [text[s] for s in own]


def token_sieves(role, ids, special, words, labels):
    """S(i) of every token, for roles that look at what tokens are; None: not such a role.

    `words[i]` is the number of the word that token i is a piece of, `labels` a dict column -> list
    of labels, "" for none.
    """
    n = len(ids)

    def equal(i, j):
        return ids[i] == ids[j] and not special[i] and not special[j]

    if role == "previous":
        return [[j for j in range(n) if j == i - 1] for i in range(n)]
    if role == "next":
        return [[j for j in range(n) if j == i + 1] for i in range(n)]
    if role == "duplicate":
        return [[j for j in range(i) if equal(i, j)] for i in range(n)]
    if role == "induction":
        return [[j for j in range(1, i) if equal(i, j - 1) and not special[j]] for i in range(n)]
    if role == "same_word":
        return [
            [j for j in range(n) if j != i and words[i] == words[j] and words[i] >= 0]
            for i in range(n)
        ]
    if role == "punctuation":
        return [[j for j in range(n) if labels["punctuation"][j] == "yes"]] * n
    kind, _, column = role.partition(":")
    if kind != "label":
        return None
    column, _, value = column.partition("=")
    if value:
        return [[j for j in range(n) if labels[column][j] == value]] * n
    return [[j for j in range(n) if labels[column][j] == labels[column][i] != ""] for i in range(n)]


def entropy(row, keys):
    """Shannon entropy of a row over its keys, in nats."""
    total = sum(row[j] for j in keys)
    return -sum(row[j] / total * math.log(row[j] / total) for j in keys if row[j] > 0)


def token_score(row, sieve, keys):
    """r(i): attention per sieve key, over attention per visible key; None without a sieve."""
    inside = [j for j in sieve if j in set(keys)]
    if not inside:
        return None
    mean_inside = sum(row[j] for j in inside) / len(inside)
    mean_visible = sum(row[j] for j in keys) / len(keys)
    return mean_inside / mean_visible


def set_role_score(rows, role, sieves, causal=False, window=None):
    """Sequence score of a role that looks at sets of keys; None: takes no part."""
    scores = []
    for i, sieve in enumerate(sieves):
        keys = visible(i, len(rows[i]), causal, window)
        score = token_score(rows[i], sieve, keys)
        if score is not None:
            scores.append(score * entropy(rows[i], keys) if role == "block" else score)
    return sum(scores) / len(scores) if scores else None


def relation_pairs(role, pairs):
    """(query positions, key positions) of a syntactic role."""
    role, _, direction = role.partition("@")
    names = SYNTACTIC if role == "syntactic" else (role,)
    if "obj" in names:
        names = (*names, "dobj")
    found = []
    for relation, words in pairs.items():
        stem = relation.split(":")[0]
        if relation in names or any(name == f"{stem}:*" for name in names):
            found += words
    forward = [(dependent, head) for dependent, head in found]
    backward = [(head, dependent) for dependent, head in found]
    return {"": forward, "head2dep": backward, "both": forward + backward}[direction]


def pair_role_score(rows, role, pairs, causal=False, window=None, one_text=True):
    """Mean over word pairs of the mean over query pieces of r(i); None: takes no part.

    In one text a piece of both words does not look at itself.
    """
    scores = []
    for queries, keys in relation_pairs(role, pairs):
        pieces = [
            token_score(
                rows[i],
                [j for j in keys if j != i or not one_text],
                visible(i, len(rows[i]), causal, window),
            )
            for i in queries
        ]
        pieces = [piece for piece in pieces if piece is not None]
        if pieces:
            scores.append(sum(pieces) / len(pieces))
    return sum(scores) / len(scores) if scores else None


def comparison_entries(offset, special, segment, arcs, own, causal=False, window=None):
    """Entries that a role's word pairs are compared with at an offset.

    Visible, between two tokens of one text that are not special, no arc of the parse in either
    direction, 128 of them at most, and none of the role itself.
    """
    n = len(special)
    entries = [(i, i + offset) for i in range(n) if i + offset in visible(i, n, causal, window)]
    entries = [(i, j) for i, j in entries if not special[i] and not special[j]]
    entries = [(i, j) for i, j in entries if segment[i] == segment[j]]
    entries = [(i, j) for i, j in entries if (i, j) not in arcs]
    if len(entries) > 128:
        entries = [entries[k * len(entries) // 128] for k in range(128)]
    return [(i, j) for i, j in entries if (i, j) not in own]


def both_directions(words):
    """Entries of some word pairs, (row piece, column piece) and the reverse."""
    forward = {(i, j) for rows, columns in words for i in rows for j in columns}
    return forward | {(j, i) for i, j in forward}


FACTORS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)


def scaled(c, k):
    """Attention with k times the odds of c."""
    return k * c / (1 + (k - 1) * c)


def position_control(rows, words, special, segment, pairs, causal=False, window=None):
    """Means over a role's word pairs of their score and of what position gives; None: no pair.

    Returns (excess, [score, visible keys, what position gives at each of FACTORS]). `words` is the
    role's list of (query pieces, key pieces), `pairs` the whole parse.
    """
    n = len(rows)
    arcs = both_directions([each for found in pairs.values() for each in found])
    own = both_directions(words)

    def elsewhere(offset):
        entries = comparison_entries(offset, special, segment, arcs, own, causal, window)
        return [rows[i][j] for i, j in entries]

    found = []
    for queries, keys in words:
        compared = {}
        for i in queries:
            keys_of = [j for j in keys if j != i and j in visible(i, n, causal, window)]
            keys_of = [j for j in keys_of if elsewhere(j - i)]
            if keys_of:
                compared[i] = keys_of
        score = position = span = 0.0
        for i, keys_of in compared.items():
            for j in keys_of:
                weight = len(visible(i, n, causal, window)) / (len(keys_of) * len(compared))
                others = elsewhere(j - i)
                score += weight * rows[i][j]
                position += weight * sum(others) / len(others)
                span += weight
        if compared:
            at = [span * scaled(position / span, k) for k in FACTORS]
            found.append([score - span * scaled(position / span, 1.5), score, span, *at])
    if not found:
        return None
    excess, *sums = (sum(column) / len(found) for column in zip(*found, strict=True))
    return excess, sums


def score(rows, role, special, segment, pairs, causal=False, window=None):
    """Sieve bias score of one head on one sequence; None: takes no part."""
    found = sieves(role, special, segment)
    if found is not None:
        return set_role_score(rows, role, found, causal, window)
    return pair_role_score(rows, role, pairs, causal, window)


def source_score(rows, role, source_special, pairs):
    """The same of a target's queries and a source's keys."""
    found = source_sieves(role, len(rows), source_special)
    if found is not None:
        return set_role_score(rows, role, found)
    return pair_role_score(rows, role, pairs, one_text=False)


def mask_score(rows, mask, causal=False, window=None):
    """Score of a sieve drawn by hand: mask[i][j]."""
    scores = []
    for i, row in enumerate(rows):
        sieve = [j for j in range(len(row)) if mask[i][j]]
        value = token_score(row, sieve, visible(i, len(row), causal, window))
        if value is not None:
            scores.append(value)
    return sum(scores) / len(scores) if scores else None
