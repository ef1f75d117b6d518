"""Synthetic corpora: exact tokens, gold pairs against plain loops, and scores of known heads."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import induction, tiny
from helpers.same import assert_same_encoded
from helpers.tokenizers import KINDS
from tokenizers import decoders
from transformers import GPT2Config, GPT2Model

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.options import KINDS as TASKS
from headscore.tasks import repeated
from headscore.tasks.synthetic import SIZES

RELATIONS = {
    "repeated": ("copy", "after_copy"),
    "repeated_text": ("copy", "after_copy"),
    "indirect_object": ("s1_to_s2", "after_s1_to_s2", "s2_to_end", "io_to_end", "s1_to_end"),
    "needle": ("retrieval",),
    "ordered": ("successor",),
    "brackets": ("bracket",),
}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    return KINDS[request.param]()


@pytest.fixture(scope="module")
def bpe():
    """A tokenizer without unknown tokens, which also decodes."""
    made = KINDS["bpe"]()
    made.backend_tokenizer.decoder = decoders.ByteLevel()
    return made


def rows_of(encoded):
    """Token ids of each sequence, and its pairs as (relation, query tokens, key tokens)."""
    pairs, names = encoded.pairs, encoded.relation_names
    for s, (start, end) in enumerate(pairwise(encoded.offsets.tolist())):
        found = []
        for p in range(*pairs.offsets[s : s + 2].tolist()):
            query = pairs.dependents[slice(*pairs.dependent_offsets[p : p + 2])].tolist()
            key = pairs.heads[slice(*pairs.head_offsets[p : p + 2])].tolist()
            found.append((names[pairs.relation[p]], query, key))
        yield encoded.input_ids[start:end].tolist(), found


def spelled(tokenizer, ids, places):
    return tokenizer.decode([ids[place] for place in places]).strip()


@pytest.mark.parametrize("kind", TASKS)
def test_the_same_seed_gives_the_same_sequences_whatever_their_number(kind, bpe):
    some, more = (hs.synthetic(kind, bpe, n, seed=3) for n in (4, 7))
    for one, other in zip(rows_of(some), rows_of(more), strict=False):
        assert one == other
    others = hs.synthetic(kind, bpe, 4, seed=4)
    assert [*rows_of(some)] != [*rows_of(others)]
    assert_same_encoded(some, hs.synthetic(kind, bpe, 4, seed=3))


@pytest.mark.parametrize("kind", TASKS)
def test_a_corpus_has_its_relations_names_and_facts(kind, bpe, tmp_path):
    encoded = hs.synthetic(kind, bpe, 5, seed=1)
    assert encoded.relation_names == RELATIONS[kind]
    assert set(SIZES) == set(TASKS)
    assert encoded.ids == tuple(f"{kind}-{n}" for n in range(5))
    assert encoded.facts["parser"] == f"synthetic ({kind}, seed 1)"
    assert encoded.parsed
    assert "place" not in encoded.columns
    if kind != "repeated_text":
        assert encoded.documents == encoded.ids
    encoded.save(tmp_path / "c.hse")
    assert_same_encoded(hs.load(tmp_path / "c.hse"), encoded)


def test_repeats_are_the_same_tokens_twice(tokenizer):
    encoded = hs.synthetic("repeated", tokenizer, 20, size=(3, 9))
    sizes = set()
    for ids, pairs in rows_of(encoded):
        own = ids[1:-1]  # <s> and </s>
        n = len(own) // 2
        sizes.add(n)
        assert own[:n] == own[n:]
        assert len(set(own)) == n
        assert not set(own) & set(tokenizer.all_special_ids)
        second = range(1 + n, 1 + 2 * n)
        assert [each for each in pairs if each[0] == "copy"] == [
            ("copy", [i], [i - n]) for i in second
        ]
        assert [each for each in pairs if each[0] == "after_copy"] == [
            ("after_copy", [i], [i - n + 1]) for i in second
        ]
    assert sizes == set(range(3, 10))
    assert encoded.special.tolist().count(True) == 40


def test_repeated_texts_are_texts_twice_with_their_documents(bpe):
    texts = [
        hs.Sequence.from_text("The dog barked.", document="d"),
        hs.Sequence.from_text("nice dogs bark"),
    ]
    encoded = hs.synthetic("repeated_text", bpe, 2, texts=texts, size=(1, 5))
    found = {bpe.decode(ids[1:-1]).strip(): ids[1:-1] for ids, _ in rows_of(encoded)}
    assert set(found) == {"The dog barked. The dog barked.", "nice dogs bark nice dogs bark"}
    for own in found.values():
        assert own[: len(own) // 2] == own[len(own) // 2 :]
    assert "d" in encoded.documents
    assert set(encoded.documents) < {"d", *encoded.ids}
    with pytest.raises(InputError, match=r"at least 3 of 8 to 30 words, got 0"):
        hs.synthetic("repeated_text", bpe, 3, texts=["The dog"])


def test_indirect_objects_are_found_in_the_text(bpe):
    for ids, pairs in rows_of(hs.synthetic("indirect_object", bpe, 30)):
        text = bpe.decode(ids[1:-1]).strip()
        parts = re.fullmatch(r"\w+ (\w+) and (\w+) .*, (\w+) .* to", text)
        a, b, subject = parts.groups()
        other = b if subject == a else a
        found = {name: (spelled(bpe, ids, q), spelled(bpe, ids, k)) for name, q, k in pairs}
        after = "and" if subject == a else text.split()[4]
        assert found == {
            "s1_to_s2": (subject, subject),
            "after_s1_to_s2": (subject, after),
            "s2_to_end": ("to", subject),
            "io_to_end": ("to", other),
            "s1_to_end": ("to", subject),
        }
        places = {name: (q, k) for name, q, k in pairs}
        assert places["s1_to_s2"][0] == places["s2_to_end"][1] > places["s1_to_end"][1]


def test_needles_are_the_words_of_the_city_that_is_asked_for(tokenizer):
    encoded = hs.synthetic("needle", tokenizer, 6, size=(2, 4), texts=["The dog barked."])
    for ids, pairs in rows_of(encoded):
        for _, (query,), (key,) in pairs:
            assert key < query
            assert ids[key] == ids[query + 1]  # what the query predicts


def test_the_needle_is_the_answer(bpe):
    for ids, pairs in rows_of(hs.synthetic("needle", bpe, 6, size=(2, 4))):
        text = bpe.decode(ids[1:-1])
        city, answer = re.search(r"the words for (\w+) are (.*)\.$", text).groups()
        assert f"The secret words of {city} are {answer}." in text
        keys = [key for _, _, (key,) in pairs]
        assert spelled(bpe, ids, keys) == answer
        assert len(re.findall("The secret words of", text)) == 3


def test_lists_are_in_order(bpe):
    for ids, pairs in rows_of(hs.synthetic("ordered", bpe, 30)):
        text = bpe.decode(ids[1:-1]).strip()
        items = re.findall(r"(\w+):", text)
        assert [spelled(bpe, ids, key) for _, _, key in pairs] == items[:-1]
        for (_, (query,), _), item in zip(pairs, items[1:], strict=True):
            assert spelled(bpe, ids, [query]) == "."
            assert bpe.decode(ids[query + 1 :]).strip().startswith(f"{item}:")


def closed_by(text):
    """Places of brackets in a text: closing -> opening, by plain counting."""
    found = {}
    for at, closing in enumerate(text):
        if closing in ")]}":
            depth = 0
            for before in range(at, -1, -1):
                depth += (text[before] in ")]}") - (text[before] in "([{")
                if depth == 0:
                    found[at] = before
                    break
    return found


def test_brackets_close_the_last_open_one(bpe):
    for ids, pairs in rows_of(hs.synthetic("brackets", bpe, 30)):
        letters = [bpe.decode([id]).strip() for id in ids]
        kept = [n for n, letter in enumerate(letters) if letter in tuple("()[]{}")]
        by_place = closed_by([letters[n] for n in kept])
        wanted = [("bracket", [kept[q]], [kept[k]]) for q, k in by_place.items()]
        # A blank before a bracket may be a token of its own, the first of two.
        found = [(name, query[-1:], key[-1:]) for name, query, key in pairs]
        assert sorted(found) == sorted(wanted)
        kinds = {letters[query] + letters[key] for _, (query,), (key,) in found}
        assert kinds <= {")(", "][", "}{"}


def test_the_known_induction_head_is_found_and_used(tmp_path):
    network, tokenizer = induction.induction_model(), induction.tokenizer()
    corpus = hs.synthetic("repeated", tokenizer, 40, size=(6, 20))
    roles = "previous,induction_head,after_copy"
    report = hs.analyze(network, corpus, roles=roles, tokenizer=tokenizer, progress=False)
    assert "|parser:synthetic (repeated, seed 0)|" in report.signature
    (layer, head) = induction.INDUCTION
    for role in ("induction_head", "after_copy"):
        assert (layer, head) in {(row.layer, row.head) for row in report.heads(role).itertuples()}
    assert induction.PREVIOUS in {
        (row.layer, row.head) for row in report.heads("previous").itertuples()
    }
    held_out = hs.synthetic("repeated", tokenizer, 20, size=(6, 20), seed=1)
    held_out.save(tmp_path / "held_out.hse")
    effect = hs.validate(
        network, tmp_path / "held_out.hse", report, roles="after_copy", tokenizer=tokenizer,
        sets=2, progress=False,
    )  # fmt: skip
    assert effect.arms("after_copy").loc["knockout", "delta"] > 0.5


def test_scores_of_gold_pairs_are_those_of_eager_attention():
    bpe = KINDS["bpe"]()
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(bpe), n_positions=512, n_embd=16, n_layer=2, n_head=4, initializer_range=0.5,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    network = GPT2Model(config).eval()
    corpus = hs.synthetic("indirect_object", bpe, 6)
    scores = hs.score(network, corpus, roles="io_to_end,s2_to_end", tokenizer=bpe, progress=False)
    for s, (ids, pairs) in enumerate(rows_of(corpus)):
        inputs = {"input_ids": torch.tensor([ids])}
        attentions = tiny.eager_attentions(network, inputs)
        for r, role in enumerate(("io_to_end", "s2_to_end")):
            ((query, key),) = [each[1:] for each in pairs if each[0] == role]
            for layer, attention in enumerate(attentions):
                rows = attention[0].double().numpy()
                # Attention of each row, times the keys it sees: uniform attention scores 1.
                want = np.mean([rows[:, i, key].mean(1) * (i + 1) for i in query], axis=0)
                np.testing.assert_allclose(scores.values[s, r, layer], want, rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        (("poem", 3), {}, "kind must be one of repeated, repeated_text, indirect_object, needle, "),
        (("repeated", 0), {}, "n must be an integer of at least 1, got 0"),
        (("repeated", True), {}, "n must be an integer of at least 1, got True"),
        (("repeated", 2), {"size": (3, 2)}, "size must be a pair of whole numbers, the least at "),
        (("repeated", 2), {"size": 3}, "got 3"),
        (("repeated", 2), {"size": (400, 400)}, "size must be at most 306, the tokens of the voca"),
        (("indirect_object", 2), {"size": (3, 4)}, "size must be left out with indirect_object"),
        (("brackets", 2), {"texts": ["a"]}, "texts must be left out with brackets"),
        (("brackets", 2), {"seed": -1}, "seed must be an integer of at least 0"),
    ],
)
def test_wrong_options_raise(arguments, changes, message, bpe):
    kind, n = arguments
    with pytest.raises(UsageError) as caught:
        hs.synthetic(kind, bpe, n, **changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_tokenizer_cannot_read_raises(bpe):
    short = KINDS["bpe"]()
    short.model_max_length = 12
    with pytest.raises(InputError, match=r"must have at most 12 tokens, got \d+"):
        hs.synthetic("repeated", short, 2)
    with pytest.raises(InputError, match="'brackets-0' is longer than the limit of 12 tokens"):
        hs.synthetic("brackets", short, 2)
    with pytest.raises(InputError, match="texts must hold a text, got none"):
        hs.synthetic("needle", bpe, 2, texts=[" "])
    with pytest.raises(InputError, match="texts must be a corpus of texts, got an Encoded"):
        hs.synthetic("needle", bpe, 2, texts=hs.synthetic("brackets", bpe, 1))


def test_tokenizers_that_change_a_text_between_special_tokens_are_refused(bpe):
    class Odd:
        def __call__(self, text, add_special_tokens=True):
            return {"input_ids": [1, 9, 2] if add_special_tokens else [5]}

    with pytest.raises(InputError, match=r"got \[1, 9, 2\] for \[5\]"):
        repeated.encode_repeats([[5]], ["a"], ["a"], Odd(), 9)


def test_slow_tokenizers_are_refused_where_words_are_needed():
    class Slow:
        model_max_length = 100
        all_special_ids = ()

    with pytest.raises(InputError, match=r"must be a fast one, whose offsets .* got Slow"):
        hs.synthetic("brackets", Slow(), 2)
