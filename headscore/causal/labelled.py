"""Labelled: the roles whose heads an experiment changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from headscore.causal.selection import Heads
from headscore.roles.role import Role


@dataclass(frozen=True)
class Labelled:
    """Roles, and the heads that have them.

    Attributes
    ----------
    roles
        The roles.
    heads
        The heads that have each of `roles`, at least one, in increasing order.
    label
        Which labels these are; "given" where the heads were given.
    not_tried
        Requested roles that no head has, with the reason.
    facts
        The entries of the signature of the report that the labels are of; empty where there is
        none.
    signature
        That signature.
    """

    roles: tuple[Role, ...]
    heads: tuple[Heads, ...]
    label: str
    not_tried: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    signature: str = ""

    def items(self) -> Iterator[tuple[Role, Heads]]:
        """Yield each role with its heads."""
        return zip(self.roles, self.heads, strict=True)

    def without(self, reasons: Mapping[str, str]) -> Labelled:
        """Return the same without roles that cannot be tried, given with the reason."""
        kept = [n for n, role in enumerate(self.roles) if role.name not in reasons]
        return replace(
            self,
            roles=tuple(self.roles[n] for n in kept),
            heads=tuple(self.heads[n] for n in kept),
            not_tried={**self.not_tried, **reasons},
        )

    def digest(self) -> str:
        """Return a hash of the roles and their heads."""
        names = [role.name for role in self.roles]
        return _hash(json.dumps([names, self.heads]))

    def report(self) -> str:
        """Return a hash of the signature of the report, "none" where there is none."""
        return _hash(self.signature) if self.signature else "none"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
