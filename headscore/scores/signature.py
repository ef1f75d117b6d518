"""The signature of scores: their facts, in one line that a terminal can show."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

_ESCAPED = re.compile(r"(\\u\{[0-9a-f]+\})")


def signature(facts: Mapping[str, str]) -> str:
    """Join facts to one line, ``key:value|key:value``."""
    return "|".join(f"{printable(key)}:{printable(value)}" for key, value in facts.items())


def printable(text: str) -> str:
    r"""Escape characters that break a line or a terminal: control and bidi, ``|``, ``\``."""
    return "".join(
        letter if letter.isprintable() and letter not in "|\\" else f"\\u{{{ord(letter):x}}}"
        for letter in text
    )


def printable_once(text: str) -> str:
    """Escape as `printable`, but not again what that has escaped, such as names in a sentence."""
    parts = _ESCAPED.split(text)  # every other one is an escape
    return "".join(each if n % 2 else printable(each) for n, each in enumerate(parts))


def facts_of_part(
    facts: Mapping[str, str], roles: tuple[str, ...], ids: tuple[str, ...] | None
) -> dict[str, str]:
    """Return the facts of some roles, and of some sequences unless `ids` is None."""
    found = dict(facts)
    if "roles" in found:
        found["roles"] = ",".join(roles)
    if ids is not None:
        digest = hashlib.sha256(json.dumps(ids).encode("ascii")).hexdigest()[:12]
        found["selected"] = f"{len(ids)} sequence{'' if len(ids) == 1 else 's'}@{digest}"
    return found
