"""Encoding: the tokens of each word for three kinds of tokenizer, truncation, and counts."""

import re
from functools import partial
from itertools import chain, pairwise

import numpy as np
import pytest
from helpers import tiny
from helpers.tokenizers import KINDS, TOKENIZERS, byte_level_bpe, word_piece
from hypothesis import assume, given
from hypothesis import strategies as st

from headscore.corpus.sequence import Segment, Sequence
from headscore.encoding.encode import encode
from headscore.encoding.tokens import _beginnings
from headscore.errors import InputError, UsageError
from headscore.roles.presence import missing
from headscore.roles.specs import asks_for, parse_roles


@pytest.fixture(params=KINDS)
def tokenizer(request):
    return TOKENIZERS.setdefault(request.param, KINDS[request.param]())


@pytest.fixture
def bpe():
    return TOKENIZERS.setdefault("bpe", byte_level_bpe())


@pytest.fixture
def wordpiece():
    return TOKENIZERS.setdefault("wordpiece", word_piece())


def chained(text, spans, mark="w"):
    """A segment in which every word but the last depends on a word of its own: the next one."""
    n = len(spans)
    words = tuple(text[start:end] for start, end in spans)
    heads = tuple(i + 1 if i + 1 < n else -1 for i in range(n))
    relations = tuple(f"{mark}{i}" if i + 1 < n else "root" for i in range(n))
    return Segment(text, words, tuple(spans), heads, relations)


def split(text):
    """Spans of words, punctuation and single CJK characters."""
    return [match.span() for match in re.finditer(r"[一-龥]|[^\W一-龥]+|[^\w\s]+", text)]


def relations_of(encoded, s=0):
    """Relation -> (dependent pieces, head pieces) of a sequence in which relations differ."""
    pairs = encoded.pairs
    found = {}
    for p in range(*encoded.pairs.offsets[s : s + 2]):
        name = encoded.relation_names[pairs.relation[p]]
        assert name not in found
        found[name] = tuple(
            values[offsets[p] : offsets[p + 1]].tolist()
            for offsets, values in (
                (pairs.dependent_offsets, pairs.dependents),
                (pairs.head_offsets, pairs.heads),
            )
        )
    return found


def pieces_of(encoded, n_words, s=0, mark="w"):
    """Positions of every word of a chained segment."""
    found = relations_of(encoded, s)
    assert all(
        found[f"{mark}{i}"][1] == found[f"{mark}{j}"][0] for i, j in pairwise(range(n_words - 1))
    )
    return [found[f"{mark}{i}"][0] for i in range(n_words - 1)] + [found[f"{mark}{n_words - 2}"][1]]


def loop_pieces(text, span, offsets):
    """Indices of the tokens of a word: those that share characters, and the space mark before."""
    start, end = span
    shared = [t for t, (s, e) in enumerate(offsets) if any(s <= c < e for c in range(start, end))]
    before = shared[0] - 1 if shared else -1
    spaced = start == 0 or text[start - 1].isspace()
    is_mark = before >= 0 and spaced and offsets[before] in ((start - 1, start), (start, start))
    return [before, *shared] if is_mark else shared


TEXTS = [
    "the dog saw the dog and the other dog",
    "Él vió cafés naïve, naı̈ve ﬁne",
    "我喜欢猫和狗，猫 喜欢 我",
    "nice 🙂 🙂🙂 emoji 👩‍👧 👩‍👧 there",
    "two  spaces   here \n and\ta tab ",
    "  gonna didn't unseenword ŧŧ x",
]


@pytest.mark.parametrize("text", TEXTS)
def test_words_map_to_the_tokens_that_cover_them(tokenizer, text):
    spans = split(text)
    encoded = encode([Sequence("a", (chained(text, spans),))], tokenizer, max_length=200)
    offsets = tokenizer(text).encodings[0].offsets
    assert "relations_dropped" not in encoded.counts
    for span, pieces in zip(spans, pieces_of(encoded, len(spans)), strict=True):
        assert [1 + t for t in loop_pieces(text, span, offsets[1:-1])] == pieces
        covered = text[offsets[pieces[0]][0] : offsets[pieces[-1]][1]]
        alone = all(text[i : i + 1] in ("", " ") for i in (span[0] - 1, span[1]) if i >= 0)
        if alone:  # no neighbour to share a piece with
            assert covered.strip() == text[slice(*span)]
        assert text[slice(*span)] in covered


