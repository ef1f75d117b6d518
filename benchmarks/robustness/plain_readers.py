"""Read small inputs in the plainest way: what their bytes say, to compare the package with.

Each function takes the bytes of a file and returns what a user gets of it; it raises ValueError for
bytes that say nothing. They share no code with the package.
"""

import json
import re
import struct

import numpy as np

# A sequence is (id, document, segments), a segment (text, words, spans, heads, relations, labels).


def lines_of(data):
    text = data.removeprefix(b"\xef\xbb\xbf").decode()
    if "\0" in text:
        raise ValueError("NUL")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines[-1] == "" or text.endswith("\r"):
        lines[-1] = text.split("\n")[-1]  # without a line feed, a carriage return is text
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def txt(data):
    return [(str(n), None, [bare(line)]) for n, line in enumerate(lines_of(data), start=1)]


def bare(text):
    return (text, None, None, None, None, {})


LAYOUTS = [
    ("question", "sentence"),
    ("question1", "question2"),
    ("#1 String", "#2 String"),
    ("sentence1", "sentence2"),
    ("sentence",),
]


def layout(names):
    return next(each for each in LAYOUTS if set(each) <= set(names))


def tsv(data):
    lines = lines_of(data)
    first = next(n for n, line in enumerate(lines) if line.strip() or n == 0)
    names = lines[first].split("\t")
    chosen = layout(names)
    found = []
    for number, line in enumerate(lines[first + 1 :], start=first + 2):
        row = line.split("\t")
        if len(row) != len(names):
            raise ValueError(line)
        found.append((str(number), None, [bare(row[names.index(name)]) for name in chosen]))
    return found


def jsonl(data):
    found, chosen = [], None
    for number, line in enumerate(lines_of(data), start=1):
        if not line.strip():
            continue
        row, end = value_of(line, 0)
        if not isinstance(row, dict) or line[end:].strip(" \t\r"):
            raise ValueError(line)
        chosen = chosen or layout(row)
        found.append((str(number), None, [segment_of(row[name]) for name in chosen]))
    return found


def segment_of(value):
    if isinstance(value, str):
        return bare(value)
    spans, at = [], 0
    for word in value:
        spans.append((at, at + len(word)))
        at += len(word) + 1
    return (" ".join(value), tuple(value), tuple(spans), None, None, {})


SPACE = re.compile(r"[ \t\r\n]*")
STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*)"')
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|-?Infinity|NaN")
LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
WORDS = {"true": True, "false": False, "null": None}


def value_of(text, at):
    """The value of JSON (RFC 8259, and NaN) that begins at a place, and the place behind it."""
    at = SPACE.match(text, at).end()
    if found := STRING.match(text, at):
        return spelled(found[1]), found.end()
    if text[at : at + 1] in ("{", "["):
        return members_of(text, at + 1, {"{": "}", "[": "]"}[text[at]])
    for word, value in WORDS.items():
        if text.startswith(word, at):
            return value, at + len(word)
    if found := NUMBER.match(text, at):
        return float(found[0].replace("Infinity", "inf")), found.end()
    raise ValueError(text)


def members_of(text, at, close):
    names, values = [], []
    at = SPACE.match(text, at).end()
    while not (text.startswith(close, at) and not values):
        if close == "}":
            name, at = value_of(text, at)
            at = SPACE.match(text, at).end()
            if not isinstance(name, str) or text[at : at + 1] != ":":
                raise ValueError(text)
            names.append(name)
            at += 1
        value, at = value_of(text, at)
        values.append(value)
        at = SPACE.match(text, at).end()
        if text.startswith(close, at):
            break
        if text[at : at + 1] != ",":
            raise ValueError(text)
        at += 1
    return (dict(zip(names, values, strict=True)) if close == "}" else values), at + 1


def spelled(text):
    units = ESCAPE.sub(
        lambda e: chr(int(e[1][1:], 16)) if e[1][0] == "u" else LETTERS.get(e[1], e[1]), text
    )
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


CONLLU = "ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC".split()
NO_LABELS = {"ID", "FORM", "HEAD", "DEPREL", "DEPS", "MISC"}


