"""Roles of batches whose keys are of another text than the queries, as in cross-attention."""

from __future__ import annotations

from collections.abc import Iterable

from headscore.encoding.encoded import Encoded
from headscore.errors import UsageError
from headscore.roles.role import Pairs, Role, Sieve

WHY = "its queries and keys are tokens of one text, and these keys are those of a source"


def check_one_text(roles: Iterable[Role], encoded: Encoded) -> None:
    """Check that no role of one text was named for a batch with a source; raises UsageError."""
    if encoded.source is None:
        return
    wrong = [role.name for role in roles if role.one_text and not role.from_set]
    if wrong:
        raise UsageError(
            "roles of a batch with a source must be diagonal, delimiter, punctuation, sink, "
            "label:COLUMN, a relation of its pairs, or your own, "
            f"got {wrong[0]}, whose queries and keys are of one text"
        )


def sieve_of(role: Role, batch: Encoded) -> Sieve:
    """Return the sieve of a role in a batch; none for a role of one text and keys of a source."""
    if role.one_text and batch.source is not None:
        return Pairs.from_lists([])
    return role.sieve(batch)
