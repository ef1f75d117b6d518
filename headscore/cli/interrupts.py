"""Interrupts of a command: none is lost where Python drops exceptions."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import Any

_SECONDS = 0.01  # until a lost interrupt is raised again


@contextmanager
def kept() -> Iterator[None]:
    """Raise each KeyboardInterrupt again that Python drops; for commands only, which own signals.

    Python runs the handler of SIGINT between any two instructions of the main thread. In a
    ``__del__``, or a callback of a weak reference or of the garbage collector, it prints what the
    handler raises and goes on, so that a run would end as if nobody had interrupted it:

        Ctrl-C ─> handler raises in a finalizer ─> dropped ─> hook: a timer
                                                                │ SIGALRM
                           interrupted  <─  handler raises  <───┘ (dropped again: once more)

    The hook itself cannot raise: that would be dropped as well.
    """
    if current_thread() is not main_thread():  # no other one may set handlers, or is interrupted
        yield
        return
    lost = False

    def remember(dropped: Any) -> None:
        nonlocal lost
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            hook(dropped)
            return
        lost = True
        signal.setitimer(signal.ITIMER_REAL, _SECONDS)

    hook, sys.unraisablehook = sys.unraisablehook, remember
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        yield
    finally:
        if lost:
            signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        sys.unraisablehook = hook
    if lost:  # the command was done before the timer
        raise KeyboardInterrupt
