"""Capture: score the heads of a model in the forward passes of its user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from headscore import backends
from headscore.arrays import Array
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError
from headscore.log import log
from headscore.model import forward, hook, route
from headscore.options import BackendOptions, ScoreOptions
from headscore.roles.presence import Presence, absence_warnings
from headscore.roles.role import Role
from headscore.roles.specs import parse_roles
from headscore.scores.head_scores import HeadScores
from headscore.scores.pass_results import check_faults, collect
from headscore.scores.provenance import token_hashes
from headscore.scores.user_batch import BatchReader, check_one_stack
from headscore.sieves.batch_plan import BatchPlan


@contextmanager
def capture(
    model: Any,
    roles: str | Iterable[str | Role] = ScoreOptions.roles,
    *,
    tokenizer: Any = None,
    backend: str = BackendOptions.backend,
) -> Iterator[Capture]:
    """Score every forward pass of a model without changing its output.

    Parameters
    ----------
    model
        A transformers model in eval mode, which you call with ``input_ids`` and, where there is
        padding on either side, ``attention_mask``.
    roles
        Role specs or `Role` objects.
    tokenizer
        Defines which token ids are special; None: no token is, unless `Capture.expect` gives them.
        The ``token_type_ids`` that the model is called with separate the two texts of a pair.
    backend
        As in `score`.

    Yields
    ------
    Capture
        Ask its `scores` for the `HeadScores` of all sequences so far.

    Raises
    ------
    InputError
        The attention can be read in no way, or a batch cannot be scored as it is called.

    Examples
    --------
    >>> import headscore as hs
    >>> with hs.capture(model, "local,sink", tokenizer=tokenizer) as run:
    ...     for batch in loader:
    ...         outputs = model(**batch)
    >>> report = hs.test(run.scores())
    """
    check_one_stack(model, "capture")
    run = Capture(model, parse_roles(roles), tokenizer, backend)
    with ExitStack() as stack:
        # Either the attention that the model returns is read (eager), or its attention function is
        # replaced by one that scores and computes the same output.
        routed = route.eager if run.route.returned else hook.routed
        stack.enter_context(routed(model))
        before = model.register_forward_pre_hook(run.before, with_kwargs=True)
        after = model.register_forward_hook(run.after, with_kwargs=True, always_call=True)
        stack.callback(before.remove)
        stack.callback(after.remove)
        stack.callback(run.close)
        yield run


class Capture:
    """The scores of a model's forward passes; `capture` makes one.

    Attributes
    ----------
    route
        How the model's attention is read.
    """

    def __init__(self, model: Any, roles: tuple[Role, ...], tokenizer: Any, backend: str) -> None:
        backends.choose(backend, torch.device(model.device))
        self.route = route.discover(model)
        self._model = model
        self._roles = roles
        self._reader = BatchReader(roles, tokenizer, owner="Capture", returned=self.route.returned)
        self._backend = backend
        self._open = ExitStack()
        # Set between the two hooks: batch, running pass, whether the user wants the attention
        # weights.
        self._current: tuple[Encoded, forward.Pass, bool] | None = None
        # One entry per pass: batch, values, attainable, overlap, invisible.
        self._done: list[tuple[Encoded, Array, Array, Array, Array]] = []
        self._presence = Presence()

    def expect(self, encoded: Encoded) -> None:
        """Set the encoding of the next batch, for roles that need parses or labels.

        Parameters
        ----------
        encoded
            The same sequences in the same order, without padding; its ids name them.
        """
        self._reader.expect(encoded)

    def scores(self) -> HeadScores:
        """Return the scores of all sequences so far; logs which roles never score.

        Raises
        ------
        InputError
            There is no sequence, or none in which any of the roles occurs.
        """
        if not self._done:
            raise InputError("capture must see at least one forward pass, got none")
        for sentence in absence_warnings(self._roles, self._presence):
            log.warning(sentence)
        batches, values, attainable, overlap, invisible = zip(*self._done, strict=True)
        documents = tuple(document for batch in batches for document in batch.documents)
        return HeadScores(
            values=np.concatenate(values),
            roles=tuple(role.name for role in self._roles),
            sequence_ids=tuple(id_ for batch in batches for id_ in batch.ids),
            documents=documents if any(documents) else None,
            attainable=np.concatenate(attainable),
            tokens=np.concatenate([token_hashes(batch) for batch in batches]),
            facts={
                "headscore": version("headscore"),
                "model": getattr(self._model, "name_or_path", "") or type(self._model).__name__,
                "roles": ",".join(role.name for role in self._roles),
                "backend": self._backend,
            },
            lengths=np.concatenate([batch.lengths for batch in batches]),
            overlap=np.sum(overlap, axis=0),
            heads=np.array(self.route.heads_per_layer),
            hidden=np.sum(invisible, axis=0),
        )

    def before(self, module: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Compile the sieves of a batch and start scoring: the forward pre-hook."""
        if hook.in_trial():
            return args, kwargs
        self.close()
        done = sum(len(batch) for batch, *_ in self._done)
        encoded, real, keep = self._reader.read(module, args, kwargs, first=done)
        plan = BatchPlan.of(self._roles, encoded, compared=False)
        current = forward.Pass(plan, self.route, self._backend, stops=False, real=real, chosen=real)
        # Each row is 1 .. 1 0 .. 0 exactly where it never rises.
        if bool((real[:, :-1] >= real[:, 1:]).all()) and plan.tokens == real.shape[1]:
            current.chosen = None  # padding on the right only: positions equal those of the plan
        self._open.enter_context(forward.scoring(module, current, keep=keep))
        self._current = encoded, current, keep
        # Eager attention is returned only if asked for; `after` takes it out of the output again.
        return args, {**kwargs, "output_attentions": True} if self.route.returned else kwargs

    def after(self, module: Any, args: Any, kwargs: Any, output: Any) -> Any:
        """Store the scores of a forward pass: the forward hook."""
        del module, args, kwargs
        if self._current is None:
            return None
        encoded, current, keep = self._current
        self.close()
        if output is None:
            return None  # an exception is on its way
        if len(current.scored) != len(self.route.layers):
            raise InputError(
                f"a forward pass must compute the attention of {len(self.route.layers)} layers, "
                f"got {len(current.scored)}"
            )
        found = collect(current)
        assert found is not None  # masks were read, so that none can differ from what was expected
        check_faults(found.faults, encoded.ids)
        sums = found.overlap, found.invisible
        self._done.append((encoded, found.values, found.attainable, *sums))
        self._presence.add(Presence.of(self._roles, encoded))
        return _without_stubs(output) if self.route.returned and not keep else None

    def close(self) -> None:
        """Stop scoring the current pass."""
        self._open.close()
        self._current = None


def _without_stubs(output: Any) -> Any:
    """Return the output without attentions that the user did not ask for."""
    if not hasattr(output, "items"):
        return None
    return type(output)(**{name: each for name, each in output.items() if name != "attentions"})
