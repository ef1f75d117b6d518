"""Flip every bit of small inputs, cut them at every length, and read each as a user would.

Each try is answered by one sentence (HeadscoreError), or agrees with what a plain reader reads from
the same bytes; all else is wrong: other values, another error, a crash, more than 20 seconds of the
processor or 4 GiB of memory.

python benchmarks/robustness/broken_inputs.py [--all] [--only FORMAT ...]
"""

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import plain_readers as plain

import headscore as hs
from headscore.corpus import read as read_corpus

os.environ["HF_HUB_OFFLINE"] = "1"

SECONDS, MEMORY = 20, 2**32  # of a try
TEXTS = {
    "conllu": """\
# newdoc id = d1
# sent_id = a
# text = Lo  vimos del cannot é
1\tLo\t_\tPRON\t_\t_\t2\tobj\t_\t_
2\tvimos\t_\tVERB\t_\t_\t0\troot\t_\t_
3-4\tdel\t_\t_\t_\t_\t_\t_\t_\t_
3\tde\t_\tADP\t_\t_\t2\tcase\t_\t_
4\tel\t_\tDET\t_\t_\t3\tdet\t_\t_
5-6\tcannot\t_\t_\t_\t_\t_\t_\t_\t_
5\tcan\t_\tAUX\t_\t_\t2\taux\t_\t_
6\tnot\t_\tPART\t_\t_\t2\tadvmod\t_\t_
6.1\tx\t_\t_\t_\t_\t_\t_\t_\t_
7\té\t_\tX\t_\t_\t2\tdep\t_\t_

1\tGo\t_\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No
2\t!\t_\tPUNCT\t_\t_\t1\tpunct\t_\tA=b|SpaceAfter=No

""",
    "cupt": """\
# global.columns = ID FORM HEAD DEPREL PARSEME:MWE
# sent_id = a
1\tGive\t0\troot\t1:VPC
2\tup\t1\tcompound\t1

1\tGo\t0\troot\t*

""",
    "tsv": 'index\tquestion\tsentence\n0\tWho "barked?\tDogs é.\r\n1\t\t a  b\n',
    "jsonl": '{"sentence": "Old \\"dogs\\" \\u00e9\\ud83d\\ude00", "label": [-1.5e3, null]}\n'
    '\n{"sentence": ["Dogs", "bark"], "x": {"y": true}}\n',
    "txt": "Old dogs é\n\n\tbark. \r\n\n",
}
WORDS = ["[UNK]", "[PAD]", "</s>", "old", "dog", "##s", "bark", "."]


@dataclass(frozen=True)
class Format:
    """A file to damage.

    Attributes
    ----------
    name
        Of the format.
    path
        The whole file.
    read
        Reads the file, or the folder it is in, as a user would.
    plain
        Returns what must be read from some bytes; ValueError: nothing.
    """

    name: str
    path: Path
    read: Callable[[], Any]
    plain: Callable[[bytes], Any]


def corpora(folder):
    """One small corpus of each format."""
    for name, text in TEXTS.items():
        path = folder / f"corpus.{name}"
        path.write_bytes(text.encode())
        reader = plain.conllu if name == "cupt" else getattr(plain, name)
        yield Format(name, path, lambda path=path: sequences(path), reader)
    path = folder / "corpus.spacy"
    path.write_bytes(docbin())
    whole = sequences(path)
    yield Format("spacy", path, lambda: sequences(path), lambda _: whole)


def sequences(path):
    return [
        (
            each.id,
            each.document,
            [
                (s.text, s.words, s.spans, s.heads, s.relations, dict(s.labels or {}))
                for s in each.segments
            ],
        )
        for each in read_corpus(path)
    ]


def docbin():
    from spacy.tokens import Doc, DocBin
    from spacy.vocab import Vocab

    vocab = Vocab()
    words, deps = ["Old", "dogs", "bark", "."], ["amod", "nsubj", "ROOT", "punct"]
    parsed = Doc(vocab, words=words, heads=[1, 2, 2, 2], deps=deps, pos=["ADJ", "NOUN", "", ""])
    return DocBin(docs=[parsed, Doc(vocab, words=["She", "saw"])]).to_bytes()


def models(folder):
    """The files of small model folders."""
    single, many, spelled = (folder / name for name in ("single", "many", "spelled"))
    save_model(single)
    save_model(many, max_shard_size=500)
    save_model(spelled)
    (spelled / "tokenizer.json").unlink()
    config = {"tokenizer_class": "BertTokenizer", "model_max_length": 16, "eos_token": "</s>"}
    (spelled / "tokenizer_config.json").write_text(json.dumps(config))
    (spelled / "vocab.txt").write_text("".join(f"{word}\n" for word in [*WORDS, "[CLS]", "[SEP]"]))
    whole = weights(single)
    files = {
        "config.json": (single, settings, json.loads),
        "tokenizer.json": (single, vocabulary, tokens),
        "tokenizer_config.json": (single, tokenizer_settings, json.loads),
        "model.safetensors": (single, weights, plain.safetensors),
        "model.safetensors.index.json": (many, weights, lambda _: whole),
        "vocab.txt": (spelled, vocabulary, lines),
    }
    for name, (place, reading, plainly) in files.items():
        yield Format(name, place / name, lambda f=reading, p=place: f(p), plainly)


