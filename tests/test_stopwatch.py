"""Seconds per stage, with a clock that the tests advance."""

import pytest

from headscore import stopwatch
from headscore.stopwatch import Stopwatch, duration


@pytest.fixture
def clock(monkeypatch):
    """Call it to let time pass."""
    now = [100.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])

    def pass_time(seconds):
        now[0] += seconds

    return pass_time


def test_time_between_stages_is_not_counted(clock):
    timed = Stopwatch()
    assert timed.seconds == {}
    for seconds in (1, 2):
        with timed.stage("a"):
            clock(seconds)
        clock(10)
    assert timed.seconds == {"a": 3}


def test_nested_stages_count_only_their_own_time(clock):
    timed = Stopwatch()
    with timed.stage("outer"):
        clock(1)
        with timed.stage("inner"):
            clock(2)
            with timed.stage("outer"):
                clock(4)
            clock(8)
        clock(16)
    assert timed.seconds == {"outer": 21, "inner": 10}
    assert list(timed.seconds) == ["outer", "inner"]


def test_chained_stages_count_only_their_own_time(clock):
    timed = Stopwatch()

    def read():
        for item in range(3):
            clock(1)
            yield item

    def parse(items):
        for item in items:
            clock(10)
            yield item

    chain = timed.each("parse", parse(timed.each("read", read())))
    taken = []
    for item in chain:
        with timed.stage("score"):
            clock(100)
        clock(1000)
        taken.append(item)
    assert taken == [0, 1, 2]
    assert timed.seconds == {"parse": 30, "read": 3, "score": 300}


def test_the_time_after_the_last_item_is_counted(clock):
    timed = Stopwatch()

    def slow_to_end():
        yield "only"
        clock(5)

    assert list(timed.each("read", slow_to_end())) == ["only"]
    assert timed.seconds == {"read": 5}
    assert list(timed.each("nothing", [])) == []
    assert timed.seconds == {"read": 5, "nothing": 0}


def test_items_are_read_lazily():
    made = []
    items = Stopwatch().each("read", (made.append(n) or n for n in range(9)))
    assert (next(items), next(items)) == (0, 1)
    assert made == [0, 1]


def test_an_error_ends_its_stages(clock):
    timed = Stopwatch()

    def breaks():
        clock(2)
        yield 1
        clock(3)
        raise KeyError("source")

    def consume():
        with timed.stage("outer"):
            for _ in timed.each("read", breaks()):
                clock(4)

    with pytest.raises(KeyError, match="source"):
        consume()
    with timed.stage("after"):
        clock(1)
    assert timed.seconds == {"outer": 4, "read": 5, "after": 1}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (119.4, "119 s"),
        (120, "2 min"),
        (119 * 60, "119 min"),
        (120 * 60, "2.0 h"),
        (9000, "2.5 h"),
    ],
)
def test_durations_are_in_the_unit_that_reads_best(seconds, text):
    assert duration(seconds) == text
