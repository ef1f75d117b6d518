"""Text pairs as the source of an encoder and the target of a decoder."""

import numpy as np
import pytest
from helpers import tiny

from headscore.corpus.sequence import Segment, Sequence
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding.encode import encode
from headscore.encoding.join import join
from headscore.encoding.source_target import Target, encode_source_target
from headscore.errors import InputError

ROBERTA = tiny.tokenizer("roberta")
PLAIN = tiny.tokenizer("gpt2")  # adds no token


def pairs(n, seed=0):
    return [each for each in tiny.sequences(2 * n, seed) if each.is_pair]


def read(sequences, tokenizer=ROBERTA, *, start=9, cross=False, **options):
    return encode_source_target(
        SequenceTable.of(sequences),
        tokenizer,
        Target(start, cross),
        **{"max_length": 128, **options},
    )


def singles(sequences, side):
    return [Sequence(each.id, (each.segments[side],)) for each in sequences]


def listed(encoded, number):
    """Token ids, special tokens, words, and word pairs of a sequence, as plain lists."""
    start, end = encoded.offsets[number : number + 2]
    names, p = encoded.relation_names, encoded.pairs
    found = [
        (
            names[p.relation[n]],
            p.dependents[p.dependent_offsets[n] : p.dependent_offsets[n + 1]].tolist(),
            p.heads[p.head_offsets[n] : p.head_offsets[n + 1]].tolist(),
        )
        for n in range(p.offsets[number], p.offsets[number + 1])
    ]
    flat = (encoded.input_ids, encoded.special, encoded.columns["word"].labels)
    return (*(each[start:end].tolist() for each in flat), sorted(found))


def moved(labels, start, last):
    """What a decoder reads of the tokens of a target."""
    ids, special, words, related = labels
    first = ids[-1] if start is None else start
    later = [
        (name, [d + 1 for d in dependent], [h + 1 for h in head])
        for name, dependent, head in related
        if last or len(ids) not in [at + 1 for at in (*dependent, *head)]
    ]
    return [first, *ids[:-1]], [True, *special[:-1]], [-1, *words[:-1]], sorted(later)


@pytest.mark.parametrize("start", [9, None])
@pytest.mark.parametrize("tokenizer", [ROBERTA, PLAIN], ids=["marked", "plain"])
def test_a_decoder_reads_the_target_one_token_later(tokenizer, start):
    corpus = pairs(12)
    got = read(corpus, tokenizer, start=start)
    source = encode(singles(corpus, 0), tokenizer, max_length=128)
    labels = encode(singles(corpus, 1), tokenizer, max_length=128)
    assert got.ids == tuple(each.id for each in corpus)
    for number in range(len(corpus)):
        assert listed(got.source, number) == listed(source, number)
        want = moved(listed(labels, number), start, last=tokenizer is ROBERTA)
        assert listed(got, number) == want
    assert got.parsed
    assert not got.token_types.any()


def test_word_pairs_besides_the_parse_stay_with_their_text():
    marked = Segment.from_words(["bal", "dal", "bat"], word_pairs=[("coref", 2, 0)])
    others = Segment.from_words(["dal", "bat"], word_pairs=[("x", 0, 1), ("coref", 1, 0)])
    plain = Segment.from_words(["bat"])
    texts = ((marked, others), (plain, marked), (others, plain))
    corpus = [Sequence(str(n), each) for n, each in enumerate(texts)]
    got = read(corpus)
    for side, encoded in ((0, got.source), (1, got)):
        alone = encode(singles(corpus, side), ROBERTA, max_length=128)
        for number in range(len(corpus)):
            want = listed(alone, number)
            want = moved(want, 9, last=True) if side else want
            assert listed(encoded, number)[3] == want[3]


def test_pieces_join_to_the_whole():
    corpus = pairs(10)
    whole, joined = read(corpus), join([read(corpus[:3]), read(corpus[3:4]), read(corpus[4:])])
    for one, other in ((whole, joined), (whole.source, joined.source)):
        assert one.ids == other.ids
        for number in range(len(corpus)):
            assert listed(one, number) == listed(other, number)


def test_a_batch_takes_its_source_along():
    whole = read(pairs(6))
    batch = whole.take(np.array([4, 1]))
    assert [listed(batch.source, n) for n in (0, 1)] == [listed(whole.source, n) for n in (4, 1)]
    with pytest.raises(InputError, match="must have no source"):
        whole.save("pairs.hse")


@pytest.mark.parametrize("side", [0, 1])
def test_a_pair_with_an_empty_text_is_left_out(side):
    corpus = pairs(4)
    texts = ["bat", " "] if side else [" ", "bat"]
    blank = Sequence.from_text(*texts, id="blank")
    got = read([*corpus[:2], blank, *corpus[2:]])
    want = read(corpus)
    assert got.ids == got.source.ids == want.ids
    assert got.counts == {**want.counts, "empty": 1}
    for number in range(len(corpus)):
        assert listed(got, number) == listed(want, number)
        assert listed(got.source, number) == listed(want.source, number)


def test_a_pair_with_a_long_text_is_skipped_or_truncated():
    long, short = " ".join(["bat"] * 30), "dal"
    corpus = [
        Sequence.from_text(long, short, id="a"),
        Sequence.from_text(short, long, id="b"),
        Sequence.from_text(short, short, id="c"),
    ]
    skipped = read(corpus, max_length=20, too_long="skip")
    assert skipped.ids == skipped.source.ids == ("c",)
    assert skipped.counts == {"too_long_skipped": 2}
    cut = read(corpus, max_length=20)
    assert cut.counts == {"truncated": 2}
    assert cut.lengths.tolist() == [3, 20, 3]
    assert cut.source.lengths.tolist() == [20, 3, 3]


def test_a_single_text_raises():
    corpus = [*pairs(1), Sequence.from_text("bat", id="alone")]
    with pytest.raises(InputError, match=r"of text pairs.*single text in sequence 'alone'"):
        read(corpus)


def test_word_pairs_of_the_target_are_none_of_cross_attention():
    got = read(pairs(3), cross=True)
    assert got.relation_names == ()
    assert not got.parsed
    assert len(got.pairs.relation) == 0


def test_the_tokenizer_encodes_targets_as_such():
    class Switching:
        """A tokenizer that marks targets with [MASK] in place of [CLS], as NLLB does languages."""

        def __init__(self, inner):
            self._inner, self.modes = inner, []

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def __call__(self, *texts, **options):
            return self._inner(*texts, **options)

        def _switch_to_target_mode(self):
            self.modes.append("target")

        def _switch_to_input_mode(self):
            self.modes.append("input")

    tokenizer = Switching(ROBERTA)
    read(pairs(2), tokenizer)
    assert tokenizer.modes == ["target", "input"]
