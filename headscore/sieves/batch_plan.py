"""BatchPlan: what the host computes of a batch, for the kernels and for position control.

A head that always looks at the next word finds the noun of most adjectives. So the attention of a
head on a word pair is compared with its attention at the same offset, key - query, elsewhere in the
sequence. The comparison entries of an offset are those that are visible, lie between two tokens of
one text, and hold no arc of the parse in either direction, whatever its relation; where a sequence
has more than 128 at an offset, 128 evenly spaced ones. Of these a role leaves out the ones that
hold a word pair of its own in either direction, which only roles without the parse can have among
them: so what a role is compared with does not depend on the other roles. Special tokens are left
out because no word pair can contain one: the last word of a text looks at a separator where other
words look at their neighbour.

To a kernel the further columns are pair roles like any other, and each attention is computed for
one column only::

    column     0 .. R-1     R ..
    holds      the scores   one per distinct entry   one per offset of the sequence:
                            of a word pair:          the sum over its free entries, sampled
                            its attention            and of no word pair of any role

The comparison entries of a role are the free ones together with sampled entries that belong to
word pairs of other roles only. `headscore.sieves.excess` compares. An example at offset 1 of a
sequence of seven tokens, with a relation A of the parse, an arc x of a relation that is no role,
and a role B of listed pairs::

    query      0    1    2    3    4    5
    entry      A    .    B    .    x    .    A compares its pair with entries 1, 2, 3 and 5,
    column     R    R+2  R+1  R+2       R+2  B its own with 1, 3 and 5
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from headscore.arrays import Array
from headscore.backends.contract import PlanArrays, Visibility
from headscore.encoding.encoded import Encoded
from headscore.roles.role import Role
from headscore.sieves._planning import list_arcs
from headscore.sieves.matching import Labelled
from headscore.sieves.plan import SievePlan
from headscore.sieves.visible_plan import Texts, VisiblePlan, plan_under


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """The sieves of a batch with position control: plain data, which another process may make.

    Attributes
    ----------
    sieves
        The sieves of the roles.
    texts
        What their word pairs are compared by; None: they are not compared.
    labelled
        Their controls, see `headscore.sieves.matching`; None: there are none.
    """

    sieves: SievePlan
    texts: Texts | None
    labelled: Labelled | None = None
    _under: dict[Visibility, VisiblePlan] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls,
        roles: tuple[Role, ...],
        encoded: Encoded,
        *,
        compared: bool = True,
        under: Iterable[Visibility] = (),
    ) -> BatchPlan:
        """Compile roles for a batch.

        Parameters
        ----------
        roles
            A role that lacks its parse has no sieve.
        encoded
            The batch.
        compared
            Whether word pairs are compared, which a batch with a source rules out; if not, there
            are no further columns.
        under
            Visibilities to compute at once.
        """
        compared = compared and encoded.source is None
        texts = _texts(encoded) if compared else None
        plan = cls(SievePlan.unchecked(roles, encoded), texts, Labelled.of(encoded))
        for visibility in under:
            plan.under(visibility)
        return plan

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles, without the further columns."""
        return self.sieves.names

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self.sieves.batch

    @property
    def lengths(self) -> Array:
        """int32 (batch,), real tokens of each sequence."""
        return self.sieves.lengths

    @property
    def tokens(self) -> int:
        """Padded length T, of the queries where the keys are of another text."""
        return self.sieves.tokens

    @property
    def key_tokens(self) -> int:
        """Padded length T of the keys."""
        return self.sieves.key_tokens

    @property
    def crosses(self) -> bool:
        """Whether the keys are of another text than the queries."""
        return self.sieves.crosses

    def arrays(self, visibility: Visibility) -> PlanArrays:
        """Return the kernels' arrays under a visibility."""
        return self.under(visibility).arrays

    def under(self, visibility: Visibility) -> VisiblePlan:
        """Return the plan under a visibility, computed on the first call for it."""
        if visibility not in self._under:
            self._under[visibility] = plan_under(self.sieves, self.texts, self.labelled, visibility)
        return self._under[visibility]


def _texts(encoded: Encoded) -> Texts:
    text = np.where(encoded.special, -1, encoded.segments).astype(np.int32)
    return Texts(text, *list_arcs(encoded.pairs, encoded.offsets))
