"""Facts and counts of a saved table that queries and pages read, checked when it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from headscore.declarations import named
from headscore.errors import InputError
from headscore.options import AdjustOptions, TrajectoryOptions
from headscore.statistics.looks import FACT, looks_of
from headscore.statistics.stopping import trail


class Rule(NamedTuple):
    """What a fact must be, to follow "must be", its check, and whether a file may lack it."""

    text: str
    accepts: Callable[[str], bool]
    optional: bool = False


def accepts(read: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return a check that is False where reading raises ValueError."""

    def check(text: str) -> bool:
        try:
            return read(text)
        except ValueError:  # also of an integer with too many digits
            return False

    return check


def _one_of(group: Any, name: str) -> Rule:
    allowed = named(group, name)[1].allowed or ()
    return Rule(f"one of {', '.join(allowed)}", lambda text: text in allowed)


def _is_tau(text: str) -> bool:
    # One threshold, or "role=threshold" with commas; a role may hold both signs.
    return float(text.rpartition("=")[2]) == float(text.rpartition("=")[2])


TEXT = Rule("there", lambda _: True)
COUNT = Rule("a whole number", accepts(lambda text: 0 <= int(text) < 2**63))
SHARE = Rule("a number between 0 and 1", accepts(lambda text: 0 < float(text) < 1))
TAU = Rule("a number, or one for each role", accepts(_is_tau))
CRITERION = Rule("mean or attained", lambda text: text in ("mean", "attained"))
ADJUST = _one_of(AdjustOptions, "adjust")
LABEL = _one_of(TrajectoryOptions, "label")
TESTED = {"criterion": CRITERION, "tau": TAU, "alpha": SHARE, "adjust": ADJUST}  # by any test
OF_UNITS = {**TESTED, "clusters": TEXT, "unit": TEXT}


def check_facts(
    facts: Mapping[str, str],
    rules: Mapping[str, Rule],
    counts: Mapping[str, int],
    needed: tuple[str, ...],
) -> None:
    """Raise InputError where a fact or a count that is read later is missing or invalid."""
    for name, rule in rules.items():
        if rule.optional and name not in facts:
            continue
        if name not in facts or not rule.accepts(facts[name]):
            raise InputError(f"the fact {name} must be {rule.text}, got {facts.get(name)!r:.60}")
    missing = [name for name in needed if name not in counts]
    if missing:
        raise InputError(f"counts must have {' and '.join(missing)}, got {list(counts)}")
    if FACT in facts:
        _check_looks(facts)


def _check_looks(facts: Mapping[str, str]) -> None:
    """Raise InputError where the facts of a run that may have stopped cannot be read."""
    looks_of(facts)
    try:
        list(trail(facts))
    except ValueError as error:
        raise InputError(f"the facts of looks must be numbers, got {error}") from error
