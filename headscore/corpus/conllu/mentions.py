"""Coreferent mentions of a sentence, as word pairs.

Brackets open and close mentions of an entity: ``(e1`` .. ``e1)`` and ``(e1)``, several at one word
with or without ``|``. The fields of CorefUD stand behind the id, such as ``(e1-person-2`` with
``# global.Entity = eid-etype-head-other`` (https://ufal.mff.cuni.cz/corefud).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence as Many
from typing import NamedTuple

RELATION = "coref"
_BRACKET = re.compile(
    r"\((?P<opened>[^()|-]+)(?P<fields>[^()|]*)(?P<alone>\)?)|(?P<closed>[^()|-]+)\)"
)
_PART = re.compile(r"\[(\d+)/\d+\]$")  # of a discontinuous mention
_FIELD = re.compile(r"(?:^|\|)Entity=([^|]*)")

WordPair = tuple[str, int, int]


class _Mention(NamedTuple):
    """Words ``start .. stop - 1``; `head` counts from 1 within them, None where it is not known."""

    entity: str
    start: int
    stop: int
    head: int | None


def entity_of(misc: str) -> str:
    """Return the brackets in MISC, "" for none."""
    found = _FIELD.search(misc)
    return found[1] if found else ""


def coreferent(
    brackets: Many[str], heads: Many[int] | None, fields: Many[str] | None
) -> tuple[WordPair, ...]:
    """Return a word pair for each mention: its head with the head of the entity's mention before.

    The head of a mention is the one that its fields give, else the first of its words whose own
    head is outside of it, else its last word. Of a discontinuous mention the first part counts;
    a bracket without its partner in the sentence does not.

    Parameters
    ----------
    brackets
        Of each word.
    heads
        Of each word, None without a parse.
    fields
        Names of the fields of a bracket; None: unknown.
    """
    place = fields.index("head") if fields and "head" in fields else None
    latest: dict[str, int] = {}
    pairs = []
    for mention in sorted(_mentions(brackets, place), key=lambda each: (each.start, each.stop)):
        head = _head(mention, heads)
        before = latest.get(mention.entity)
        if before is not None and before != head:
            pairs.append((RELATION, head, before))
        latest[mention.entity] = head
    return tuple(pairs)


def _mentions(brackets: Many[str], place: int | None) -> list[_Mention]:
    mentions = []
    opened: dict[str, list[tuple[int, int | None]]] = defaultdict(list)  # of nested mentions
    for word, text in enumerate(brackets):
        for found in _BRACKET.finditer(text):
            entity, part = _split(found["opened"] or found["closed"])
            if part > 1:
                continue
            if found["opened"]:
                head = _number(f"{entity}{found['fields']}".split("-"), place)
                opened[entity].append((word, head))
            if not (found["opened"] and not found["alone"]) and opened[entity]:
                start, head = opened[entity].pop()
                mentions.append(_Mention(entity, start, word + 1, head))
    return mentions


def _split(entity: str) -> tuple[str, int]:
    """Return an entity's id and the number of the part of a mention, 1 for a whole one."""
    found = _PART.search(entity)
    return (entity[: found.start()], int(found[1])) if found else (entity, 1)


def _number(fields: Many[str], place: int | None) -> int | None:
    text = "" if place is None or place >= len(fields) else fields[place]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _head(mention: _Mention, heads: Many[int] | None) -> int:
    words = range(mention.start, mention.stop)
    if mention.head is not None and 1 <= mention.head <= len(words):
        return words[mention.head - 1]
    if heads is None:
        return words[-1]
    return next((word for word in words if heads[word] not in words), words[-1])
