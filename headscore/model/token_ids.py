"""Check the token ids of a loaded tokenizer against its files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headscore.errors import InputError

# tokenizers walks through all ids up to the largest. The largest vocabularies have 2^18 to 2^20.
_MOST = 2**24


def check_ids(tokenizer: Any, source: str) -> None:
    """Raise InputError for ids that are absurd, or that are not those of the tokenizer's files.

    tokenizers gives an added token the id of its text in the vocabulary, or else the next free one,
    whatever id its file names, and reports nothing.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    source
        Hub id or local folder that it was loaded from.
    """
    ids = tokenizer.get_vocab()
    largest = max(ids.values(), default=0)
    if largest >= _MOST:
        raise InputError(f"its token ids must be below {_MOST}, got {largest}")
    for text, id in _added(source):
        if ids.get(text, id) != id:
            raise InputError(
                f"its added token {text!r} must have the id of its files, {id}, got {ids[text]}"
            )


def _added(source: str) -> Iterator[tuple[str, int]]:
    """Yield text and id of each added token in the files of a tokenizer."""
    for each in _value(source, "tokenizer.json", "added_tokens", []):
        yield each["content"], each["id"]
    decoder = _value(source, "tokenizer_config.json", "added_tokens_decoder", {})
    for id, each in decoder.items():
        yield each["content"], int(id)


def _value(source: str, name: str, key: str, default: Any) -> Any:
    """Return the first value of a key in a file of a folder or of the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    path = Path(source) / name if Path(source).is_dir() else try_to_load_from_cache(source, name)
    if not isinstance(path, str | Path) or not Path(path).is_file():
        return default
    text = Path(path).read_text(encoding="utf-8")
    # The vocabulary, megabytes, comes after the added tokens and is not parsed.
    found = re.search(rf'"{key}"\s*:\s*', text)
    return json.JSONDecoder().raw_decode(text, found.end())[0] if found else default