def test_repeated_words_map_to_their_own_tokens(tokenizer):
    text = "the dog saw the dog"
    encoded = encode([Sequence("a", (chained(text, split(text)),))], tokenizer, max_length=99)
    pieces = pieces_of(encoded, 5)
    assert list(chain.from_iterable(pieces)) == list(range(1, len(encoded.input_ids) - 1))
    ids = [encoded.input_ids[each].tolist() for each in pieces]
    assert ids[:2] == ids[3:]


characters = st.text(st.sampled_from("thedogbarkÉé我狗🙂‍,.'ﬁ\u0307x"), min_size=1, max_size=6)


@given(st.lists(st.tuples(characters, st.sampled_from(["", " ", "  ", "\n"])), min_size=2))
@pytest.mark.parametrize("kind", KINDS)
def test_words_of_any_text_agree_with_the_loops(kind, parts):
    tokenizer = TOKENIZERS.setdefault(kind, KINDS[kind]())
    text, spans = "", []
    for word, space in parts:
        spans.append((len(text), len(text) + len(word)))
        text += word + space
    encoding = tokenizer(text).encodings[0]
    wanted = [loop_pieces(text, span, encoding.offsets[1:-1]) for span in spans]
    assume(any(wanted))
    encoded = encode([Sequence("a", (chained(text, spans),))], tokenizer, max_length=10**4)
    assert encoded.input_ids.tolist() == encoding.ids
    assert relations_of(encoded) == {
        f"w{i}": ([1 + t for t in ours], [1 + t for t in theirs])
        for i, (ours, theirs) in enumerate(pairwise(wanted))
        if ours and theirs
    }
    dropped = sum(not (ours and theirs) for ours, theirs in pairwise(wanted))
    assert encoded.counts.get("relations_dropped", 0) == dropped


@given(st.lists(st.text(st.sampled_from("thedogbarkÉé我狗🙂,.'ﬁx"), min_size=1), min_size=2))
@pytest.mark.parametrize("kind", KINDS)
def test_given_words_map_to_the_tokens_of_word_ids(kind, words):
    tokenizer = TOKENIZERS.setdefault(kind, KINDS[kind]())
    segment = Segment.from_words(words)
    wanted = tokenizer(words, is_split_into_words=True)
    encoded = encode(
        [Sequence("a", (chained(segment.text, segment.spans),))], tokenizer, max_length=10**4
    )
    assert encoded.input_ids.tolist() == wanted["input_ids"]
    owners = np.array([-1 if owner is None else owner for owner in wanted.word_ids()])
    assert pieces_of(encoded, len(words)) == [
        np.flatnonzero(owners == i).tolist() for i in range(len(words))
    ]


def test_words_of_text_pairs_map_to_their_tokens(tokenizer):
    first, second = "the dog didn't bark", "我 saw the dog 🙂"
    segments = chained(first, split(first), "a"), chained(second, split(second), "b")
    encoded = encode([Sequence("p", segments)], tokenizer, max_length=99)
    encoding = tokenizer(first, second).encodings[0]
    owners = encoding.sequence_ids
    assert encoded.input_ids.tolist() == encoding.ids
    assert encoded.special.tolist() == [owner is None for owner in owners]
    assert encoded.segments[~encoded.special].tolist() == [o for o in owners if o is not None]
    assert encoded.token_types.tolist() == encoding.type_ids
    for number, (text, mark) in enumerate([(first, "a"), (second, "b")]):
        at = owners.index(number)
        offsets = [o for o, owner in zip(encoding.offsets, owners, strict=True) if owner == number]
        assert pieces_of(encoded, len(split(text)), mark=mark) == [
            [at + t for t in loop_pieces(text, span, offsets)] for span in split(text)
        ]