def save_model(folder, **options):
    """Save a Llama of one layer of one head, with a tokenizer of eight pieces."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    sizes = dict.fromkeys(("hidden_size", "intermediate_size"), 4)
    layers = dict.fromkeys(("num_hidden_layers", "num_attention_heads", "num_key_value_heads"), 1)
    config = LlamaConfig(vocab_size=10, max_position_embeddings=16, **sizes, **layers)
    LlamaModel(config).save_pretrained(folder, **options)
    pieces = Tokenizer(models.WordPiece({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))
    pieces.normalizer = normalizers.Lowercase()
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=pieces, model_max_length=16, **names).save_pretrained(
        folder
    )
    for path in folder.glob("*.json"):  # without spaces: fewer bits to flip
        path.write_text(json.dumps(json.loads(path.read_text()), separators=(",", ":")))


def loaded(folder):
    """The model of a folder, once texts are scored with it."""
    from headscore.model.load import load_model

    model = load_model(folder)
    texts = ["Old dogs bark.", "Dog."]
    hs.score(model.network, texts, tokenizer=model.tokenizer, roles="local", backend="cpu")
    return model


def settings(folder):
    found = loaded(folder).network.config.to_dict()
    del found["transformers_version"]  # of the library, not of the file
    return found


def vocabulary(folder):
    return loaded(folder).tokenizer.get_vocab()


def tokenizer_settings(folder):
    tokenizer = loaded(folder).tokenizer
    return {**tokenizer.special_tokens_map, "model_max_length": tokenizer.model_max_length}


def weights(folder):
    return {name: each.numpy() for name, each in loaded(folder).network.state_dict().items()}


def tokens(data):
    found = json.loads(data)
    return found["model"]["vocab"] | {t["content"]: t["id"] for t in found["added_tokens"]}


def lines(data):
    return {word: n for n, word in enumerate(data.decode().removesuffix("\n").split("\n"))}


def same(one, other):
    """Whether two readings agree; of settings and weights, in the names that both have."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same(one[name], other[name]) for name in one.keys() & other.keys())
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=True)
    return one == other


def damaged(data, stride):
    """Every bit flipped, every length; of both each `stride`-th."""
    for bit in range(0, 8 * len(data), stride):
        other = bytearray(data)
        other[bit >> 3] ^= 1 << (bit & 7)
        yield f"bit {bit & 7} of byte {bit >> 3}", bytes(other)
    for length in range(0, len(data), stride):
        yield f"cut to {length} bytes", data[:length]


def outcome(each, data):
    """Read a file with other bytes: "answered", "agreed", or what is wrong."""
    each.path.write_bytes(data)
    try:
        found = each.read()
    except hs.HeadscoreError as error:
        return "answered" if str(error) and "\n" not in str(error) else f"not one line: {error!r}"
    try:
        due = each.plain(data)
    except (ValueError, KeyError, IndexError, StopIteration, TypeError) as error:
        return f"read, but plainly refused: {error!r}"[:300]
    if isinstance(found, dict):  # of settings and weights, the names that both have
        names = [name for name in found.keys() & due.keys() if not same(found[name], due[name])]
        found, due = ({name: one[name] for name in names} for one in (found, due))
    return "agreed" if same(found, due) else f"read {found!r}, due {due!r}"[:300]


def in_children(tries, seconds=SECONDS):
    """What each of some functions returns, run in forked children: a crash is an outcome too."""
    found = []
    while len(found) < len(tries):
        source, sink = os.pipe()
        child = os.fork()
        if not child:
            os.close(source)
            run_tries(tries[len(found) :], sink, seconds)
        os.close(sink)
        with os.fdopen(source, encoding="utf-8") as stream:
            found += stream.read().splitlines()
        _, status = os.waitpid(child, 0)
        if status:
            found.append(f"ended by {signal.Signals(status & 127).name}")
    return found


def run_tries(tries, sink, seconds):
    """Run one after the other, in a child; never returns."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    resource.setrlimit(resource.RLIMIT_AS, (in_use() + MEMORY,) * 2)
    for each in tries:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # of the processor
        signal.alarm(20 * seconds)
        try:
            line = each()
        except BaseException as error:  # a panic of Rust is no Exception
            line = f"{type(error).__name__}: {error}"
        os.write(sink, ascii(line)[1:-1].encode() + b"\n")
    os._exit(0)


def in_use():
    """Bytes of the address space of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every bit and length; else a few")
    parser.add_argument("--only", nargs="+", default=[], metavar="FORMAT")
    parser.add_argument("--stride", type=int, default=97, help="take each so many-th bit")
    parser.add_argument("--tiny", action="store_true", help="as it is without --all")
    options = parser.parse_args()
    print("| format | bytes | tries | answered | agreed | wrong |", flush=True)
    n_wrong = 0
    with tempfile.TemporaryDirectory() as name:
        for each in chosen(Path(name), options.only):
            whole = each.path.read_bytes()
            tries = list(damaged(whole, 1 if options.all else options.stride))
            found = in_children([partial(outcome, each, data) for _, data in tries])
            each.path.write_bytes(whole)
            counts = Counter(found)
            wrong = [n for n, one in enumerate(found) if one not in ("answered", "agreed")]
            n_wrong += len(wrong)
            cells = [each.name, len(whole), len(tries), counts["answered"], counts["agreed"]]
            print(f"| {' | '.join(map(str, [*cells, len(wrong)]))} |", flush=True)
            for n in wrong[:20]:
                print(f"    {tries[n][0]}: {found[n]}", flush=True)
    return 1 if n_wrong else 0


def chosen(folder, names):
    """The formats that are asked for; models are made only where one of them is."""
    corpora_of = [each for each in corpora(folder) if not names or each.name in names]
    yield from corpora_of
    if not names or set(names) - {each.name for each in corpora_of}:
        yield from (each for each in models(folder) if not names or each.name in names)


if __name__ == "__main__":
    sys.exit(main())