def conllu(data):
    text = "\n".join(lines_of(data))
    columns, document, documents, found = CONLLU, None, 0, []
    for number, block in enumerate(re.split(r"\n(?:\n)+", text.strip("\n")), start=1):
        lines = block.split("\n")
        first = next(n for n, line in enumerate([*lines, ""]) if not line.startswith("#"))
        notes = dict(note_of(line) for line in lines[:first])
        if number == 1 and "global.columns" in notes:
            columns = notes["global.columns"].split()
        if "newdoc" in notes or "newdoc id" in notes:
            documents += 1
            document = notes.get("newdoc id", "").strip() or f"doc{documents}"
        rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[first:]]
        id = notes.get("sent_id", "").strip() or f"s{number}"
        found.append((id, document, [sentence_of(rows, notes.get("text"), columns)]))
    if len({id for id, _, _ in found}) < len(found):
        raise ValueError("an id twice")
    return found


def note_of(line):
    name, _, value = line[1:].partition("=")
    return name.strip(), value


def sentence_of(rows, note, columns):
    surface, words, inside = [], [], 0
    for row in rows:
        if "-" in row["ID"]:
            first, last = map(int, row["ID"].split("-"))
            surface.append((row, last - first + 1))
            inside = last
        elif "." not in row["ID"]:
            words.append(row)
            if int(row["ID"]) > inside:
                surface.append((row, 1))
    if [row["ID"] for row in words] != [str(n + 1) for n in range(len(words))]:
        raise ValueError("ids")
    text, spans = placed(surface, words, note)
    heads = relations = None
    if {"HEAD", "DEPREL"} <= set(columns) and any(row["HEAD"] != "_" for row in words):
        heads = tuple(-1 if row["HEAD"] == "_" else int(row["HEAD"]) - 1 for row in words)
        relations = tuple(row["DEPREL"] for row in words)
        check_tree(heads, [row["HEAD"] for row in words])
    labelled = ["UPOS"] if columns == CONLLU else [c for c in columns if c.upper() not in NO_LABELS]
    absent = ["_"] if columns == CONLLU else ["_", "*"]
    labels = {
        name.lower(): tuple("" if r[name] in absent else r[name] for r in words)
        for name in labelled
    }
    labels = {name: each for name, each in labels.items() if any(each)}
    return (text, tuple(row["FORM"] for row in words), tuple(spans), heads, relations, labels)


def check_tree(heads, written):
    if written.count("0") != 1:
        raise ValueError("root")
    for word in range(len(heads)):
        for _ in heads:
            word = heads[word] if word >= 0 else word
        if word >= 0:
            raise ValueError("circle")


def placed(surface, words, note):
    """The text of a sentence and the span of each word in it."""
    glued = [" SpaceAfter=No".strip() in row.get("MISC", "_").split("|") for row, _ in surface]
    forms = [row["FORM"] for row, _ in surface]
    text = "".join(f + " " * (not g) for f, g in zip(forms[:-1], glued, strict=False)) + forms[-1]
    if note is not None and note.removeprefix(" ") != text:
        text = note.removeprefix(" ")
        text = text[:-1] if text[-1:].isspace() else text
    spans, at, n = [], 0, 0
    for form, (_, n_words) in zip(forms, surface, strict=True):
        start = text.index(form, at)
        if not form or text[at:start].strip():
            raise ValueError(text)
        parts = [row["FORM"] for row in words[n : n + n_words]]
        for part in parts:
            whole = "".join(parts) != form
            spans.append((start, start + len(form if whole else part)))
            start += 0 if whole else len(part)
        at, n = text.index(form, at) + len(form), n + n_words
    if text[at:]:
        raise ValueError(text)
    return text, spans


def safetensors(data):
    """Name -> array of a file of weights, as the format defines it."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    found = {}
    for name, each in header.items():
        if name != "__metadata__":
            start, stop = each["data_offsets"]
            raw = data[8 + size + start : 8 + size + stop]
            found[name] = np.frombuffer(raw, DTYPES[each["dtype"]]).reshape(each["shape"])
    return found


DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
}