@given(
    texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=2),
    max_length=st.integers(6, 40),
    side=st.sampled_from(["left", "right"]),
)
@pytest.mark.parametrize("kind", KINDS)
def test_word_pairs_with_a_truncated_word_are_dropped(kind, texts, max_length, side):
    tokenizer = TOKENIZERS.setdefault(kind, KINDS[kind]())
    segments = tuple(chained(text, split(text), f"t{n}_") for n, text in enumerate(texts))
    whole = tokenizer(*texts).encodings[0]
    tokenizer.truncation_side = side
    try:
        encoded = encode([Sequence("a", segments)], tokenizer, max_length=max_length)
    finally:
        tokenizer.truncation_side = "right"
    assert len(encoded.input_ids) == min(max_length, len(whole.ids))
    assert encoded.counts.get("truncated", 0) == (len(whole.ids) > max_length)
    wanted, dropped = {}, 0
    for n, text in enumerate(texts):
        mine = (encoded.segments == n) & ~encoded.special
        kept, at = int(mine.sum()), int(mine.argmax())
        offsets = [
            offset
            for offset, owner in zip(whole.offsets, whole.sequence_ids, strict=True)
            if owner == n
        ]
        first = len(offsets) - kept if side == "left" else 0
        words = [loop_pieces(text, span, offsets) for span in split(text)]
        inside = range(first, first + kept)
        # a space mark that went alone takes no character with it
        whole_words = [
            all(t in inside for t in word if offsets[t][1] > start)
            for word, (start, _) in zip(words, split(text), strict=True)
        ]
        for i, related in enumerate(pairwise(words)):
            if whole_words[i] and whole_words[i + 1]:
                wanted[f"t{n}_{i}"] = tuple(
                    [at + t - first for t in word if t in inside] for word in related
                )
            else:
                dropped += 1
    assert relations_of(encoded) == wanted
    assert encoded.counts.get("relations_dropped", 0) == dropped


DOG = "transformational dogs barked"


@pytest.mark.parametrize("too_long", ["truncate", "skip"])
def test_too_long_truncates_or_skips(wordpiece, too_long):
    items = [Sequence.from_text(text, id=text) for text in (DOG, "the dog")]
    short = len(wordpiece("the dog")["input_ids"])
    encoded = encode(items, wordpiece, max_length=short, too_long=too_long)
    if too_long == "skip":
        assert (encoded.ids, encoded.counts) == (("the dog",), {"too_long_skipped": 1})
    else:
        assert (encoded.ids, encoded.counts) == ((DOG, "the dog"), {"truncated": 1})
    assert encoded.lengths.tolist() == [short] * len(encoded)
    assert encoded.special.sum() == 2 * len(encoded)


def test_a_text_of_exactly_max_length_is_kept(wordpiece):
    n = len(wordpiece(DOG)["input_ids"])
    for too_long in ("truncate", "skip", "error"):
        encoded = encode([Sequence.from_text(DOG)], wordpiece, max_length=n, too_long=too_long)
        assert (encoded.lengths.tolist(), encoded.counts) == ([n], {})


@pytest.mark.parametrize(
    ("second", "options", "error", "message"),
    [
        (None, {"max_length": 5, "too_long": "error"}, InputError,
         "sequence 'one' is longer than the limit of 5 tokens"),
        (None, {"max_length": 2, "too_long": "error"}, InputError,
         "sequence 'one' is longer than the limit of 2 tokens"),
        (None, {"max_length": 2}, InputError, "no usable sequence (too_long_skipped: 1)"),
        (None, {"max_length": 5, "too_long": "skip"}, InputError,
         "the corpus holds no usable sequence (too_long_skipped: 1)"),
        ("dog", {"max_length": 3}, InputError, "no usable sequence (too_long_skipped: 1)"),
        (None, {"max_length": 1}, UsageError,
         "max_length must leave room for the special tokens of 'one', got 1"),
        ("dog", {"max_length": 2}, UsageError, "special tokens of 'one', got 2"),
    ],
)  # fmt: skip
def test_too_long_sequences_raise(wordpiece, second, options, error, message):
    with pytest.raises(error) as caught:
        encode([Sequence.from_text(DOG, second, id="one")], wordpiece, **options)
    assert message in str(caught.value)


