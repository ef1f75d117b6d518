"""Declare options as fields of a group, check their values and describe them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, TypeVar

from headscore.errors import UsageError

_KEY = "option"  # key of the declaration in the metadata of a dataclass field
_OWN = "__annotations__"  # attribute of a class with the fields that it declares itself


@dataclass(frozen=True)
class Option:
    """The declaration of an option, apart from its name, type and default.

    Attributes
    ----------
    help
        One line on what it sets.
    allowed
        All of its values; None where they cannot be listed.
    rule, accepts
        The rule for values, worded to follow "must", and the function that checks it.
    unset
        The meaning of the default None.
    """

    help: str
    allowed: tuple[Any, ...] | None = None
    rule: str | None = None
    accepts: Callable[[Any], bool] = lambda _: True
    unset: str | None = None


def option(
    default: Any,
    help: str,
    *,
    allowed: tuple[Any, ...] | None = None,
    least: int | None = None,
    rule: str | None = None,
    accepts: Callable[[Any], bool] | None = None,
    unset: str | None = None,
) -> Any:
    """Declare an option as a field of a group; arguments as in `Option`.

    `least` is the smallest value of an integer; None is allowed too where it is the default.
    """
    if least is not None:
        rule, accepts = rule or _whole_rule(least), is_whole(least)
        accepts = or_none(accepts) if default is None else accepts
    if isinstance(default, bool):
        rule, accepts = "be True or False", is_bool
    if allowed is not None:
        rule = rule or f"be one of {', '.join(map(str, allowed))}"
        accepts = _is_among(allowed)
    known = Option(help, allowed, rule, accepts or (lambda _: True), unset)
    return field(default=default, metadata={_KEY: known})


def required(help: str, *, least: int | None = None) -> Any:
    """Declare an option without a default; arguments as in `option`."""
    known = Option(help)
    if least is not None:
        known = Option(help, rule=_whole_rule(least), accepts=is_whole(least))
    return field(metadata={_KEY: known})


def probability(default: float, help: str) -> Any:
    """Declare an option for a number strictly between 0 and 1."""
    return option(default, help, rule="lie between 0 and 1", accepts=_is_probability)


def _whole_rule(least: int) -> str:
    return f"be an integer of at least {least}"


def _is_among(allowed: tuple[Any, ...]) -> Callable[[Any], bool]:
    # Kinds are compared too: True == 1 and 1 == 1.0 in Python, but neither is the value 1. numpy's
    # texts and integers are of the kind of Python's.
    return lambda value: any(_kind(value) is _kind(each) and value == each for each in allowed)


def _kind(value: object) -> type:
    kinds = (bool, str, Integral)  # bool is a subclass of int and must come before it
    return next((kind for kind in kinds if isinstance(value, kind)), type(value))


def is_bool(value: object) -> bool:
    """Return whether a value is True or False."""
    return isinstance(value, bool)


def is_whole(least: int) -> Callable[[Any], bool]:
    """Return a check for integers of at least `least`."""
    # bool is a subclass of int: True is refused.
    return lambda value: (
        isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
    )


def or_none(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a check that also accepts None."""
    return lambda value: value is None or accepts(value)


def _is_probability(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """A group of options; raises UsageError for a value that is not allowed."""

    def __post_init__(self) -> None:
        for each, known in declared(type(self)):
            value = getattr(self, each.name)
            if not known.accepts(value):
                raise UsageError(f"{each.name} must {known.rule}, got {value!r}")


Group = TypeVar("Group", bound=Options)


def declared(group: type[Options]) -> Iterator[tuple[Field[Any], Option]]:
    """Yield field and declaration of each option: a group's own, then those of its bases."""
    # `fields` begins with the last base; the method resolution order begins with the group. A name
    # that a group declares again is listed at the group, with the group's declaration.
    by_name = {each.name: each for each in fields(group)}
    order = dict.fromkeys(name for base in group.__mro__ for name in vars(base).get(_OWN, ()))
    for name in order:
        if name in by_name:
            yield by_name[name], by_name[name].metadata[_KEY]


def narrowed(group: type[Group], options: Group) -> Group:
    """Return the options of a group from those of one that is based on it."""
    return group(**{each.name: getattr(options, each.name) for each, _ in declared(group)})


def named(group: type[Options], name: str) -> tuple[Field[Any], Option]:
    """Return the field and the declaration of one option of a group."""
    return next(found for found in declared(group) if found[0].name == name)


def describe(each: Field[Any], known: Option) -> str:
    """Return the help of an option with its allowed values and its default."""
    values = [str(value) for value in known.allowed or () if value is not None]
    allowed = f" ({', '.join(values)})" if values else ""
    text = f"{_sentence(known.help)}{allowed}."
    return text if each.default is MISSING else f"{text} Default: {default_of(each, known)}."


def _sentence(help: str) -> str:
    """Return a help text with a capital first letter, except for names such as spaCy and values."""
    # A plain word has lower case letters only: "spaCy", "1:" or "``role``" are left alone.
    first = help.split()[0]
    plain = first.isalpha() and first.islower()
    return f"{help[0].upper()}{help[1:]}" if plain else help


def default_of(each: Field[Any], known: Option) -> str:
    """Return the text for the default of an option."""
    return known.unset if each.default is None and known.unset else repr(each.default)
