"""SievePlan: the sieves of a batch, compiled into the arrays that kernels read."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Many
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headscore.backends.contract import PlanArrays, Visibility
from headscore.encoding import checks
from headscore.encoding.encoded import Encoded, check_encoded
from headscore.errors import InputError
from headscore.roles.crossing import check_one_text, sieve_of
from headscore.roles.presence import check_parsed
from headscore.roles.role import Role
from headscore.roles.specs import parse_roles
from headscore.sieves.compile import CompiledSieves, compile_sieves
from headscore.sieves.gridded import Gridded
from headscore.sieves.visible_plan import role_arrays


@dataclass(frozen=True, eq=False)
class SievePlan(CompiledSieves):
    """The sieves of every role in a batch, and the kernels' arrays per visibility.

    Make one with `compile` or `from_masks`. Weights and largest possible scores depend on
    visibility; `arrays` computes them once per visibility and caches them.
    """

    # A model has few visibilities (full or causal, with or without a window), each shared by many
    # layers.
    _arrays: dict[Visibility, PlanArrays] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def compile(cls, roles: str | Iterable[str | Role], encoded: Encoded) -> SievePlan:
        """Compile the sieves of some roles for a batch.

        Parameters
        ----------
        roles
            Specs such as "paper" or "local:2,nsubj", or `Role` objects.
        encoded
            The batch.

        Raises
        ------
        UsageError
            An unknown role; a role of one text, and a batch with a source.
        InputError
            A relation named by the caller, and a batch without a parse; a custom role whose sieve
            has the wrong shape or points outside its sequence.
        """
        check_encoded(encoded)
        parsed = parse_roles(roles)
        check_parsed(parsed, encoded)
        return cls.unchecked(parsed, encoded)

    @classmethod
    def unchecked(cls, roles: tuple[Role, ...], encoded: Encoded) -> SievePlan:
        """Compile without the checks of `compile`: a role that lacks its parse has no sieve."""
        check_one_text(roles, encoded)
        batch = Gridded.of(encoded)
        return cls(
            **compile_sieves(
                tuple(role.name for role in roles),
                batch.lengths,
                batch.tokens,
                keys=None if batch.source is None else (batch.source.lengths, batch.source.tokens),
                times_entropy=[role.times_entropy for role in roles],
                bands=[role.band for role in roles],
                sieves=[sieve_of(role, batch) for role in roles],
            )
        )

    @classmethod
    def from_masks(
        cls,
        masks: Any,
        lengths: Any = None,
        key_lengths: Any = None,
        *,
        names: Many[str] | None = None,
    ) -> SievePlan:
        """Compile sieves given as bool masks.

        Parameters
        ----------
        masks
            bool (batch, role, Tq, Tk): query i looks at key j. Rows without a True take no part.
        lengths
            (batch,) real queries; entries of padding are ignored. None: all Tq.
        key_lengths
            (batch,) real keys, where these are of another text than the queries, as in
            cross-attention. None: the keys are the queries; or all Tk, if Tk differs from Tq.
        names
            Names of the roles; None: mask0, mask1, ...

        Raises
        ------
        InputError
            Wrong shape, dtype, lengths or number of names.
        """
        drawn = np.asarray(masks)
        if drawn.ndim != 4 or drawn.dtype != np.bool_:
            raise InputError(
                f"masks must be bool (batch, role, Tq, Tk), got {drawn.dtype} {drawn.shape}"
            )
        batch, roles, tokens, key_tokens = drawn.shape
        chosen = tuple(names) if names is not None else tuple(f"mask{r}" for r in range(roles))
        if len(chosen) != roles or len(set(chosen)) != roles:
            raise InputError(f"names must be {roles} different names, got {list(chosen)}")
        checked = checks.lengths(lengths, batch, tokens)
        keys = None
        if key_lengths is not None or key_tokens != tokens:
            keys = (checks.lengths(key_lengths, batch, key_tokens, "key_lengths"), key_tokens)
        return cls(
            **compile_sieves(
                chosen,
                checked,
                tokens,
                keys=keys,
                times_entropy=[False] * roles,
                bands=[(0, 0)] * roles,
                sieves=[drawn[:, r] for r in range(roles)],
            )
        )

    def arrays(self, visibility: Visibility) -> PlanArrays:
        """Return the kernels' arrays under a visibility, computed on the first call for it."""
        if visibility not in self._arrays:
            self._arrays[visibility] = role_arrays(self, visibility)
        return self._arrays[visibility]