def test_sequences_without_tokens_are_skipped_and_counted_as_empty(wordpiece):
    items = [
        Sequence.from_text("", id="nothing"),
        Sequence.from_text(" \n\t\u3000", id="spaces"),
        Sequence.from_text("dog", " ", id="empty second"),
        Sequence.from_text("", "dog", id="empty first"),
        Sequence.from_text("\x07", id="no piece"),
        Sequence.from_words([], id="no word"),
        Sequence.from_text("dog", id="usable"),
    ]
    encoded = encode(items, wordpiece, max_length=9)
    assert (encoded.ids, encoded.counts) == (("usable",), {"empty": 6})
    with pytest.raises(InputError, match=r"no usable sequence \(empty: 6\)"):
        encode(items[:-1], wordpiece, max_length=9)
    with pytest.raises(InputError, match=r"no usable sequence \(it is empty\)"):
        encode([], wordpiece, max_length=9)


def python_tokenizer(words, tmp_path):
    """A tokenizer in Python, which does not know which token came from where."""
    from transformers import BertJapaneseTokenizer

    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    return BertJapaneseTokenizer(
        str(path), word_tokenizer_type="basic", subword_tokenizer_type="wordpiece"
    )


def test_a_slow_tokenizer_encodes_everything_but_words(tmp_path):
    tokenizer = python_tokenizer(["dogs", "bark", ",", "cat"], tmp_path)
    assert not tokenizer.is_fast
    items = [
        Sequence.from_words(["dogs", ",", "bark"], [2, -1, -1], ["nsubj", "root", "root"], id="a"),
        Sequence.from_text("dogs [SEP] bark", "cat cat", id="b"),
    ]
    encoded = encode(items, tokenizer, max_length=9)
    dogs, bark, comma, cat = tokenizer.convert_tokens_to_ids(["dogs", "bark", ",", "cat"])
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert encoded.input_ids[:5].tolist() == [cls, dogs, comma, bark, sep]
    assert encoded.special[:5].tolist() == [True, False, False, False, True]
    second = slice(*encoded.offsets[1:3])
    assert encoded.input_ids[second].tolist()[-4:] == [sep, cat, cat, sep]
    inside = ~encoded.special[second]
    assert encoded.segments[second][inside].tolist()[-2:] == [1, 1]
    assert set(encoded.segments[second][inside].tolist()[:-2]) == {0}
    assert encoded.columns["punctuation"].labels[:5].tolist() == [-1, -1, 0, -1, -1]
    assert "word" not in encoded.columns
    with pytest.raises(InputError) as caught:
        missing(parse_roles("local,nsubj"), encoded)
    assert "BertJapaneseTokenizer is a slow tokenizer without offsets, so nsubj has" in str(
        caught.value
    )
    assert missing(parse_roles("local,same_word"), encoded) == [
        "same_word has no sieve: no word of the corpus has more than one piece, or none are known"
    ]
    cut = encode(items, tokenizer, max_length=4)
    assert (cut.lengths == 4).all()
    assert cut.counts["truncated"] == 2


def test_word_labels_are_copied_to_their_tokens():
    labels = {"entity": ["", "PER", "PER"], "upos": ["DET", "NOUN", "VERB"]}
    items = [
        Sequence.from_words(["the", "transformational", "dog"], labels=labels, id="a"),
        Sequence.from_text("the dog", id="b"),
    ]
    tokenizer = word_piece()
    encoded = encode(items, tokenizer, max_length=99)
    n = int(encoded.offsets[1])
    entity, names = encoded.columns["entity"]
    word = encoded.columns["word"].labels[:n]
    assert names == ("PER",)
    assert (entity[:n][word >= 1] == 0).all()
    assert (entity[:n][word < 1] == -1).all()
    assert (entity[n:] == -1).all()
    upos, names = encoded.columns["upos"]
    tags = [names[label] for label in upos[:n] if label >= 0]
    assert tags == ["DET", *["NOUN"] * (n - 4), "VERB"]
    assert n - 4 > 1


