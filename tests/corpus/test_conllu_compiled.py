"""The compiled reader of CoNLL-U gives the sequences and errors of the definition."""

import pickle
import random
import sys
from dataclasses import FrozenInstanceError, fields, replace

import pytest
from helpers.conllu import read_slowly

from headscore.corpus.conllu._sentences import read_valid
from headscore.corpus.conllu.numbering import Numbering
from headscore.corpus.conllu.reader import read_conllu
from headscore.corpus.sequence import Segment
from headscore.errors import InputError
from headscore.options import ReadOptions


def row(id_, form, upos="_", head="_", relation="_", misc="_"):
    return "\t".join([id_, form, "_", upos, "_", "_", head, relation, "_", misc])


SENTENCES = [
    [
        *["# newdoc id = d", "# sent_id = x", "# text = don't go.", row("1-2", "don't")],
        *[row("1", "do", "AUX", "3", "aux"), row("2", "n't", "PART", "3", "advmod")],
        row("2.1", "ghost"),
        row("3", "go", "VERB", "0", "root", "SpaceAfter=No|Gloss=x"),
        row("4", ".", "PUNCT", "3", "punct"),
    ],
    [
        *["# newdoc", "# text = Vou\u00a0à praia ", row("1", "Vou", "", "0", "root")],
        *[row("2-3", "à"), row("2", "a", "_", "1"), row("3", "a", "DET", "1")],
        row("4", "praia", "NOUN", "1", "obl", "SpaceAfter=No"),
    ],
    ["# sent_id = y", row("1", "no", misc="SpaceAfter=No"), row("2", "heads")],
    [
        *[
            "# text = \U0001f600 10 000  m",
            row("0.1", "e"),
            row("1", "\U0001f600", "SYM", "3", "dep"),
        ],
        *[row("2", "10 000", "NUM", "3", "nummod"), row("3", "m", "NOUN", "0", "root")],
    ],
    ["#a", "#text=#", row("1", "#", "SYM", "0", "root")],
]
PIECES = [
    *["", "\t", "\n", "\n\n", "\r\n", "\r", "\0", "-", ".", "_", "0", "1", "2", "3", "4", "#", "|"],
    *[" ", "=", "é", "\u00a0", "\u2003", "SpaceAfter=No", "# text = ", "# sent_id = x\n", "1-2"],
    *["# newdoc\n", "# newdoc id = z\n", "01", "2.1", "\ufeff", "9" * 12],
]


def read_both(path):
    """The result of the reader, in the form of `read_slowly`, and that of the definition."""
    found = []
    options = ReadOptions(skip_invalid=True)
    try:
        for sequence in read_conllu(path, options, log=found.append):
            found.append(sequence)
    except InputError as error:
        found.append(str(error))
    return found, read_slowly(path)


def damaged(data, rng):
    """Replace, insert, repeat and remove bytes at up to four places."""
    for _ in range(rng.randint(0, 4)):
        at, length = rng.randrange(len(data) + 1), rng.choice([0, 0, 1, 1, 2, 20])
        other = rng.randrange(len(data) + 1)
        new = rng.choice(
            [rng.choice(PIECES).encode(), bytes([rng.randrange(256)]), data[other : other + 20]]
        )
        data = data[:at] + new + data[at + length :]
    return data


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_have_the_same_sequences_and_errors(tmp_path, seed):
    rng = random.Random(seed)
    path = tmp_path / "a.conllu"
    n_valid = 0
    for _ in range(400):
        chosen = rng.choices(SENTENCES, k=rng.randint(1, 4))
        data = "\n\n".join("\n".join(each) for each in chosen).encode()
        data += rng.choice([b"", b"\n", b"\n\n"])
        data = data.replace(b"\n", b"\r\n") if rng.random() < 0.2 else data
        path.write_bytes(damaged(data, rng))
        fast, slow = read_both(path)
        assert fast == slow, path.read_bytes()
        n_valid += sum(not isinstance(each, str) for each in slow)
    assert n_valid > 300


def test_every_character_between_words_is_taken_as_white_space_or_not(tmp_path):
    """One sentence for each character, between its words, around its id and at its end."""
    path = tmp_path / "a.conllu"
    letters = [chr(n) for n in range(1, 0x3100) if chr(n) not in "\n\r"]
    letters += [chr(n) for n in range(0x3100, sys.maxunicode + 1, 97) if not 0xD800 <= n < 0xE000]
    words = [row("1", "a", head="0"), row("2", "b", head="1", misc="SpaceAfter=No"), ""]
    path.write_text(
        "\n".join(
            line
            for letter in letters
            for line in (
                f"# text = a{letter}b{letter}",
                f"#{letter}sent_id = {letter}{ord(letter)}{letter}",
                *words,
            )
        ),
        encoding="utf-8",
        newline="\n",
    )
    fast, slow = read_both(path)
    assert fast == slow
    spaces = sum(letter.isspace() for letter in letters)
    assert sum(not isinstance(each, str) for each in fast) == spaces > 20


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_files_of_many_pieces_are_read_across_their_borders(tmp_path, ending):
    """A long sentence is larger than a piece of the file."""
    path = tmp_path / "a.conllu"
    long = [row(str(n + 1), "w" * 99, head=str(n)) for n in range(4000)]
    wrong = ["# text = b", row("1", "a", head="0")]
    sentences = [*SENTENCES * 400, long, wrong, *SENTENCES[1:2] * 3, long, *SENTENCES[3:] * 2000]
    lines = [line for each in sentences for line in (*each, "")]
    path.write_bytes(ending.join(lines).encode())
    fast, slow = read_both(path)
    assert fast == slow
    assert len(fast) == len(sentences)


def test_valid_sentences_are_read_compiled_and_share_their_names(tmp_path):
    data = "".join("\n".join([*each, "", ""]) for each in SENTENCES).encode()
    sequences, stop, line = read_valid(data, 0, 1, Numbering())
    assert (len(sequences), stop, line) == (len(SENTENCES), len(data), data.count(b"\n") + 1)
    first, _, _, fourth, fifth = (each.segments[0] for each in sequences)
    assert first.relations[2] is fourth.relations[2] is fifth.relations[0]
    assert first.labels["upos"] == ("AUX", "PART", "VERB", "PUNCT")
    assert fourth.labels["upos"][0] is fifth.labels["upos"][0]


def test_sentences_of_readers_equal_those_of_the_constructors(tmp_path):
    data = "".join("\n".join([*each, "", ""]) for each in SENTENCES).encode()
    for sequence in read_valid(data, 0, 1, Numbering())[0]:
        (segment,) = sequence.segments
        columns = {each.name: getattr(segment, each.name) for each in fields(Segment)}
        assert Segment(**columns) == segment
        assert repr(Segment(**columns)) == repr(segment)
        assert replace(segment) == pickle.loads(pickle.dumps(segment)) == segment
        assert replace(sequence, id="new") == sequence.renamed("new")
        with pytest.raises(FrozenInstanceError):
            segment.text = ""
