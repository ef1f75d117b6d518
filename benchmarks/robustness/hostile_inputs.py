"""Read inputs that were made to do harm, and print the sentence that each is answered with.

Whatever is read is shown as such; all else is wrong: another error, a crash, more than 40 seconds
of the processor or 4 GiB of memory.

python benchmarks/robustness/hostile_inputs.py [--only WORD ...]
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import zlib
from functools import partial, reduce
from pathlib import Path

import broken_inputs

import headscore as hs

DIGITS = b"9" * 10**7
DEEP = b"[" * 100_000 + b"]" * 100_000
EVIL = "</script><script>evil()</script>\u202e\x1b[31m../../etc/passwd"
ROW = "{}\t{}\t_\t_\t_\t_\t{}\t{}\t_\t_\n"


def sparse(path, size):
    with path.open("wb") as file:
        file.truncate(size)


def bomb(path):
    """A DocBin of about 0.1 MB that holds 128 MiB."""
    stream, zeros = zlib.compressobj(9), bytes(2**20)
    path.write_bytes(b"".join([*(stream.compress(zeros) for _ in range(2**7)), stream.flush()]))


def docbin(change):
    """Return a writer of a DocBin whose parts are changed but whose checksum is right."""
    import srsly

    def write(path):
        parts = srsly.msgpack_loads(zlib.decompress(broken_inputs.docbin()))
        change(parts)
        path.write_bytes(zlib.compress(srsly.msgpack_dumps(parts)))

    return write


def tokens_of(parts, word):
    """Set the first eight bytes of the tokens, an attribute of the first one."""
    parts["tokens"] = word + parts["tokens"][8:]


CORPORA = {
    "a line of 1 GB": ("a.txt", lambda path: sparse(path, 2**30)),
    "a sentence of 1 GB": ("a.conllu", lambda path: sparse(path, 2**30)),
    "a head of 10^7 digits": ("a.conllu", ROW.format(1, "a", "9" * 10**7, "x").encode()),
    "an id of 10^7 digits": ("a.conllu", ROW.format("9" * 10**7, "a", 0, "root").encode()),
    "a range of 10^9 words": ("a.conllu", ROW.format("1-999999999", "a", "_", "_").encode()),
    "a number of 10^7 digits": ("a.jsonl", b'{"sentence": "a", "n": ' + DIGITS + b"}"),
    "JSON of depth 100 000": ("a.jsonl", b'{"sentence": ' + DEEP + b"}"),
    "a lone surrogate": ("a.jsonl", b'{"sentence": "a \\ud800 b"}'),
    "a lone surrogate in a word": ("a.jsonl", b'{"sentence": ["a", "\\udfff"]}'),
    "a key twice": ("a.jsonl", b'{"sentence": "a", "sentence": "b"}'),
    "NUL in a text": ("a.txt", b"a\0b\n"),
    "NUL as an escape": ("a.jsonl", b'{"sentence": "a\\u0000b"}'),
    "UTF-16": ("a.tsv", "sentence\na\n".encode("utf-16")),
    "a byte order mark inside": ("a.txt", "a\n\ufeffb\n".encode()),
    "an evil id twice": (
        "a.conllu",
        (f"# sent_id = {EVIL}\n" + ROW.format(1, "a", 0, "root") + "\n").encode() * 2,
    ),
    "an evil word and relation": ("a.conllu", ROW.format(1, EVIL, 0, EVIL).encode()),
    "columns twice": ("a.tsv", b"sentence\tsentence\na\tb\n"),
    "a DocBin that holds 1000 times its size": ("a.spacy", bomb),
    "a DocBin with an unknown string": (
        "a.spacy",
        docbin(lambda parts: parts.update(strings=[""])),
    ),
    "a DocBin with 2^31 tokens": (
        "a.spacy",
        docbin(lambda parts: parts.update(lengths=b"\xff\xff\xff\x7f" * 2)),
    ),
    "a DocBin with -1 tokens": (
        "a.spacy",
        docbin(lambda parts: parts.update(lengths=b"\xff\xff\xff\xff" * 2)),
    ),
    "a DocBin with an unknown attribute": (
        "a.spacy",
        docbin(lambda parts: parts.update(attrs=[9999, *parts["attrs"][1:]])),
    ),
    "a DocBin with a number of 2^63": (
        "a.spacy",
        docbin(lambda parts: tokens_of(parts, b"\0" * 7 + b"\x80")),
    ),
    "a DocBin of another kind": ("a.spacy", lambda path: path.write_bytes(zlib.compress(DEEP))),
}


def change(name, **values):
    """Return a function that sets values of a JSON file in a folder."""

    def write(folder):
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return write


def vocabulary(id):
    def write(folder):
        path = folder / "tokenizer.json"
        found = json.loads(path.read_text())
        found["model"]["vocab"]["old"] = id
        path.write_text(json.dumps(found))

    return write


def text(name, content):
    return lambda folder: (folder / name).write_text(content)


def split(pattern):
    return {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }


def template(single, specials):
    sides = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": sides,
        "special_tokens": specials,
    }


def own_code(folder):
    """Name code in the folder, which would leave a file there."""
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    change("config.json", auto_map={"AutoConfig": "own.C", "AutoModel": "own.M"})(folder)
    change("tokenizer_config.json", auto_map={"AutoTokenizer": ["own.T", None]})(folder)


def pickled(folder):
    """Put weights in pickle, which would leave a file, in place of those in safetensors."""

    class Harm:
        def __reduce__(self):
            return open, (str(folder / "ran"), "w")

    import torch

    torch.save({"weight": Harm()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def linked(folder):
    """Put the weights elsewhere behind a link, as the cache of the hub does."""
    path = folder / "model.safetensors"
    path.rename(folder.parent / "blob")
    path.symlink_to(folder.parent / "blob")


config, names = partial(change, "config.json"), partial(change, "tokenizer_config.json")
tokenizer = partial(change, "tokenizer.json")
NESTED = reduce(
    lambda one, _: {"type": "Sequence", "normalizers": [one]}, range(300), {"type": "Lowercase"}
)
MODELS = {
    "hidden_size 10^9": config(hidden_size=10**9),
    "hidden_size -4": config(hidden_size=-4),
    "hidden_size NaN": config(hidden_size=float("nan")),
    "hidden_size of 10^5 digits": lambda folder: text(
        "config.json",
        (folder / "config.json")
        .read_text()
        .replace('"hidden_size":4', f'"hidden_size":{"9" * 10**5}'),
    )(folder),
    "10^9 layers": config(num_hidden_layers=10**9),
    "-1 layers": config(num_hidden_layers=-1),
    "0 heads": config(num_attention_heads=0),
    "a vocabulary of 5 * 10^8": config(vocab_size=5 * 10**8),
    "an epsilon of NaN": config(rms_norm_eps=float("nan")),
    "positions -1": config(max_position_embeddings=-1),
    "a config of depth 100 000": text("config.json", DEEP.decode()),
    "a config that is a list": text("config.json", "[]"),
    "a config that is null": text("config.json", "null"),
    "dtype system": config(dtype="system"),
    "attention of the hub": config(attn_implementation="evil/kernel"),
    "an activation of another name": config(hidden_act="__import__"),
    "an unknown quantization": config(quantization_config={"quant_method": "evil"}),
    "a generation config cut off": text("generation_config.json", "{"),
    "an adapter config cut off": text("adapter_config.json", "{"),
    "code of its own": own_code,
    "pickled weights alone": pickled,
    "weights behind a link": linked,
    "a vocabulary id beyond the embeddings": vocabulary(99),
    "a vocabulary id of 2^31": vocabulary(2**31),
    "a vocabulary id of -1": vocabulary(-1),
    "two words with one id": vocabulary(4),
    "a pattern of exponential time": tokenizer(pre_tokenizer=split("(a+)+$")),
    "a pattern that is none": tokenizer(pre_tokenizer=split("((")),
    "normalizers of depth 300": tokenizer(normalizer=NESTED),
    "a tokenizer of depth 100 000": text("tokenizer.json", DEEP.decode()),
    "a special token that is nowhere": tokenizer(
        post_processor=template([{"SpecialToken": {"id": "[X]", "type_id": 0}}], {})
    ),
    "a special token id of 500": tokenizer(
        post_processor=template(
            [
                {"SpecialToken": {"id": "[X]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            {"[X]": {"id": "[X]", "ids": [500], "tokens": ["[X]"]}},
        )
    ),
    "a type id of 2^32 - 1": tokenizer(
        post_processor=template([{"Sequence": {"id": "A", "type_id": 2**32 - 1}}], {})
    ),
    "a chat template that loops": names(
        chat_template="{% for a in range(10**9) %}" * 9 + "{% endfor %}" * 9
    ),
    "model_max_length -1": names(model_max_length=-1),
    "model_max_length NaN": names(model_max_length=float("nan")),
    "model_max_length of letters": names(model_max_length="a"),
    "an added token of id 10^9": names(
        added_tokens_decoder={"1000000000": {"content": "zz", "special": True}}
    ),
    "a pad token that is a number": names(pad_token=3),
    "a class that is none": names(tokenizer_class="os"),
}


def write_corpus(folder, what):
    name, content = CORPORA[what]
    path = folder / name
    path.write_bytes(content) if isinstance(content, bytes) else content(path)
    return path


def read_corpus(path):
    return lambda: f"{len(broken_inputs.sequences(path))} sequences"


def score(folder):
    def run():
        texts = ["Old dogs bark.", f"Dog. {'a' * 40}b"]
        scores = hs.score(str(folder), texts, roles="local", backend="cpu")
        if (folder / "ran").exists():
            raise RuntimeError("code of the folder ran")
        return f"scores {' '.join(f'{value:.4f}' for value in scores.values.ravel())}"

    return run


def cases(folder):
    """What is hostile, and the function that reads it."""
    for number, what in enumerate(CORPORA):
        (folder / f"corpus{number}").mkdir()
        yield what, read_corpus(write_corpus(folder / f"corpus{number}", what))
    if MODELS:
        broken_inputs.save_model(folder / "whole")
    for number, (what, spoil) in enumerate(MODELS.items()):
        path = folder / f"model{number}"
        shutil.copytree(folder / "whole", path)
        spoil(path)
        yield what, score(path)


def answer(read):
    """Return the sentence of an input, or what was read, or what is wrong."""
    try:
        return f"read: {read()}"
    except hs.HeadscoreError as error:
        return f"answered: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="in what is hostile")
    parser.add_argument("--tiny", action="store_true", help="without those of models")
    options = parser.parse_args()
    if options.tiny:
        MODELS.clear()
    n_wrong = 0
    with tempfile.TemporaryDirectory() as name:
        for what, read in cases(Path(name)):
            if options.only and not any(word in what for word in options.only):
                continue
            (found,) = broken_inputs.in_children([partial(answer, read)], seconds=40)
            n_wrong += not found.startswith(("read: ", "answered: "))
            print(f"| {what} | {found.replace(name, '')[:300]} |", flush=True)
    print(f"{n_wrong} wrong")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.exit(main())
