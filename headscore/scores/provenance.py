"""Provenance: names, versions and hashes of model, tokenizer and corpus, for signatures."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headscore import backends
from headscore.arrays import Array
from headscore.encoding.encoded import PLACES, Encoded
from headscore.errors import InputError
from headscore.model.load import Model
from headscore.model.weights import pieces
from headscore.options import UNKNOWN
from headscore.parsing.pipelines import Parser
from headscore.roles.role import Role


def facts_of(
    model: Model, corpus: str, roles: tuple[Role, ...], parser: Parser | None, backend: str
) -> dict[str, str]:
    """Return the facts that a signature lists, in its order; `corpus` is its hash."""
    chosen = backends.choose(backend, model.device).__name__.rpartition(".")[2]
    return {
        "headscore": version("headscore"),
        "model": model.name,
        "weights": weights_hash(model.network),
        "tokenizer": tokenizer_hash(model.tokenizer),
        "corpus": corpus,
        "parser": "none" if parser is None else parser.description,
        "roles": ",".join(role.name for role in roles),
        "max_length": str(model.max_length),
        "dtype": str(model.dtype).removeprefix("torch."),
        "backend": chosen,
        "torch": torch.__version__,
        "transformers": version("transformers"),
    }


def token_hashes(encoded: Encoded) -> Array:
    """Return uint64 (sequence,): a hash of each sequence's token ids."""
    if encoded.source is not None:
        # The hash of a pair is that of both hashes: the order of the texts counts.
        sides = (token_hashes(encoded.source), token_hashes(replace(encoded, source=None)))
        pairs = np.stack(sides, axis=1).tobytes()
        return _hashes(pairs, np.arange(0, len(pairs) + 1, 16))
    return _hashes(encoded.input_ids.tobytes(), 8 * encoded.offsets)


def _hashes(content: bytes, offsets: Array) -> Array:
    """Return a hash of each row of bytes, uint64 (row,)."""
    # Eight bytes are one id, and eight bytes of digest one uint64.
    ids = memoryview(content)
    digests = b"".join(
        hashlib.blake2b(ids[start:end], digest_size=8).digest()
        for start, end in itertools.pairwise(offsets.tolist())
    )
    return np.frombuffer(digests, np.uint64).copy()


def input_hashes(main_input: torch.Tensor, mask: torch.Tensor | None) -> Array:
    """Return uint64 (sequence,): a hash of each sequence's embeddings, pixels or sound.

    Parameters
    ----------
    main_input
        (sequence, ...).
    mask
        (sequence, place), what is no padding, if it has the first axes of `main_input`; or None.
    """
    rows = list(main_input.detach().cpu())
    if mask is not None and mask.shape == main_input.shape[:2]:
        rows = [row[real] for row, real in zip(rows, mask.bool().cpu(), strict=True)]
    digests = [
        hashlib.blake2b(row.contiguous().flatten().view(torch.uint8).numpy(), digest_size=8)
        for row in rows
    ]
    return np.frombuffer(b"".join(each.digest() for each in digests), np.uint64).copy()


def corpus_hash(encoded: Encoded) -> str:
    """Hash the tokens, sequence bounds, segments, word pairs, labels and documents of a corpus."""
    pairs = encoded.pairs
    # The places of words follow from the tokens, and only some runs keep them.
    labelled = {name: each for name, each in encoded.columns.items() if name not in PLACES}
    arrays = (
        encoded.offsets,
        encoded.input_ids,
        encoded.special,
        encoded.segments,
        pairs.offsets,
        pairs.relation,
        pairs.dependent_offsets,
        pairs.dependents,
        pairs.head_offsets,
        pairs.heads,
        *(column.labels for column in labelled.values()),
    )
    columns = [[name, column.names] for name, column in labelled.items()]
    names = json.dumps([encoded.relation_names, encoded.documents, columns])
    if encoded.source is not None:
        names += corpus_hash(encoded.source)
    return _digest([*(np.ascontiguousarray(array).data for array in arrays), names.encode()])


def file_hash(path: str | os.PathLike[str]) -> str:
    """Hash the content of a file; cached while inode, size and time of change stay the same.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        stat = Path(path).stat()
        return _content_hash(Path(path), (stat.st_ino, stat.st_size, stat.st_mtime_ns))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=16)
def _content_hash(path: Path, _state: tuple[int, ...]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:12]


def weights_hash(network: Any) -> str:
    """Hash every weight of a model with its name, one at a time.

    Returns
    -------
    str
        The hash; "unknown" where no weight can be read; where some cannot, the hash of the others
        with the number of these, such as "0123456789ab without 2".
    """
    digest, read, unread = hashlib.sha256(), 0, 0
    for name, weight in pieces(network):
        if weight is None:
            unread += 1
            continue
        read += 1
        if isinstance(weight, bytes):
            digest.update(b"\0".join([name.encode(), weight]))
            continue
        # NUL cannot occur in a name, a dtype or a shape, so different parts never join to equal
        # bytes.
        parts = [name.encode(), str(weight.dtype).encode(), str(tuple(weight.shape)).encode()]
        digest.update(b"\0".join(parts))
        # Viewed as bytes: numpy has no bfloat16.
        plain = weight.detach().cpu().contiguous()
        digest.update(plain.flatten().view(torch.uint8).numpy().data)
    if unread:
        return f"{digest.hexdigest()[:12]} without {unread}" if read else UNKNOWN
    return digest.hexdigest()[:12]


def tokenizer_hash(tokenizer: Any) -> str:
    """Hash the definition of a tokenizer, without the truncation and padding of its last call."""
    if not getattr(tokenizer, "is_fast", False):
        # Slow tokenizers have no definition to export: class name and vocabulary stand for it.
        vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        return _digest([json.dumps([type(tokenizer).__name__, vocabulary]).encode()])
    definition = json.loads(tokenizer.backend_tokenizer.to_str())
    # Each call of a fast tokenizer leaves its truncation and padding in the exported definition.
    for passing in ("truncation", "padding"):
        definition.pop(passing, None)
    return _digest([json.dumps(definition, sort_keys=True).encode()])


def _digest(parts: list[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:12]