@pytest.mark.parametrize("make", [word_piece, byte_level_bpe])
def test_tokens_of_only_punctuation_are_labelled(make):
    tokenizer = make()
    encoded = encode([Sequence.from_text("dogs, cats 🙂 didn't!")], tokenizer, max_length=99)
    marks = encoded.columns["punctuation"].labels == 0
    texts = [tokenizer.decode([token]).strip() for token in encoded.input_ids[marks]]
    assert texts
    assert set(texts) <= {",", "'", "!"}
    assert {",", "'"} <= set(texts) or make is byte_level_bpe


def parsed(text, spans, heads, relations):
    words = tuple(text[start:end] for start, end in spans)
    return Sequence("a", (Segment(text, words, spans, heads, relations),))


def test_a_dependent_without_tokens_drops_its_word_pair(wordpiece):
    text = "the \x07 dog"
    sequence = parsed(text, ((0, 3), (4, 5), (6, 9)), (2, 2, -1), ("det", "amod", "root"))
    encoded = encode([sequence], wordpiece, max_length=9)
    assert relations_of(encoded) == {"det": ([1], [2])}
    assert encoded.counts == {"relations_dropped": 1}


def test_a_head_without_tokens_drops_its_word_pair(wordpiece):
    sequence = parsed("the \x07", ((0, 3), (4, 5)), (1, -1), ("det", "root"))
    encoded = encode([sequence], wordpiece, max_length=9)
    assert (relations_of(encoded), encoded.counts) == ({}, {"relations_dropped": 1})
    assert encoded.parsed


@pytest.mark.parametrize(
    ("roles", "dropped"),
    [("nsubj", 0), ("amod", 1), ("local", 0), ("amod,det", 2), ("nsubj,amod", 1), ("local,det", 1)],
)
def test_only_relations_that_some_role_needs_count_as_dropped(roles, dropped, wordpiece):
    text = "\x07 \x07 dog barked"
    spans = ((0, 1), (2, 3), (4, 7), (8, 14))
    sequence = parsed(text, spans, (2, 2, 3, -1), ("det", "amod", "nsubj", "root"))
    needed = partial(asks_for, parse_roles(roles))
    encoded = encode([sequence], wordpiece, max_length=9)
    assert encoded.counting(needed).counts == ({"relations_dropped": dropped} if dropped else {})
    asked = encode([sequence], wordpiece, max_length=9, asked=needed)
    assert asked.counts == encoded.counting(needed).counts


def test_a_word_of_spaces_drops_its_word_pair(bpe):
    text = "the  dog barked"  # a parser makes a word of the second space
    sequence = parsed(
        text, ((0, 3), (4, 5), (5, 8), (9, 15)), (2, 0, 3, -1), ("det", "dep", "nsubj", "root")
    )
    encoded = encode([sequence], bpe, max_length=30)
    assert sorted(relations_of(encoded)) == ["det", "nsubj"]
    assert encoded.counts == {"relations_dropped": 1}


def test_words_that_share_a_token_keep_their_word_pairs(wordpiece):
    text = "ŧŧŧħħ the"
    assert wordpiece(text).tokens() == ["<s>", "<unk>", "the", "</s>"]
    sequence = parsed(text, ((0, 3), (3, 5), (6, 9)), (-1, 0, 1), ("root", "aux", "det"))
    encoded = encode([sequence], wordpiece, max_length=30)
    assert relations_of(encoded) == {"aux": ([1], [1]), "det": ([2], [1])}


