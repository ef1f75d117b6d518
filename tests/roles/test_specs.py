"""Role specs: a table of decided cases, and agreement with the loops on random batches."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import loops
from hypothesis import given
from hypothesis import strategies as st

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.roles.presence import Presence, absence_warnings, missing
from headscore.roles.role import EVERYWHERE, Labels, Pairs
from headscore.roles.specs import parse_roles
from headscore.roles.syntactic import UNIVERSAL

NAN = float("nan")
RELATIONS = ("nsubj", "nsubj:pass", "obj", "dobj", "amod", "advmod", "det")
SET_ROLES = (
    "local local:0 local:3 recent:1 recent:4 offset:-1 offset:0 offset:+2 delimiter delimiter_cls "
    "delimiter_sep block block_plain sink"
).split()
PAIR_ROLES = (
    "syntactic syntactic@both nsubj nsubj:pass nsubj:* nsubj@head2dep nsubj:*@both obj "
    "obj@head2dep dobj amod advmod det@both"
).split()


def one(special="", segments="", tokens=6, **pairs):
    """A batch of one sequence; special and segments as text, "x" or "1" where true."""
    marks = [[mark in "x1" for mark in text.ljust(tokens, ".")] for text in (special, segments)]
    lists = {relation: [words] for relation, words in pairs.items()}
    return hs.Encoded.from_arrays(
        np.ones((1, tokens), int), None, [marks[0]], np.array([marks[1]], int), lists
    )


def all_on(key, tokens=6):
    """Attention of a head whose every token looks at one key."""
    rows = np.zeros((1, 1, tokens, tokens), np.float32)
    rows[..., key] = 1
    return rows


DECISIONS = [
    # reason, role, sequence, key that holds all attention, score
    ("an empty sieve takes no part: NaN, never 0", "delimiter", one(), 0, NAN),
    ("so do relations that the sequence lacks", "nsubj", one(obj=[([1], [2])]), 2, NAN),
    ("one token sees itself only", "local", one(tokens=1), 0, 1.0),
    ("one token has no neighbour", "offset:-1", one(tokens=1), 0, NAN),
    ("one token is the sink", "sink", one(tokens=1), 0, 1.0),
    ("a window is clipped at the ends, not shifted", "local:1", one(), 0, (3 + 2) / 6),
    ("a row without the key is left out of the mean", "offset:-1", one(), 0, 6 / 5),
    ("the first tokens have fewer recent ones", "recent:3", one(), 0, (6 + 6 / 2 + 6 / 3) / 6),
    ("one text has no block role", "block_plain", one("x....x"), 2, NAN),
    ("an empty second text makes no pair", "block_plain", one("x..xxx", "....11"), 2, NAN),
    ("nor does an empty first text", "block_plain", one("xx...x", "..1111"), 2, NAN),
    # keys 1, 2 for rows 0..2; key 4 for rows 3..5: only the former look at key 1, 6/2 each
    ("[CLS] goes with the first text", "block_plain", one("x..x.x", "....11"), 1, 3 * 3 / 6),
    ("every [SEP] goes with the second", "block_plain", one("x..x.x", "....11"), 4, 3 * 6 / 6),
    ("no delimiter without special tokens", "delimiter_cls", one(), 0, NAN),
    ("the first special token is delimiter_cls", "delimiter_cls", one("...x.x"), 3, 6.0),
    ("also when more stand at the end", "delimiter_sep", one("...x.x"), 3, 0.0),
    ("one special token is no separator", "delimiter_sep", one(".....x"), 5, NAN),
    ("double separators are both separators", "delimiter_sep", one("x..xxx"), 4, 2.0),
    ("nothing but special tokens: uniform", "delimiter", one("xxxxxx"), 2, 1.0),
    ("special tokens are ordinary keys", "local:0", one("xxxxxx"), 2, 1.0),
    ("a head in pieces: mean over them", "nsubj", one(nsubj=[([1], [3, 4])]), 3, 3.0),
    ("a dependent too", "nsubj", one(nsubj=[([1, 2], [3])]), 3, 6.0),
    ("a shared piece counts on both sides", "amod", one(amod=[([1, 2], [2, 3])]), 2, 1.5),
    ("but does not look at itself", "amod", one(amod=[([2], [2, 3])]), 2, 0.0),
    ("two words of one and the same piece are no pair", "amod", one(amod=[([2], [2])]), 2, NAN),
    ("a mean over pairs, not pieces", "amod", one(amod=[([1, 2], [3]), ([4], [5])]), 3, 3.0),
    ("a pair given twice is two", "amod", one(amod=[([1], [3])] * 2 + [([1], [4])]), 3, 4.0),
    ("obj also matches dobj", "obj", one(dobj=[([2], [1])]), 1, 6.0),
    ("dobj is only dobj", "dobj", one(obj=[([2], [1])]), 1, NAN),
    ("nsubj is no nsubj:pass", "nsubj", one(**{"nsubj:pass": [([2], [1])]}), 1, NAN),
    ("nsubj:* is", "nsubj:*", one(**{"nsubj:pass": [([2], [1])]}), 1, 6.0),
    ("and nsubj itself", "nsubj:*", one(nsubj=[([2], [1])]), 1, 6.0),
    ("and features of SUD", "subj:*", one(**{"subj@pass": [([2], [1])]}), 1, 6.0),
    ("a subtype of a subtype", "comp:obj:*", one(**{"comp:obj@x": [([2], [1])]}), 1, 6.0),
    ("a name with a feature", "comp:obj@agent", one(**{"comp:obj@agent": [([2], [1])]}), 1, 6.0),
    ("and its direction", "subj@pass@head2dep", one(**{"subj@pass": [([2], [1])]}), 1, 0.0),
    ("subj is not subj@pass", "subj", one(**{"subj@pass": [([2], [1])]}), 1, NAN),
    ("digits", "A0", one(A0=[([2], [1])]), 1, 6.0),
    ("upper case is another name", "a0", one(A0=[([2], [1])]), 1, NAN),
    ("signs", "--@both", one(**{"--": [([2], [1])]}), 1, 3.0),
    ("another script", "1-компл", one(**{"1-компл": [([2], [1])]}), 1, 6.0),
    ("an exact name", "relation:$,", one(**{"$,": [([2], [1])]}), 1, 6.0),
    ("with a blank", "relation:a b@head2dep", one(**{"a b": [([2], [1])]}), 1, 0.0),
    ("or as it is written", "relation:a%20b", one(**{"a b": [([2], [1])]}), 1, 6.0),
    ("a relation with a role's name", "relation:local", one(local=[([2], [1])]), 1, 6.0),
    ("obj alone, not dobj", "relation:obj", one(dobj=[([2], [1])]), 1, NAN),
    ("the last @ is one", "relation:x@both@dep2head", one(**{"x@both": [([2], [1])]}), 1, 6.0),
    ("a subtype by its name", "nsubj:pass", one(**{"nsubj:pass": [([2], [1])]}), 1, 6.0),
    ("aux:* is not auxpass", "aux:*", one(auxpass=[([2], [1])]), 1, NAN),
    ("the row is the dependent's", "nsubj@dep2head", one(nsubj=[([2], [1])]), 1, 6.0),
    ("or the head's", "nsubj@head2dep", one(nsubj=[([2], [1])]), 1, 0.0),
    ("or both, as two pairs", "nsubj@both", one(nsubj=[([2], [1])]), 1, 3.0),
    ("syntactic: one mean", "syntactic", one(obj=[([2], [1])], amod=[([3], [4])]), 1, 3.0),
    ("gold pairs need no parser", "s2_to_end", one(s2_to_end=[([5], [2, 3])]), 3, 3.0),
    ("det is none of the four", "syntactic", one(det=[([2], [1])]), 1, NAN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("role", "encoded", "key", "score"),
    [row[1:] for row in DECISIONS],
    ids=[row[0] for row in DECISIONS],
)
def test_scores_match_the_table_of_decided_cases(role, encoded, key, score):
    plan = hs.SievePlan.compile([role], encoded)
    got = hs.sieve_scores(all_on(key, encoded.tokens), plan)
    np.testing.assert_allclose(got.item(), score, rtol=1e-6)


def test_causal_models_have_no_sieve_in_the_future():
    encoded = one(nsubj=[([1], [4])], obj=[([4], [1]), ([2], [3])])
    plan = hs.SievePlan.compile("nsubj,nsubj@both,obj,offset:1", encoded)
    rows = np.tril(np.ones((1, 1, 6, 6))) / np.arange(1, 7)[:, None]
    rows[0, 0, 4] = [0, 1, 0, 0, 0, 0]
    got = hs.sieve_scores(rows, plan, causal=True)[0, :, 0]
    np.testing.assert_allclose(got, [NAN, 5, 5, NAN])


layouts = st.sampled_from(
    [
        lambda a, b: ("x" + "." * a + "x", ""),  # BERT, one text
        lambda a, b: ("x" + "." * a + "x" + "." * b + "x", "0" * (a + 2) + "1" * (b + 1)),
        lambda a, b: ("x" + "." * a + "xx" + "." * b + "x", "0" * (a + 3) + "1" * b),  # RoBERTa
        lambda a, b: ("." * a + "x" + "." * b + "xx", "0" * (a + 1) + "1" * b),  # at the end only
        lambda a, b: ("." * (a + b + 1), ""),  # none at all
        lambda a, b: ("x" * (a + 1), ""),  # nothing else
    ]
)


@st.composite
def sequences(draw):
    """Special marks, segments and related words of one sequence."""
    special, segments = draw(layouts)(draw(st.integers(0, 5)), draw(st.integers(0, 5)))
    n = len(special)
    start = st.integers(0, n - 1)
    word = start.flatmap(lambda at: st.integers(at + 1, min(at + 3, n)).map(lambda e: (at, e)))
    pair = st.tuples(word.map(lambda w: list(range(*w))), word.map(lambda w: list(range(*w))))
    pairs = draw(st.lists(st.tuples(st.sampled_from(RELATIONS), pair), max_size=6))
    marks = [mark == "x" for mark in special]
    return marks, [int(s) for s in segments.ljust(n, "0")], pairs


def batch_of(items):
    lengths = [len(special) for special, _, _ in items]
    # padding holds marks that must not count
    grids = np.ones((2, len(items), max(lengths) + 1), int)
    pairs = {name: [[p for r, p in item[2] if r == name] for item in items] for name in RELATIONS}
    for s, (special, segments, _) in enumerate(items):
        grids[0, s, : lengths[s]], grids[1, s, : lengths[s]] = special, segments
    return hs.Encoded.from_arrays(grids[0], lengths, grids[0], grids[1], pairs)


def looked_at(role, sieve, s, n):
    """S(i) of every token of a sequence, from its labels."""
    low, high = role.band
    query, key = sieve.query[s], sieve.key[s]
    return [
        [j for j in range(n) if query[i] == key[j] >= 0 and low <= j - i <= high] for i in range(n)
    ]


@given(st.lists(sequences(), min_size=1, max_size=4))
@pytest.mark.parametrize("spec", SET_ROLES)
def test_label_roles_agree_with_the_loops(spec, items):
    encoded = batch_of(items)
    (role,) = parse_roles(spec)
    sieve = role.sieve(encoded)
    assert isinstance(sieve, Labels)
    assert sieve.query.shape == sieve.key.shape == (len(items), encoded.tokens)
    for s, (special, segments, _) in enumerate(items):
        assert looked_at(role, sieve, s, len(special)) == loops.sieves(spec, special, segments)


@given(st.lists(sequences(), min_size=1, max_size=4))
@pytest.mark.parametrize("spec", PAIR_ROLES)
def test_relations_agree_with_the_loops(spec, items):
    sieve = parse_roles(spec)[0].sieve(batch_of(items))
    assert isinstance(sieve, Pairs)
    for s, (_, _, related) in enumerate(items):
        mine = sieve.sequence == s
        groups = {}
        for g, i, j in zip(sieve.group[mine], sieve.query[mine], sieve.key[mine], strict=True):
            groups.setdefault(int(g), []).append((int(i), int(j)))
        by_name = {name: [pair for r, pair in related if r == name] for name in RELATIONS}
        wanted = [
            sorted((i, j) for i in rows for j in keys if i != j)
            for rows, keys in loops.relation_pairs(spec, by_name)
        ]
        assert sorted(sorted(group) for group in groups.values()) == sorted(filter(None, wanted))


def test_pairs_from_lists_are_flat_int64_arrays():
    pairs = Pairs.from_lists([[], [([0, 1], [2]), (range(1), {3})]])
    columns = (pairs.sequence, pairs.group, pairs.query, pairs.key)
    assert [column.tolist() for column in columns] == [[1, 1, 1], [0, 0, 1], [0, 1, 0], [2, 2, 3]]
    assert {column.dtype for column in columns} == {np.dtype(np.int64)}
    assert len(Pairs.from_lists([[], []]).query) == 0


PAPER = [
    *["local", "syntactic", "nsubj", "obj", "amod", "advmod"],
    *["block", "delimiter", "delimiter_cls", "delimiter_sep"],
]


@pytest.mark.parametrize(
    ("specs", "names"),
    [
        ("paper", PAPER),
        (" local:02 , offset:-1,offset:+1", ["local:02", "offset:-1", "offset:+1"]),
        ("nsubj@dep2head,nsubj@head2dep,nsubj@both,nsubj", None),
        ("aux:pass,nmod:poss@both,nsubj:*", None),
        (["paper", "sink", "block_plain"], [*PAPER, "sink", "block_plain"]),
        (("obl" for _ in range(1)), ["obl"]),
        ("subj@pass,A0,--@both,主谓,nsubj:pass:x", None),
        (["relation:a b", "relation:$,@both"], ["relation:a%20b", "relation:$%2C@both"]),
    ],
)
def test_role_names_equal_their_specs(specs, names):
    roles = parse_roles(specs)
    assert [role.name for role in roles] == (specs.split(",") if names is None else names)


@pytest.mark.parametrize("ending", ["", ":x", ":*", "@both"])
def test_every_relation_of_universal_dependencies_is_a_role(ending):
    specs = [f"{name}{ending}" for name in UNIVERSAL]
    assert [role.name for role in parse_roles(specs)] == specs
    assert parse_roles("cop")[0].relation == "cop"  # nearly the name of another role, copy


def test_specs_set_band_entropy_relation_and_set():
    bands = {role.name: role.band for role in parse_roles("local,local:0,offset:-3,sink,nsubj")}
    assert bands == {
        "local": (-2, 2),
        "local:0": (0, 0),
        "offset:-3": (-3, -3),
        "sink": EVERYWHERE,
        "nsubj": EVERYWHERE,
    }
    every = parse_roles("paper,block_plain,aux:pass@both,nsubj:*")
    assert [role.name for role in every if role.times_entropy] == ["block"]
    assert {role.name: role.relation for role in every if role.relation} == {
        **{name: name for name in ("syntactic", "nsubj", "obj", "amod", "advmod", "nsubj:*")},
        "aux:pass@both": "aux:pass",
    }
    assert {role.name for role in every if role.from_set} == set(PAPER)


def test_pairs_within_one_token_are_not_missing_from_the_corpus():
    encoded = one(det=[([1], [1])], nsubj=[([1], [2])])
    (sentence,) = missing(parse_roles("det,nsubj"), encoded)
    assert sentence == "no pair of relation 'det' in the corpus has its words in two tokens"


def test_an_absent_relation_lists_those_of_all_parts_nearest_first():
    parts = [one(obj=[([1], [2])], NSUBJ=[([1], [2])]), one(xcomp=[([1], [2])])]
    roles = parse_roles("local,nsubj,xcomp")
    presence = Presence()
    for part in parts:
        presence.add(Presence.of(roles, part))
    assert Presence.from_json(presence.to_json()) == presence
    assert absence_warnings(roles, presence) == [
        "no pair of relation 'nsubj' in the corpus; near to nsubj: NSUBJ; "
        "the corpus has NSUBJ, obj, xcomp"
    ]


def test_of_many_relations_thirty_are_listed():
    encoded = one(**{f"r{n:02}": [([1], [2])] for n in range(40)})
    with pytest.raises(InputError, match=r"r00, .* and 10 more$"):
        missing(parse_roles("nsubj"), encoded)


def test_role_objects_are_returned_unchanged():
    role = hs.Role("mine", lambda batch: None)
    assert parse_roles(["local", role])[1] is role


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (
            "",
            "a role must be one of paper, decoder, local[:WIDTH], offset:K, label:COLUMN[=VALUE], ",
        ),
        ("local,", "with @head2dep or @both (relation:NAME for any other name), got ''"),
        ("nsubj obj", "a dependency relation such as nsubj or nsubj:*, with @head2dep"),
        ("nsubj@head2dpe", "got 'nsubj@head2dpe'"),
        ("nsubj@head", "got 'nsubj@head'"),
        ("subj@pass@bot", "got 'subj@pass@bot'"),
        ("nsubj@Both", "got 'nsubj@Both'"),
        ("nsubj@both@both", "got 'nsubj@both@both'"),
        ("nsubj:", "got 'nsubj:'"),
        ("nsubj@", "got 'nsubj@'"),
        ("@both", "got '@both'"),
        ("relation:", "got 'relation:'"),
        ("relation", "got 'relation'"),
        ("relation:@both", "got 'relation:@both'"),
        ("<script>", "got '<script>'"),
        ("punctuatoin", "got 'punctuatoin'; near to punctuatoin: punctuation"),
        ("delimitr@both", "got 'delimitr@both'; near to delimitr@both: delimiter"),
        ("syntactics", "got 'syntactics'; near to syntactics: syntactic"),
        ("syntactic@pass", "got 'syntactic@pass'"),
        ("block:2", "same_word, syntactic, or a dependency relation"),
        ("sink@both", "got 'sink@both'"),
        ("paper@both", "got 'paper@both'"),
        ("paper:2", "got 'paper:2'"),
        ("local:wide", "local must come as local:NUMBER, got 'local:wide'"),
        ("local:2@both", "local must come as local:NUMBER, got 'local:2@both'"),
        ("offset", "offset must come as offset:NUMBER, got 'offset'"),
        ("offset:9999999999", "offset must come as offset:NUMBER, got 'offset:9999999999'"),
        ("local:-1", "the width of a local role must be 0 or more, got 'local:-1'"),
        ("recent", "recent must come as recent:NUMBER, got 'recent'"),
        ("recent:0", "the width of a recent role must be 1 or more, got 'recent:0'"),
        ("retrieval@both", "got 'retrieval@both'"),
        ("local,sink,local", "roles must differ from one another, got 'local' twice"),
        ("paper,nsubj", "got 'nsubj' twice"),
        (["sink", hs.Role("sink", lambda batch: None)], "got 'sink' twice"),
        ([], "roles must name at least one role (paper, decoder, local[:WIDTH], offset:K, "),
        (None, "roles must be a text or a list, got NoneType"),
        (hs.Role("mine", lambda batch: None), "roles must be a text or a list, got Role"),
        (["local", 2], "a role must be a text or a Role, got int"),
    ],
)
def test_invalid_specs_raise(roles, message):
    with pytest.raises(UsageError) as caught:
        parse_roles(roles)
    assert message in str(caught.value)


def test_names_of_transformer_lens_are_those_roles():
    pairs = ["previous_token_head previous", "duplicate_token_head duplicate"]
    for pair in (*pairs, "induction_head induction"):
        alias, role = parse_roles(pair.split())
        assert alias == replace(role, name=alias.name)


def test_gold_relations_name_the_corpus_that_has_them():
    reason = "headscore.synthetic writes ('needle')"
    (sentence,) = missing(parse_roles("local,retrieval"), UNPARSED)
    assert sentence.startswith("retrieval has no sieve: the corpus has no pair of the relation")
    assert reason in sentence


UNPARSED = hs.Encoded.from_arrays(np.ones((2, 4), int), None, np.eye(2, 4, dtype=int))
PARSED = hs.Encoded.from_arrays(
    np.ones((2, 4), int), None, None, None, {"nsubj:pass": [[], [([1], [2])]], "det": [[], []]}
)


@pytest.mark.parametrize(
    ("roles", "encoded", "sentences"),
    [
        ("local,delimiter,delimiter_cls", UNPARSED, []),
        ("local,delimiter_sep", UNPARSED, [
            "delimiter_sep has no sieve: the tokenizer adds no special token but the first"]),
        ("local,block", UNPARSED, [
            "block has no sieve: the corpus has no pair of texts "
            "(pairs consecutive makes them of sentences)"]),
        ("paper", UNPARSED, [
            "the text is not parsed, so syntactic, nsubj, obj, amod, advmod have no sieve: "
            "give a spaCy pipeline as parser, or a parsed corpus (.conllu)"]),
        ("nsubj:pass,nsubj:*@both", PARSED, []),
        ("local,nsubj", PARSED, [
            "no pair of relation 'nsubj' in the corpus; near to nsubj: nsubj:pass; "
            "the corpus has nsubj:pass"]),
        ("local,det,xyz@both", PARSED, [
            "no pair of relation 'det' in the corpus; the corpus has nsubj:pass",
            "no pair of relation 'xyz' in the corpus; the corpus has nsubj:pass"]),
        ("local,relation:NSUBJ:PASS", PARSED, [
            "no pair of relation 'NSUBJ:PASS' in the corpus; near to NSUBJ:PASS: nsubj:pass; "
            "the corpus has nsubj:pass"]),
        ("sink,delimiter,delimiter_sep", PARSED, [
            "delimiter has no sieve: the tokenizer adds no special tokens "
            "(sink is the role of the first token), or they are dropped",
            "delimiter_sep has no sieve: the tokenizer adds no special tokens "
            "(sink is the role of the first token), or they are dropped"]),
    ],
)  # fmt: skip
def test_missing_returns_a_sentence_for_each_absent_role(roles, encoded, sentences):
    assert missing(parse_roles(roles), encoded) == sentences


@pytest.mark.parametrize(
    ("roles", "encoded", "message"),
    [
        ("local,nsubj", UNPARSED, "the text is not parsed, so nsubj has no sieve: give a spaCy"),
        ("nsubj,sink,amod", UNPARSED, "nsubj, amod have no sieve"),
        ("nsubj", UNPARSED, "; local, block, delimiter, previous, next and others need no parse"),
        ("punctum", UNPARSED, "; near to punctum: punctuation"),
        ("nsubject", UNPARSED, "the text is not parsed, so nsubject has no sieve"),
        ("nsubj,det", PARSED, "none of the roles occurs in the corpus: no pair of relation"),
        ("block", PARSED, "none of the roles occurs in the corpus: block has no sieve: the corpus"),
    ],
)  # fmt: skip
def test_missing_raises_if_every_role_or_the_parse_is_absent(roles, encoded, message):
    with pytest.raises(InputError) as caught:
        missing(parse_roles(roles), encoded)
    assert message in str(caught.value)


def test_the_example_of_a_custom_role_is_scored():
    def commas(batch):
        ids = batch.grid(batch.input_ids, fill=-1)
        key = np.where(ids == 1010, 0, -1)
        return hs.Labels(np.zeros_like(key), key)

    encoded = hs.Encoded.from_arrays([[5, 1010, 7, 1010], [8, 9, 1010, 1010]], [4, 2])
    plan = hs.SievePlan.compile([hs.Role("commas", commas)], encoded)
    attention = np.zeros((2, 1, 4, 4), np.float32)
    attention[..., 1] = 1
    np.testing.assert_allclose(hs.sieve_scores(attention, plan)[:, 0, 0], [2.0, NAN])
