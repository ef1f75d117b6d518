"""Watch the forward passes of a model, however it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch

from headscore.errors import InputError
from headscore.model import hook

Before = Callable[[Any, Any, Any], "tuple[Any, Any] | None"]
After = Callable[[Any, Any, Any, Any], Any]


@contextmanager
def watching(model: Any, before: Before, after: After = lambda *_: None) -> Iterator[None]:
    """Call functions before and after every forward pass of a model inside the block.

    torch runs forward hooks only where the model itself is called, and SentenceTransformer and PEFT
    call ``model.forward``: it is replaced instead.

    Parameters
    ----------
    model
        The model; its `forward` is restored afterwards.
    before
        Called with (model, args, kwargs), as a forward pre-hook; may return new args and kwargs.
    after
        Called with (model, args, kwargs, output), as a forward hook; may return a new output. The
        output is None where the pass has raised.
    """
    own = model.__dict__.get("forward")  # of a library that has replaced it too
    inner = model.forward
    is_open = True

    @wraps(inner)
    def forward(*args: Any, **kwargs: Any) -> Any:
        if not is_open:  # a block around this one has been left before it
            return inner(*args, **kwargs)
        args, kwargs = before(model, args, kwargs) or (args, kwargs)
        try:
            output = inner(*args, **kwargs)
        except BaseException:
            after(model, args, kwargs, None)
            raise
        changed = after(model, args, kwargs, output)
        return output if changed is None else changed

    model.forward = forward
    try:
        with model.register_forward_pre_hook(_refuse_copies(model)):
            yield
    finally:
        is_open = False
        if own is None:
            del model.forward
        else:
            model.forward = own


def _refuse_copies(model: Any) -> Callable[..., None]:
    """Return a hook that raises InputError for a copy of the model, which shares its hooks."""

    def check(module: Any, _: Any) -> None:
        if module is not model:
            raise InputError(
                f"{type(model).__name__} must be called itself, got a copy of it as DataParallel "
                "makes for each device: call its .module"
            )

    return check


@contextmanager
def guarding(modules: Iterable[torch.nn.Module], is_running: Callable[[], bool]) -> Iterator[None]:
    """Raise InputError where attention is computed while no pass is watched, inside the block.

    Parameters
    ----------
    modules
        The attention modules.
    is_running
        Returns whether a pass of the model runs that is watched.
    """

    def check(*_: Any) -> None:
        if not is_running() and not hook.in_trial():
            raise InputError(
                "the model must be called itself, got a call of a part of it, which does not show "
                "the batch"
            )

    with ExitStack() as stack:
        for module in dict.fromkeys(modules):
            stack.enter_context(module.register_forward_pre_hook(check))
        yield
