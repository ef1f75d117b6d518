"""Roles beyond the paper: agreement with the loops, masks and pairs, and plug-in packages."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest
from helpers import loops
from hypothesis import given
from hypothesis import strategies as st

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.roles import registry
from headscore.roles.presence import missing
from headscore.roles.specs import parse_roles

SPECS = (
    "previous next duplicate induction same_word punctuation label:entity label:entity=PER "
    "label:entity=NONE label:lacking"
).split()


@st.composite
def sequences(draw):
    """Token ids, special marks, word numbers and labels of one sequence."""
    n = draw(st.integers(1, 9))

    def several(values):
        return draw(st.lists(st.sampled_from(values), min_size=n, max_size=n))

    words = np.cumsum(several([0, 0, 1])).tolist()
    return {
        "ids": several([4, 5, 50_000]),
        "special": several([False, False, False, True]),
        "words": [w if known else -1 for w, known in zip(words, several([1, 1, 0]), strict=True)],
        "labels": {"entity": several(["", "PER", "LOC"]), "punctuation": several(["", "yes"])},
    }


def batch_of(items):
    tokens = max(len(item["ids"]) for item in items) + 1  # what stands in the padding is not seen
    lengths = [len(item["ids"]) for item in items]

    def grid(rows, fill):
        return np.array([[*row, *[fill] * (tokens - len(row))] for row in rows])

    columns = {
        name: grid([item["labels"][name] for item in items], "PER")
        for name in ("entity", "punctuation")
    }
    columns["word"] = grid([item["words"] for item in items], 1)
    special = grid([item["special"] for item in items], False)
    ids = grid([item["ids"] for item in items], 4)
    return hs.Encoded.from_arrays(ids, lengths, special, columns=columns)


@given(st.lists(sequences(), min_size=1, max_size=3), st.sampled_from([False, True]))
@pytest.mark.parametrize("spec", SPECS)
def test_roles_agree_with_the_loops(spec, items, causal):
    encoded = batch_of(items)
    tokens = encoded.tokens
    rng = np.random.default_rng(0)
    attention = rng.random((len(items), 1, tokens, tokens))
    if causal:
        attention = np.tril(attention)
    for row, n in zip(attention, encoded.lengths, strict=True):
        row[..., n:] = 0
    attention /= attention.sum(-1, keepdims=True)
    got = hs.sieve_scores(attention, hs.SievePlan.compile(spec, encoded), causal=causal)[:, 0, 0]
    for s, item in enumerate(items):
        n = len(item["ids"])
        labels = {**item["labels"], "lacking": [""] * n}
        sieves = loops.token_sieves(spec, item["ids"], item["special"], item["words"], labels)
        mask = [[j in sieve for j in range(n)] for sieve in sieves]
        want = loops.mask_score(attention[s, 0, :n, :n].tolist(), mask, causal)
        np.testing.assert_allclose(got[s], np.nan if want is None else want, rtol=1e-5)


@given(st.lists(sequences(), min_size=1, max_size=3))
def test_take_keeps_the_columns(items):
    encoded = batch_of(items)
    order = np.arange(len(items))[::-1]
    taken = encoded.take(order)
    for s, at in enumerate(order):
        for name, column in encoded.columns.items():
            want = column.labels[slice(*encoded.offsets[at : at + 2])]
            got = taken.columns[name].labels[slice(*taken.offsets[s : s + 2])]
            assert got.tolist() == want.tolist()


def looking_back(tokens, distance):
    rows = np.eye(tokens)[np.maximum(np.arange(tokens) - distance, 0)]
    return rows[None, None]


def test_induction_is_the_token_after_the_earlier_one():
    encoded = hs.Encoded.from_arrays([[7, 8, 9, 7, 8, 9]])
    plan = hs.SievePlan.compile("induction,duplicate", encoded)
    back_two = hs.sieve_scores(looking_back(6, 2), plan, causal=True)[0, :, 0]
    back_three = hs.sieve_scores(looking_back(6, 3), plan, causal=True)[0, :, 0]
    np.testing.assert_allclose(back_two, [(4 + 5 + 6) / 3, 0])
    np.testing.assert_allclose(back_three, [0, (4 + 5 + 6) / 3])


def test_a_token_repeats_one_of_any_distance():
    encoded = hs.Encoded.from_arrays([[7, *range(10, 210), 7]])
    plan = hs.SievePlan.compile("duplicate", encoded)
    scores = hs.sieve_scores(looking_back(202, 201), plan, causal=True)
    np.testing.assert_allclose(scores[0, 0, 0], 202)


def test_token_id_0_is_a_token_like_others():
    encoded = hs.Encoded.from_arrays([[0, 8, 0, 8]])
    plan = hs.SievePlan.compile("induction,duplicate", encoded)
    back_one = hs.sieve_scores(looking_back(4, 1), plan, causal=True)[0, :, 0]
    back_two = hs.sieve_scores(looking_back(4, 2), plan, causal=True)[0, :, 0]
    # The second 0 looks at the 8 before it, which follows a 0; the second 8 at a 0 that follows 8.
    np.testing.assert_allclose(back_one, [(3 + 4) / 2, 0])
    np.testing.assert_allclose(back_two, [0, (3 + 4) / 2])


def test_roles_from_masks_and_pairs_follow_the_sequence_id():
    encoded = hs.Encoded.from_arrays(np.ones((3, 4), int), [4, 2, 3])
    mask = np.zeros((4, 4), bool)
    mask[1, 3] = True
    roles = [
        hs.roles.from_masks("mask", {"0": mask, "2": mask[:3, :3]}),
        hs.roles.from_pairs("pairs", {"2": [([0, 1], [2])], "elsewhere": [([9], [9])]}),
    ]
    attention = np.zeros((3, 1, 4, 4))
    attention[0, ..., 3], attention[1, ..., 1], attention[2, ..., 2] = 1, 1, 1
    nan = np.nan
    for order in ([0, 1, 2], [2, 0, 1]):
        plan = hs.SievePlan.compile(roles, encoded.take(np.array(order)))
        got = hs.sieve_scores(attention[order], plan)[:, :, 0]
        np.testing.assert_allclose(got, np.array([[4, nan], [nan, nan], [nan, 3]])[order])


def test_a_mask_of_another_size_raises():
    role = hs.roles.from_masks("mine", {"0": np.ones((3, 3), bool)})
    encoded = hs.Encoded.from_arrays(np.ones((1, 4), int))
    with pytest.raises(InputError) as caught:
        hs.SievePlan.compile([role], encoded)
    assert str(caught.value) == (
        "the mask of role 'mine' for sequence '0' must be bool (4, 4), got bool (3, 3)"
    )


def test_missing_returns_why_a_role_has_no_sieve():
    encoded = hs.Encoded.from_arrays([[5, 6, 7]], columns={"entity": [["", "PER", ""]]})
    roles = "local,label:ner,label:entity=LOC,duplicate,same_word,punctuation,label:entity"
    assert missing(parse_roles(roles), encoded) == [
        "label:ner has no sieve: the corpus has no column 'ner', its columns are entity",
        "label:entity=LOC has no sieve: no token has 'LOC' in column 'entity', which has PER",
        "duplicate has no sieve: no token of the corpus repeats an earlier one of its sequence",
        "same_word has no sieve: no word of the corpus has more than one piece, or none are known",
        "punctuation has no sieve: the corpus has no column 'punctuation', its columns are entity",
    ]


def test_a_label_that_occurs_is_not_missing():
    columns = {"entity": [["LOC", "PER", ""]], "chunk": [["NP", "NP", "NP"]]}
    encoded = hs.Encoded.from_arrays([[5, 6, 7]], columns=columns)
    roles = parse_roles("label:entity=LOC,label:entity=PER,label:entity,label:chunk=NP,label:chunk")
    assert missing(roles, encoded) == []
    assert [role.lacking(encoded) for role in roles] == [None] * 5


@pytest.mark.parametrize("spec", ["label", "label:", "label:=PER", "label:entity="])
def test_a_label_role_without_a_column_raises(spec):
    with pytest.raises(UsageError, match="label must come as label:COLUMN or label:COLUMN=VALUE"):
        parse_roles([spec])


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({"entity": [["A", "B"]]}, "columns['entity'] must be texts or integers of the shape"),
        ({"entity": [[0.5, 1.5, 2.5]]}, "got float64 (1, 3)"),
    ],
)
def test_columns_of_a_wrong_shape_or_dtype_raise(columns, part):
    with pytest.raises(InputError) as caught:
        hs.Encoded.from_arrays([[5, 6, 7]], columns=columns)
    assert part in str(caught.value)


def first_half(spec, detail):
    """A role that another package could add: keys in the first part of a sequence."""
    share = 1 / int(detail or 2)

    def sieve(batch):
        place = np.arange(batch.tokens)
        key = np.where(place < batch.lengths[:, None] * share, 0, -1)
        return hs.Labels(np.zeros_like(key), key)

    return hs.Role(spec, sieve)


LAST = hs.Role("last", lambda batch: np.ones((len(batch), batch.tokens, batch.tokens), bool))


def fails(spec, detail):
    raise RuntimeError("no such file")


@pytest.fixture
def packages(monkeypatch):
    """Let another package name some roles."""
    names = {
        "part": "test_roles:first_half",
        "last": "test_roles:LAST",
        "other": "test_roles:LAST",
        "sink": "test_roles:LAST",
        "broken": "test_roles:fails",
        "gone": "test_roles:nothing",
    }
    points = [EntryPoint(name, value, registry.GROUP) for name, value in names.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    registry.added.cache_clear()
    yield
    registry.added.cache_clear()


@pytest.mark.usefixtures("packages")
def test_roles_of_other_packages_are_found():
    roles = parse_roles("last,part:4,part,sink")
    assert roles[0] is LAST
    assert [role.name for role in roles] == ["last", "part:4", "part", "sink"]
    assert roles[3] is registry.NAMED["sink"]  # a name of our own stays ours
    plan = hs.SievePlan.compile("part,part:4", hs.Encoded.from_arrays(np.ones((1, 8), int)))
    np.testing.assert_allclose(hs.sieve_scores(np.eye(8)[None, None], plan)[0, :, 0], [1, 1])
    with pytest.raises(UsageError, match="same_word, part, last, other, broken, gone, syntactic"):
        parse_roles("last@both")


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("broken", "the role 'broken' of test_roles:fails cannot be made: no such file"),
        ("gone", "the role 'gone' of test_roles:nothing cannot be made: module 'test_roles' has"),
        ("other", "test_roles:LAST must give a Role named 'other', got 'last'"),
        ("last:2", "test_roles:LAST must give a Role named 'last:2', got 'last'"),
    ],
)
def test_a_broken_role_of_another_package_raises(spec, sentence):
    with pytest.raises(UsageError) as caught:
        parse_roles(spec)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("name", ["a,b", "my own", "a\n"])
def test_names_with_a_comma_or_blank_raise(name):
    with pytest.raises(UsageError, match="must have no comma or blank in it"):
        hs.Role(name, lambda batch: None)


@pytest.mark.parametrize(
    "band",
    [
        (-1.0, 1),
        (-1, 1.0),
        (-1.0, 1.0),
        [-1, 1],
        (True, 1),
        (1,),
        (-1, 0, 1),
        None,
        1,
        (-(2**40), 1),
    ],
)
def test_a_band_that_is_no_pair_of_integers_raises(band):
    with pytest.raises(UsageError, match="the band of role 'mine' must be two integers within"):
        hs.Role("mine", lambda batch: None, band=band)


def test_a_band_may_reach_as_far_as_everywhere():
    low, high = hs.Role("mine", lambda batch: None).band
    assert hs.Role("mine", lambda batch: None, band=(low, high)).band == (low, high)
    for band in ((low - 1, high), (low, high + 1)):
        with pytest.raises(UsageError, match="must be two integers within"):
            hs.Role("mine", lambda batch: None, band=band)


def test_a_spec_in_capitals_raises_with_the_nearest_name():
    with pytest.raises(UsageError, match="near to paper: paper"):
        parse_roles("PAPER")


def test_help_names_every_role(capsys):
    from headscore.cli import main
    from headscore.roles.registry import own_names

    with pytest.raises(SystemExit):
        main(["analyze", "--help"])
    said = capsys.readouterr().out
    assert [name for name in own_names() if name not in said] == []
