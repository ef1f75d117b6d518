"""An interrupt stops a command also where Python drops what its handler raises."""

import argparse
import contextlib
import gc
import signal
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from helpers import tiny
from helpers.commands import refused, run_here

import headscore as hs
from headscore.cli import entry, interrupts

SECONDS = 30  # of a command that is not interrupted


def wait(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(100))


def interrupt(*_):
    signal.raise_signal(signal.SIGINT)


def in_del():
    class Dying:
        __del__ = interrupt

    Dying()


def in_a_weakref_callback():
    thing = set()
    kept = weakref.ref(thing, interrupt)
    del thing
    assert kept() is None


def in_a_gc_callback():
    def once(*_):
        gc.callbacks.remove(once)
        interrupt()

    gc.callbacks.append(once)
    gc.collect()


FINALIZERS = [in_del, in_a_weakref_callback, in_a_gc_callback]


def state():
    """What a command must leave as it was."""
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGALRM)]
    return sys.unraisablehook, handlers, signal.getitimer(signal.ITIMER_REAL)


@pytest.fixture
def run(monkeypatch):
    """Run a function as a command, in a process that can be interrupted."""

    def run(command):
        parser = argparse.ArgumentParser()
        parser.set_defaults(command=lambda _: command())
        monkeypatch.setattr(entry, "make_parser", lambda: parser)
        before = state()
        result = run_here()
        assert state() == before
        return result

    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    run.dropped = dropped
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield run
    signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize("finalizer", FINALIZERS)
def test_an_interrupt_in_a_finalizer_is_dropped_by_python(finalizer, run):
    finalizer()
    assert [each.exc_type for each in run.dropped] == [KeyboardInterrupt]


@pytest.mark.parametrize("finalizer", FINALIZERS)
def test_an_interrupt_in_a_finalizer_stops_the_command(finalizer, run):
    reached = []  # the end of the command

    def command():
        finalizer()
        wait(SECONDS)
        reached.append(True)
        return 0

    refused(run(command), 130, "headscore: interrupted")
    assert reached == []
    assert run.dropped == []


@pytest.mark.parametrize("finalizer", FINALIZERS)
def test_an_interrupt_in_a_finalizer_at_the_end_of_a_command_exits_with_130(finalizer, run):
    refused(run(lambda: finalizer() or 0), 130, "headscore: interrupted")


def test_an_interrupt_that_is_dropped_twice_stops_the_command(run, monkeypatch):
    monkeypatch.setattr(interrupts, "_SECONDS", 0.5)  # a busy machine is in `Slow` by then
    reached = []  # the end of the command
    again = []

    class Slow:
        def __del__(self):
            try:
                wait(5)
            except KeyboardInterrupt:
                again.append(True)
                raise

    def command():
        in_del()
        Slow()
        wait(SECONDS)
        reached.append(True)
        return 0

    refused(run(command), 130, "headscore: interrupted")
    assert reached == []
    assert again == [True]


def test_other_dropped_exceptions_are_reported_as_before(run):
    class Failing:
        def __del__(self):
            raise ValueError("of a finalizer")

    def command():
        Failing()
        return 0

    assert run(command).returncode == 0
    assert [str(each.exc_value) for each in run.dropped] == ["of a finalizer"]


def test_a_command_in_another_thread_sets_no_handler(run):
    results = []
    seen = []
    thread = threading.Thread(
        target=lambda: results.append(run(lambda: seen.append(state()) or 0).returncode)
    )
    before = state()
    thread.start()
    thread.join()
    assert results == [0]
    assert seen == [before]


def test_functions_of_the_library_set_no_handler(tmp_path):
    seen = []

    def sieve(batch):
        seen.append(state())
        return np.ones((len(batch), batch.tokens, batch.tokens), bool)

    before = state()
    with contextlib.suppress(hs.HeadscoreError):
        hs.analyze(tiny.save(tmp_path / "m"), ["bal dan"] * 9, roles=[hs.Role("mine", sieve)])
    assert seen
    assert all(each == before for each in seen)
