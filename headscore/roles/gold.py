"""Roles of gold word pairs, which no parser gives: `headscore.synthetic` writes corpora with them.

A name ``a_to_b`` is the way that information moves: b looks at a.
"""

from __future__ import annotations

from functools import partial

from headscore.encoding.encoded import Encoded
from headscore.roles.role import Role
from headscore.roles.syntactic import related

# Relation -> kind of synthetic corpus that has it.
GOLD: dict[str, str] = {
    # From the token before an answer token to the token of the needle that holds it: Wu et al.
    # 2024, "Retrieval head mechanistically explains long-context factuality" (arXiv 2404.15574).
    "retrieval": "needle",
    # From the token before an item of an ordered list to the item before it: Gould et al. 2023,
    # "Successor heads" (2312.09230).
    "successor": "ordered",
    # From a closing bracket to the one that it closes.
    "bracket": "brackets",
    # Circuit of indirect objects, Wang et al. 2022 (2211.00593): duplicate token heads, induction
    # heads, S-inhibition heads, name movers, and what these must not copy.
    "s1_to_s2": "indirect_object",
    "after_s1_to_s2": "indirect_object",
    "s2_to_end": "indirect_object",
    "io_to_end": "indirect_object",
    "s1_to_end": "indirect_object",
    # From a token of the second half to the same token of the first, and to the one after that:
    # Olsson et al. 2022 (2209.11895).
    "copy": "repeated",
    "after_copy": "repeated",
}


def _gold(name: str) -> Role:
    return Role(name, partial(related, names=(name,)), lacking=partial(_no_pair, name=name))


def _no_pair(encoded: Encoded, *, name: str) -> str | None:
    if len(related(encoded, names=(name,)).query):
        return None
    return (
        f"the corpus has no pair of the relation {name!r}, which headscore.synthetic writes "
        f"({GOLD[name]!r})"
    )


GOLD_ROLES = tuple(map(_gold, GOLD))
