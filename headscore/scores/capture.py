"""Capture: score the heads of a model in the forward passes of its user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import torch

from headscore import backends
from headscore.arrays import Array
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError
from headscore.log import log
from headscore.model import forward, hook, route
from headscore.model.calls import guarding, watching
from headscore.model.compiled import running_uncompiled
from headscore.model.devices import device_of
from headscore.model.parts import CROSS, Part, part_of
from headscore.model.patches import PatchGrid, patch_grid
from headscore.model.sights import real_at
from headscore.model.unwrap import unwrap
from headscore.options import BackendOptions, LoadOptions, ScoreOptions
from headscore.roles.grid import PLACE
from headscore.roles.presence import Presence, absence_warnings
from headscore.roles.role import Role
from headscore.roles.specs import parse_roles
from headscore.scores.head_scores import HeadScores
from headscore.scores.pass_results import check_faults, collect
from headscore.scores.user_batch import BatchReader, Call, UserBatch, check_model
from headscore.sieves.batch_plan import BatchPlan


@contextmanager
def capture(
    model: Any,
    roles: str | Iterable[str | Role] = ScoreOptions.roles,
    *,
    tokenizer: Any = None,
    backend: str = BackendOptions.backend,
    part: str = LoadOptions.part,
) -> Iterator[Capture]:
    """Score every forward pass of a model without changing its output.

    Parameters
    ----------
    model
        A transformers model in eval mode, which you call with ``input_ids`` and, where there is
        padding on either side, ``attention_mask``; or with ``inputs_embeds``, pictures or sound,
        where roles are of places (local, offset, sink, grid, drawn ones); or what wraps one, such
        as a compiled model, PEFT, a pipeline or a SentenceTransformer, which you use as ever.
    roles
        Role specs or `Role` objects.
    tokenizer
        Defines which token ids are special; None: that of the wrapper, else no token is, unless
        `Capture.expect` gives them. The ``token_type_ids`` that the model is called with separate
        the two texts of a pair.
    backend
        As in `score`.
    part
        The part of the model whose attention is scored, while you call the whole: encoder, decoder
        or cross (queries in the target, keys in the source) of an encoder-decoder; text, vision or
        audio of a multimodal model. auto: the encoder, the text part, or a plain model itself.

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
    model, own_tokenizer = unwrap(model)
    check_model(model)
    wanted = parse_roles(roles)
    with ExitStack() as stack:
        stack.enter_context(running_uncompiled())
        tokenizer = own_tokenizer if tokenizer is None else tokenizer
        found = part_of(model, part)
        run = Capture(model, found, wanted, tokenizer, backend)
        stack.callback(run.close)
        # Either the attention that the model returns is read (eager), or its attention function is
        # replaced by one that scores and computes the same output.
        routed = route.eager if run.route is not None and run.route.returned else hook.routed
        stack.enter_context(routed(found.network))
        stack.enter_context(watching(found.network, run.before, run.after))
        if found.network is not model:
            stack.enter_context(watching(model, run.around, run.around_ended))
        yield run


