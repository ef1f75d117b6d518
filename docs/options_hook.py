"""MkDocs hook: the tables of options, made of `headscore.options` and the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import MISSING, Field
from typing import Any

from headscore import options
from headscore.cli.parser import make_parser
from headscore.declarations import Option, Options, declared, default_of

_MARKER = "<!-- options -->"
_GROUPS: dict[str, type[Options]] = {
    "Read": options.ReadOptions,
    "Parse": options.ParseOptions,
    "Load": options.LoadOptions,
    "Run": options.RunOptions,
    "Host": options.HostOptions,
    "Encode": options.EncodeOptions,
    "Synthetic": options.SyntheticOptions,
    "Score": options.UntilOptions,
    "Stop": options.StopOptions,
    "Test": options.TestOptions,
    "Select": options.SelectOptions,
    "Compare": options.CompareOptions,
    "Trajectory": options.TrajectoryOptions,
    "Analyze": options.AnalyzeOptions,
    "Curve": options.CurveOptions,
    "Intervals": options.IntervalOptions,
    "Power": options.PowerOptions,
    "Examples": options.ExampleOptions,
    "Labels": options.LabelOptions,
    "Replicate": options.ReplicateOptions,
    "Validate": options.ValidateOptions,
    "Permutations": options.PermutationOptions,
}
_PYTHON_ONLY = (
    options.EncodeOptions,
    options.CurveOptions,
    options.LabelOptions,
    options.PermutationOptions,
)
_HEAD = "| option | command line | default | allowed | sets |\n|---|---|---|---|---|"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the tables in the place of the marker."""
    if _MARKER not in markdown:
        return markdown
    return markdown.replace(_MARKER, "\n\n".join(_sections()))


def _sections() -> Iterator[str]:
    """Yield title, sentence and table of each group."""
    flags = _flags()
    for title, group in _GROUPS.items():
        within = _within(group)
        links = [f"[{each}](#{each})" for each in map(str.lower, within)]
        also = f" Also takes the options of {_listed(links)}." if links else ""
        own_flags = {} if group in _PYTHON_ONLY else flags
        rows = [_row(each, known, own_flags) for each, known in _own(group, within)]
        yield "\n\n".join([f"## {title}", f"{group.__doc__}{also}", "\n".join([_HEAD, *rows])])


def _within(group: type[Options]) -> dict[str, type[Options]]:
    """Return the groups that a group is made of, without those that they are made of."""
    bases = {
        t: each for t, each in _GROUPS.items() if each is not group and issubclass(group, each)
    }
    inner = {base for each in bases.values() for base in each.__mro__[1:]}
    return {title: each for title, each in bases.items() if each not in inner}


def _own(
    group: type[Options], within: dict[str, type[Options]]
) -> Iterator[tuple[Field[Any], Option]]:
    """Yield the options that a group adds to others, or declares in another way."""
    there = [known for each in within.values() for _, known in declared(each)]
    for each, known in declared(group):
        if not any(known is other for other in there):
            yield each, known


def _flags() -> dict[str, str]:
    """Return what the command line calls each option."""
    found: dict[str, dict[str, None]] = {}
    for command in _commands().choices.values():
        for action in command._actions:
            found.setdefault(action.dest, {}).update(dict.fromkeys(action.option_strings))
    return {name: ", ".join(map(_code, flags)) for name, flags in found.items()}


def _commands() -> Any:
    actions = make_parser()._actions
    return next(each for each in actions if isinstance(each, argparse._SubParsersAction))


def _row(each: Field[Any], known: Option, flags: dict[str, str]) -> str:
    flag = flags.get(each.name, "")
    cells = [_code(each.name), flag, _default(each, known), _allowed(each, known), known.help]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _default(each: Field[Any], known: Option) -> str:
    if each.default is MISSING:
        return "required"
    words = default_of(each, known)
    value = _code(repr(each.default))
    return value if words == repr(each.default) else f"{value}: {words}"


def _allowed(each: Field[Any], known: Option) -> str:
    values = (True, False) if each.type == "bool" else known.allowed
    if values is not None:
        return ", ".join(_code(repr(value)) for value in values)
    return (known.rule or "").removeprefix("be ").removeprefix("lie ")


def _code(text: str) -> str:
    return f"`{text}`"


def _listed(texts: list[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last