def test_roots_give_no_word_pair_and_relations_keep_their_order(wordpiece):
    segment = Segment.from_words(["the", "dog", "dog"], [1, -1, 0], ["det", "root", "amod"])
    encoded = encode(
        [Sequence("a", (segment,)), Sequence("b", (segment, segment), "d")],
        wordpiece,
        max_length=99,
    )
    assert encoded.relation_names == ("det", "amod")
    assert encoded.pairs.offsets.tolist() == [0, 2, 6]
    assert encoded.documents == (None, "d")


def test_single_texts_and_text_pairs_keep_their_order(wordpiece):
    items = [
        Sequence.from_text("the " * (1 + n % 7), "dog" if n % 3 else None, id=str(n))
        for n in range(600)
    ]
    encoded = encode(items, wordpiece, max_length=99)
    assert encoded.ids == tuple(str(n) for n in range(600))
    assert encoded.lengths.tolist() == [3 + n % 7 + 2 * bool(n % 3) for n in range(600)]
    assert not encoded.parsed


def test_encoded_is_parsed_if_any_sequence_is(wordpiece):
    items = [Sequence.from_words(["dog"], [-1], ["root"]), *[Sequence.from_text("dog")] * 300]
    for order in (items, items[::-1]):
        assert encode(order, wordpiece, max_length=9).parsed


@pytest.mark.model
def test_literal_special_tokens_are_not_special(minilm):
    items = [
        Sequence.from_text("The [SEP] dog", "a [CLS] cat [MASK]"),
        Sequence.from_text("The dog", "a cat"),
    ]
    encoded = encode(items, minilm.tokenizer, max_length=minilm.max_length)
    assert encoded.counts == {"literal_special": 1}
    for s in range(2):
        special = encoded.special[slice(*encoded.offsets[s : s + 2])]
        ids = encoded.input_ids[slice(*encoded.offsets[s : s + 2])]
        owners = np.flatnonzero(special)
        assert minilm.tokenizer.convert_ids_to_tokens(ids[owners]) == ["[CLS]", "[SEP]", "[SEP]"]
        assert not set(minilm.tokenizer.all_special_ids) & set(ids[~special].tolist())
        assert owners[[0, 2]].tolist() == [0, len(ids) - 1]
    sieve = parse_roles("delimiter")[0].sieve(encoded)
    assert (sieve.key == 0).sum(1).tolist() == [3, 3]


@pytest.mark.model
def test_words_of_the_minilm_tokenizer_map_to_the_tokens_of_word_ids(minilm):
    words = ["Transformationalists", "don't", "eat", "cafés", "in", "东京", "🙂", "don't", "."]
    segment = Segment.from_words(words)
    wanted = minilm.tokenizer(words, is_split_into_words=True)
    sequence = Sequence("a", (chained(segment.text, segment.spans),))
    encoded = encode([sequence], minilm.tokenizer, max_length=99)
    assert encoded.input_ids.tolist() == wanted["input_ids"]
    for i, pieces in enumerate(pieces_of(encoded, len(words))):
        assert pieces == [t for t, owner in enumerate(wanted.word_ids()) if owner == i]


def test_two_very_long_texts_are_cut_as_the_tokenizer_cuts_them():
    tokenizer = tiny.tokenizer()
    rng = np.random.default_rng(0)
    long = [" ".join(rng.choice(tiny.ROOTS, n)) for n in (4000, 3000)]
    for texts in (long, long[::-1], [long[0], "bal dan"], ["bal", long[1]]):
        cut = encode([Sequence("a", tuple(map(Segment, texts)))], tokenizer, max_length=32)
        whole = tokenizer(*texts, truncation="longest_first", max_length=32)
        assert cut.input_ids.tolist() == whole["input_ids"]
        assert cut.counts["truncated"] == 1
    short = _beginnings([long, ["bal", "dan"]], tokenizer, 32)
    assert [len(tokenizer.tokenize(text)) for text in short[0]] == [128, 64]
    assert short[1] == ["bal", "dan"]
    assert _beginnings([long], tokenizer, 2**31 - 1) == [long]