class Capture:
    """The scores of a model's forward passes; `capture` makes one.

    Attributes
    ----------
    route
        How the model's attention is read. None: the model reads no token ids, and it is found in
        the first forward pass.
    """

    def __init__(
        self, model: Any, part: Part, roles: tuple[Role, ...], tokenizer: Any, backend: str
    ) -> None:
        backends.choose(backend, device_of(model))
        self.route: route.Route | None = None
        whole = Part(model) if part.paired else part
        if route.reads_ids(whole):
            self.route = route.discover(model, part)
        self._model = model
        self._part = part
        self._roles = roles
        self._reader = BatchReader(
            roles,
            tokenizer,
            owner="Capture",
            returned=self.route is not None and self.route.returned,
            cross=part.name == CROSS,
        )
        self._backend = backend
        self._guard = ExitStack()
        self._open = ExitStack()
        # Set between the two hooks: the call; and, from the first attention on, its batch and pass.
        self._call: Call | None = None
        self._current: tuple[UserBatch, forward.Pass] | None = None
        self._done: list[_Scored] = []
        self._presence = Presence()
        self._grids: dict[tuple[int, ...], PatchGrid | None] = {}
        self._guarded()

    def expect(self, encoded: Encoded) -> None:
        """Set the encoding of the next batch, for roles that need parses or labels.

        Parameters
        ----------
        encoded
            The same sequences in the same order, without padding; its ids name them.
        """
        self._reader.expect(encoded)

    def encoded(self) -> tuple[Encoded, ...]:
        """Return the encoding of each pass so far, by which its roles have been compiled."""
        return tuple(each.encoded for each in self._done)

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
        done = self._done
        batches = [each.encoded for each in done]
        documents = tuple(document for batch in batches for document in batch.documents)
        facts = {
            "headscore": version("headscore"),
            "model": getattr(self._model, "name_or_path", "") or type(self._model).__name__,
            "roles": ",".join(role.name for role in self._roles),
            "backend": self._backend,
        }
        if self._part.name is not None:
            facts["part"] = self._part.name
        return HeadScores(
            values=np.concatenate([each.values for each in done]),
            roles=tuple(role.name for role in self._roles),
            sequence_ids=tuple(id_ for batch in batches for id_ in batch.ids),
            documents=documents if any(documents) else None,
            attainable=np.concatenate([each.attainable for each in done]),
            tokens=np.concatenate([each.hashes for each in done]),
            facts=facts,
            lengths=np.concatenate([batch.lengths for batch in batches]),
            overlap=np.sum([each.overlap for each in done], axis=0),
            heads=np.array(self._known_route().heads_per_layer),
            hidden=np.sum([each.invisible for each in done], axis=0),
        )

    def around(self, module: Any, args: Any, kwargs: Any) -> None:
        """Note what the whole model is called with: before each of its forward passes."""
        if not hook.in_trial():
            self._reader.called_around(module, args, kwargs)

    def around_ended(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Forget what the whole model was called with: after each of its forward passes."""
        del module, args, kwargs, output
        if not hook.in_trial():
            self._reader.left_around()

    def before(self, module: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Compile the sieves of a batch and start scoring: before each forward pass."""
        if hook.in_trial():
            return args, kwargs
        self._stop()
        call = self._reader.call(module, args, kwargs)
        if self.route is None:
            self.route = self._found_in(module, call)
            self._guarded()
        if call.has_tokens:
            self._call = call
            current = self._begin(self._reader.read(call, first=self._n_sequences()))
            self._open.enter_context(forward.scoring(current, keep=call.weights))
        else:
            self._find_patches(module, call)
            self._call = call
            listener = _FromFirstAttention(partial(self._begin_at, call))
            self._open.enter_context(hook.listening(listener, self.route.modules))
        # Eager attention is returned only if asked for; `after` takes it out of the output again.
        return args, {**kwargs, "output_attentions": True} if self.route.returned else kwargs

    def after(self, module: Any, args: Any, kwargs: Any, output: Any) -> Any:
        """Store the scores of a forward pass: after each."""
        del module, args, kwargs
        if hook.in_trial() or self._call is None:
            return None
        call, current, layers = self._call, self._current, self._known_route().layers
        self._stop()
        if output is None:
            return None  # an exception is on its way
        n_scored = 0 if current is None else len(current[1].scored)
        if current is None or n_scored != len(layers):
            raise InputError(
                f"a forward pass must compute the attention of {len(layers)} layers, got {n_scored}"
            )
        batch, scored = current
        found = collect(scored)
        assert found is not None  # masks were read, so that none can differ from what was expected
        check_faults(found.faults, batch.encoded.ids)
        self._done.append(
            _Scored(
                encoded=batch.encoded,
                hashes=batch.hashes,
                values=found.values,
                attainable=found.attainable,
                overlap=found.overlap,
                invisible=found.invisible,
            )
        )
        self._presence.add(Presence.of(self._roles, batch.encoded))
        return _without_stubs(output) if self._returned() and not call.weights else None

    def is_running(self) -> bool:
        """Return whether a pass is scored now."""
        return self._call is not None

    def close(self) -> None:
        """Stop scoring."""
        self._stop()
        self._guard.close()

    def _stop(self) -> None:
        """Stop scoring the current pass."""
        self._open.close()
        self._call, self._current = None, None

    def _known_route(self) -> route.Route:
        assert self.route is not None  # found in the first pass at the latest
        return self.route

    def _returned(self) -> bool:
        return self._known_route().returned

    def _guarded(self) -> None:
        """Refuse calls of parts of the model, which would be lost."""
        if self.route is not None:
            self._guard.enter_context(guarding(self.route.modules, self.is_running))

    def _n_sequences(self) -> int:
        return sum(len(each.encoded) for each in self._done)

    def _found_in(self, module: Any, call: Call) -> route.Route:
        """Find how attention is read, in a pass over the user's own inputs."""
        given, tokens = call.given, None
        if self._part.paired:
            # One more token of the source, so that its length is not that of the target.
            given = {**given, **_with_longer_source(given, call.source.shape[1])}
            queries, keys = call.source.shape[1], given["encoder_hidden_states"].shape[1]
            tokens = (queries, keys if self._part.name == CROSS else queries)
        return route.discover_in(
            module, partial(module, **given), tokens, cross=self._part.name == CROSS
        )

    def _find_patches(self, module: Any, call: Call) -> None:
        """Find where the patches of pictures of this size are, once."""
        size = tuple(call.source.shape[1:])
        if size not in self._grids:
            names = ("interpolate_pos_encoding",)
            options = {name: call.given[name] for name in names if name in call.given}
            self._grids[size] = patch_grid(module, call.source, **options)

    def _begin_at(self, call: Call, inputs: hook.AttentionInputs) -> forward.Pass:
        """Start scoring at the first attention, which shows the number of tokens."""
        sequences, _, tokens, _ = inputs.query.shape
        if sequences != len(call.source):
            raise InputError(
                f"attention must be over whole sequences, {len(call.source)} in this batch, got "
                f"{sequences} in {type(inputs.module).__name__}"
            )
        grid = self._grids[tuple(call.source.shape[1:])]
        columns = {} if grid is None else dict(zip(PLACE, grid.places(tokens), strict=True))
        real = real_at(inputs, call.given.get("attention_mask"))
        first = self._n_sequences()
        return self._begin(self._reader.read_places(call, real, columns, first=first))

    def _begin(self, batch: UserBatch) -> forward.Pass:
        """Return a new pass over a batch."""
        plan = BatchPlan.of(self._roles, batch.encoded, compared=False)
        source, real = batch.encoded.source, batch.real
        keys = real if batch.source_real is None else batch.source_real
        current = forward.Pass(
            plan,
            self._known_route(),
            self._backend,
            stops=False,
            real=keys,
            chosen=None if _is_plain(real, plan.tokens) else real,
        )
        if source is not None and not _is_plain(keys, source.tokens):
            current.chosen_keys = keys
        self._current = batch, current
        return current


class _Scored(NamedTuple):
    """The scores of one pass: (sequence, role, layer, head) and what goes with them."""

    encoded: Encoded
    hashes: Array
    values: Array
    attainable: Array
    overlap: Array
    invisible: Array


class _FromFirstAttention:
    """Starts a pass at its first attention, and passes that and all others on."""

    def __init__(self, begin: Callable[[hook.AttentionInputs], forward.Pass]) -> None:
        self._begin = begin
        self._current: forward.Pass | None = None

    def attending(self, inputs: hook.AttentionInputs) -> torch.Tensor | None:
        """Score one layer."""
        if self._current is None:
            self._current = self._begin(inputs)
        return self._current.attending(inputs)


def _is_plain(real__bt: torch.Tensor, tokens: int) -> bool:
    """Return whether all padding is on the right, so that positions equal those of the plan."""
    # Each row is 1 .. 1 0 .. 0 exactly where it never rises.
    return tokens == real__bt.shape[1] and bool((real__bt[:, :-1] >= real__bt[:, 1:]).all())


def _with_longer_source(given: dict[str, Any], queries: int) -> dict[str, torch.Tensor]:
    """Return the source of a decoder's call, a token longer if it is as long as the target."""
    states, mask = given["encoder_hidden_states"], given.get("encoder_attention_mask")
    if states.shape[1] != queries:
        return {}
    longer = {"encoder_hidden_states": torch.cat([states, states[:, -1:]], 1)}
    if mask is not None:
        longer["encoder_attention_mask"] = torch.cat([mask, mask[:, -1:]], 1)
    return longer


def _without_stubs(output: Any) -> Any:
    """Return the output without attentions that the user did not ask for."""
    if not hasattr(output, "items"):
        return None
    return type(output)(**{name: each for name, each in output.items() if name != "attentions"})
