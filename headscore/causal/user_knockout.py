"""Knock out the sieves of roles in the forward passes of a user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from headscore.causal.knockout import Knocking
from headscore.causal.removal import Removal
from headscore.causal.selection import heads_by_layer
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError
from headscore.model import hook
from headscore.model.calls import watching
from headscore.model.compiled import running_uncompiled
from headscore.model.route import Route, discover
from headscore.model.unwrap import unwrap
from headscore.roles.role import Role
from headscore.roles.specs import parse_roles
from headscore.scores.user_batch import BatchReader, check_one_stack
from headscore.sieves.plan import SievePlan


@contextmanager
def knockout(
    model: Any,
    roles: str | Iterable[str | Role],
    heads: Any = None,
    *,
    keep: bool = False,
    tokenizer: Any = None,
) -> Iterator[Knockout]:
    """Remove the sieves of roles from the attention of some heads, in every forward pass.

    For these heads the visible keys of a query that are in the sieve of any of the roles become
    invisible, and the attention on the others is renormalised. A query without a visible key in a
    sieve keeps its attention, and so does one that would lose every key: `Knockout.left_alone`
    counts these. The result is that of eager attention with these entries masked.

    Parameters
    ----------
    model
        A transformers model in eval mode, which you call with ``input_ids`` and, where there is
        padding on either side, ``attention_mask``. Gradients flow through the pass.
    roles
        Role specs or `Role` objects.
    heads
        (layer, head) pairs, or a DataFrame with the columns layer and head; None: all heads. Of a
        head that several of these blocks change, the innermost one decides.
    keep
        Keep the sieves, and remove everything else.
    tokenizer
        Defines which token ids are special; None: no token is, unless `Knockout.expect` gives them.

    Yields
    ------
    Knockout
        Its `Knockout.expect` takes the encoding of the next batch.

    Raises
    ------
    InputError
        The model does not show its queries and keys, has no such head, or a batch cannot be
        changed as it is called.

    Examples
    --------
    >>> import headscore as hs
    >>> with hs.knockout(model, "previous", report.heads("previous")):
    ...     changed = model(**batch).logits
    """
    model = unwrap(model).model
    check_one_stack(model, "use knockout on")
    parsed = parse_roles(roles)
    with running_uncompiled():
        route = discover(model, scored=False)
    if route.returned:
        raise InputError(
            f"knockout needs queries and keys, which {type(model).__name__} does not show to "
            "transformers' attention interface: use ablate"
        )
    run = Knockout(route, parsed, heads_by_layer(heads, route), keep, tokenizer)
    with ExitStack() as stack:
        stack.enter_context(running_uncompiled())
        stack.enter_context(hook.routed(model, scored=False))
        stack.enter_context(hook.changing(run, route.modules))
        stack.enter_context(watching(model, run.before, run.after))
        yield run


class Knockout:
    """Sieves that are removed in a model's forward passes; `knockout` makes one.

    Attributes
    ----------
    heads
        Layer -> heads that are changed.
    left_alone
        Queries of heads, over all passes, that would have lost every visible key and have stayed
        as they were.
    """

    def __init__(
        self,
        route: Route,
        roles: tuple[Role, ...],
        heads: Mapping[int, tuple[int, ...]],
        keep: bool,
        tokenizer: Any,
    ) -> None:
        self.heads = heads
        self.left_alone = 0
        self._route = route
        self._roles = roles
        self._keep = keep
        self._reader = BatchReader(roles, tokenizer, owner="Knockout", returned=False)
        self._current: Knocking | None = None

    def expect(self, encoded: Encoded) -> None:
        """Set the encoding of the next batch, for roles that need parses or labels.

        Parameters
        ----------
        encoded
            The same sequences in the same order, without padding.
        """
        self._reader.expect(encoded)

    def before(self, module: Any, args: Any, kwargs: Any) -> None:
        """Compile the sieves of a batch: before each forward pass."""
        if hook.in_trial():
            return
        self._current = None
        batch = self._reader.read(self._reader.call(module, args, kwargs))
        removal = Removal.of_sieves(SievePlan.unchecked(self._roles, batch.encoded), batch.real)
        self._current = Knocking(self._route, removal, self.heads, self._keep)

    def changed(self, inputs: hook.AttentionInputs, output__bthd: torch.Tensor) -> torch.Tensor:
        """Return the attention output of a layer without the sieves, as a `hook.Changer`."""
        if self._current is None:
            raise InputError(
                "the model of a knockout must be called itself, got a call of a part of it, which "
                "does not show the batch"
            )
        return self._current.changed(inputs, output__bthd)

    def after(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Check that every layer was reached: after each forward pass."""
        del args, kwargs
        if hook.in_trial():
            return
        current, self._current = self._current, None
        # Without an output the pass has ended early, by an exception or at its last attention.
        if current is not None and output is not None:
            current.check_complete(module)
            self.left_alone += current.left_alone
