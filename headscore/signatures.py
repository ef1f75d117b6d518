"""Give functions that take a group of options flat, keyword-only signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING
from difflib import get_close_matches
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from headscore.declarations import declared, describe

# P: the parameters of the group's constructor, which type checkers then use for the function.
P = ParamSpec("P")
Group = TypeVar("Group")
Group_co = TypeVar("Group_co", covariant=True)
First = TypeVar("First")
Second = TypeVar("Second")
Third = TypeVar("Third")
Out = TypeVar("Out")


class _Flatten(Protocol[P, Group_co]):
    """Turns ``f(first, ..., options)`` into ``f(first, ..., *, option=..., ...)``."""

    @overload
    def __call__(
        self, function: Callable[[First, Any], Out], /
    ) -> Callable[Concatenate[First, P], Out]: ...

    @overload
    def __call__(
        self, function: Callable[[First, Second, Any], Out], /
    ) -> Callable[Concatenate[First, Second, P], Out]: ...

    @overload
    def __call__(
        self, function: Callable[[First, Second, Third, Any], Out], /
    ) -> Callable[Concatenate[First, Second, Third, P], Out]: ...


def takes(group: Callable[P, Group]) -> _Flatten[P, Group]:
    """Replace the last parameter, ``options``, of a function by the options of a group.

    Signature and docstring then list each option as a keyword, with its default and its help.

    Parameters
    ----------
    group
        The class of options.

    Raises
    ------
    TypeError
        On a call with arguments that are not in the flat signature; it names the nearest one.
    """

    def flatten(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = _flat_signature(function, group)

        @wraps(function)
        def flat(*args: Any, **keywords: Any) -> Any:
            own, chosen = _split(function.__name__, signature, args, keywords)
            return function(**own, options=group(**chosen))  # type: ignore[call-arg]

        # `wraps` copied the signature of `function`; help() and inspect read these two instead.
        flat.__signature__ = signature  # type: ignore[attr-defined]
        flat.__doc__ = _with_options(function.__doc__ or "", group)
        return flat

    return flatten


def _flat_signature(function: Callable[..., Any], group: Any) -> inspect.Signature:
    signature = inspect.signature(function)
    own = list(signature.parameters.values())[:-1]  # without ``options``
    flat = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=each.type,
        )
        for each, _ in declared(group)
    ]
    return signature.replace(parameters=[*own, *flat])


def _split(
    name: str, signature: inspect.Signature, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the function's own arguments, and the options that were given."""
    # `bind` checks the call by the rules of the flat signature. All own parameters are positional,
    # all options keyword-only, so that the kind separates them.
    try:
        given = signature.bind(*args, **keywords).arguments
    except TypeError as error:
        unknown = next((each for each in keywords if each not in signature.parameters), "")
        near = get_close_matches(unknown, signature.parameters, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise TypeError(f"{name}() {error}{meant}") from None
    kinds = {each: parameter.kind for each, parameter in signature.parameters.items()}
    chosen = {each: v for each, v in given.items() if kinds[each] is inspect.Parameter.KEYWORD_ONLY}
    return {each: v for each, v in given.items() if each not in chosen}, chosen


def _with_options(doc: str, group: Any) -> str:
    """Return a docstring with a parameter for each option, after its own parameters."""
    # The new parameters go in front of the section "Returns", or to the end where there is none.
    before, _, after = inspect.cleandoc(doc).partition("\n\nReturns\n")
    if "\nParameters\n" not in before:
        before += "\n\nParameters\n----------"
    lines = [before]
    for each, known in declared(group):
        lines += [each.name, f"    {describe(each, known)}"]
    return "\n".join(lines) + (f"\n\nReturns\n{after}" if after else "\n")
