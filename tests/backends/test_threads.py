"""Threads of the CPU kernel: torch's, or its own pool after a fork; the bits are the same."""

import multiprocessing
import sys
import threading
import warnings
from pathlib import Path

import pytest
import torch
from helpers.batches import queries_keys, random_batch

import headscore as hs

TASKS = Path("/proc/self/task")
HUNG = 120.0  # seconds: far beyond what the calls take on a busy machine


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def from_queries(seed):
    batch = random_batch(seed, batch=3, tokens=150)
    query, key = queries_keys(batch, 3, 1, 32, seed)
    plan = batch.plan()
    return lambda: hs.sieve_scores_qk(query, key, plan, backend="cpu").nan_to_num(-1)


def from_attention(seed):
    batch = random_batch(seed, batch=3, tokens=150, lengths=[150, 150, 150])
    query, key = queries_keys(batch, 3, 3, 32, seed)
    attention, plan = torch.softmax(query @ key.transpose(-1, -2), -1), batch.plan()
    return lambda: hs.sieve_scores(attention, plan, backend="cpu").nan_to_num(-1)


def bits_agree(run, want, counts=(1, 2, 3, 7)):
    for count in counts:
        torch.set_num_threads(count)
        if not torch.equal(run(), want):
            return False
    return True


def callers_agree(run, want, callers=4):
    """Whether calls from several Python threads at once all return the same bits."""
    agreed = []

    def call():
        agreed.append(all(torch.equal(run(), want) for _ in range(5)))

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return agreed == [True] * callers


def in_fork(check, *arguments):
    """What a check returns in a forked process, which fails where it hangs."""
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=lambda: sys.exit(0 if check(*arguments) else 1))
    with warnings.catch_warnings():
        # From Python 3.12 on: this process has threads, which is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    process.join(HUNG)
    hangs = process.exitcode is None
    process.kill()
    assert not hangs, "the forked process hangs"
    return process.exitcode == 0


needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork"
)


@pytest.mark.parametrize("made", [from_queries, from_attention])
def test_bits_do_not_depend_on_the_number_of_threads(made):
    run = made(12)
    torch.set_num_threads(1)
    assert bits_agree(run, run())


def test_callers_in_several_threads_do_not_disturb_each_other():
    run = from_queries(13)
    torch.set_num_threads(3)
    assert callers_agree(run, run())


@pytest.mark.skipif(not TASKS.exists(), reason="threads are counted in /proc")
def test_the_kernel_runs_on_the_threads_of_torch():
    run = from_queries(14)
    torch.set_num_threads(5)
    torch.ones(4_000_000).add_(1)
    before = len(list(TASKS.iterdir()))
    run()
    assert len(list(TASKS.iterdir())) == before >= 5


@needs_fork
@pytest.mark.parametrize("used", [1, 3])
def test_a_forked_process_does_not_hang_and_returns_the_same_bits(used):
    run = from_queries(15)
    torch.set_num_threads(used)
    want = run()
    assert in_fork(bits_agree, run, want, (3, 1, 2, 7, 2))
    assert bits_agree(run, want)  # and the parent goes on


@needs_fork
def test_a_process_forked_from_a_forked_one_does_not_hang():
    run = from_queries(16)
    torch.set_num_threads(2)
    want = run()
    assert in_fork(lambda: bits_agree(run, want) and in_fork(bits_agree, run, want))


@needs_fork
@pytest.mark.skipif(not TASKS.exists(), reason="threads are counted in /proc")
def test_a_process_forked_from_a_forked_one_has_threads_of_its_own():
    run = from_queries(16)
    torch.set_num_threads(3)

    def threads():
        run()
        return len(list(TASKS.iterdir()))

    assert in_fork(lambda: threads() == 3 and in_fork(lambda: threads() == 3))


@needs_fork
def test_the_own_pool_serves_many_calls_and_callers():
    run = from_queries(17)
    torch.set_num_threads(3)
    want = run()
    assert in_fork(
        lambda: all(torch.equal(run(), want) for _ in range(300)) and callers_agree(run, want)
    )
