"""Roles: named functions that a head may have, and the registry of those with a name."""

from headscore.roles.custom import from_masks, from_pairs
from headscore.roles.role import Labels, Pairs, Role
from headscore.roles.words import from_spans, from_word_pairs

__all__ = ["Labels", "Pairs", "Role", "from_masks", "from_pairs", "from_spans", "from_word_pairs"]
