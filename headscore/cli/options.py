"""Arguments of the commands, made of `headscore.options`, in groups as --help shows them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import MISSING
from typing import Any, TypeAlias, TypeVar

from headscore import options
from headscore.declarations import Option, Options, declared, default_of, named

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Group = TypeVar("Group", bound=Options)
_TYPES: dict[str, Callable[[str], Any]] = {"int": int, "int | None": int, "float": float}
_HELP = {  # help that differs between shell and Python
    "parser": "spaCy pipeline, by name or path, for texts without a parse",
    "parse_processes": "processes that parse beside the model, 0: in turn with it",
    "host_workers": "processes that encode and plan beside the model, 0: in turn with it",
    "cache": "parse cache: a folder or a .hsp file",
    "labels": "labels of words kept with the parses, for roles label:COLUMN and --control: entity, "
    "upos, tag, lemma, a feature such as number; * for all",
    "roles": "comma-separated: %(role_names)s, syntactic, any relation",
    "position": "do not compare word pairs with the same offsets elsewhere: no beyond_position",
    "tau": "threshold on the mean, for some roles another, as in 3,local=2",
    "clusters": "unit of independence; auto: documents, if all sequences have one and 10 are known",
    "criterion": "mean: the mean score exceeds tau; attained: its share of what is attainable does",
    "tokenizer": "use the tokenizer of another model, so that both get the same tokens",
    "keep_scores": "auto: in memory up to 1 GiB, else on disk; none: added up as they come",
    "metric": "what is measured; auto: the loss where there is a language-model head, else cosine",
    "by": "make the studies of one corpus; genre: what stands before the first hyphen of the names "
    "of its documents; length: thirds by tokens",
    "role": "a single role of those that analyze --roles takes, such as nsubj or local",
    "sample": "draw N sequences at random, in the order of the corpus",
    "limit": "read the first N sequences only",
    "until": "read documents in random order and stop once all tests are decided, or this share",
}
_DEFAULTS = {"cache": "HEADSCORE_CACHE, or ~/.cache/headscore", "labels": "none"}
_METAVARS = {
    "parser": "NAME",
    "columns": "A[,B]",
    "labels": "A[,B]",
    "parse_processes": "N",
    "host_workers": "N",
    "cache": "PATH",
    "max_length": "N",
    "batch_tokens": "N",
    "chunk": "N",
    "count": "N",
    "documents": "N[,N]",
    "resamples": "N",
    "keep_scores": "WHERE",
    "tau": "TAU[,ROLE=TAU]",
    "tokenizer": "MODEL",
    "folder": "DIR",
    "masked": "SHARE",
    "sets": "N",
    "at_least": "N",
    "seed": "N",
    "limit": "N",
    "sample": "N",
    "size": "LEAST,MOST",
    "texts": "FILE",
    "until": "SHARE",
}


class RoleNames:
    """The specs of all roles, looked up when a help is formatted: it needs numpy."""

    def __str__(self) -> str:
        from headscore.roles.registry import forms

        return ", ".join(forms())


class Suffixes:
    """The suffixes of all readers, looked up when a help is formatted."""

    def __str__(self) -> str:
        from headscore.corpus import readers

        return ", ".join(readers)


def add_all(
    parser: argparse._ActionsContainer, group: type[Options], *, but: tuple[str, ...] = ()
) -> None:
    """Add every option that a group declares, but for some."""
    for each, _ in declared(group):
        if each.name not in but:
            add(parser, group, each.name)


def add(
    parser: argparse._ActionsContainer,
    group: type[Options],
    *names: str,
    flag: str | None = None,
    **changes: Any,
) -> None:
    """Add some options of a group as ``--name`` or `flag`; `changes` go to argparse.

    A switch that is on by default becomes ``--no-name``.
    """
    for name in names:
        each, known = named(group, name)
        settings: dict[str, Any] = {"dest": name, "default": each.default, **_READ.get(name, {})}
        given = name.replace("_", "-")
        if each.type == "bool":
            settings["action"] = "store_false" if each.default else "store_true"
            settings["help"] = _help(name, known)
            given = f"no-{given}" if each.default else given
        else:
            settings |= _valued(name, each, known)
        action = parser.add_argument(flag or f"--{given}", **{**settings, **changes})
        action.role_names = RoleNames()  # type: ignore[attr-defined]


def _help(name: str, known: Option) -> str:
    """Return the help of an option as argparse formats it."""
    return _HELP.get(name) or known.help.replace("``", "").replace("%", "%%")


def _valued(name: str, each: Any, known: Option) -> dict[str, Any]:
    """Return the argparse settings of an option with a value."""
    settings: dict[str, Any] = {"metavar": _METAVARS.get(name)}
    if known.allowed is not None:
        choices = [value for value in known.allowed if value is not None]
        settings["choices"] = choices
        settings["metavar"] = settings["metavar"] or f"{{{','.join(map(str, choices))}}}"
    if each.type in _TYPES and name not in _READ:
        settings["type"] = _TYPES[each.type]
    help = _help(name, known)
    default = _DEFAULTS.get(name) or default_of(each, known).strip("'")
    if each.default is MISSING:
        return {**settings, "help": help, "required": True, "default": None}
    return {**settings, "help": f"{help} (default: {default})"}


def chosen(group: type[Group], arguments: argparse.Namespace, **others: Any) -> Group:
    """Return the options of a group from the arguments, or their defaults."""
    names = [each.name for each, _ in declared(group)]
    asked = {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}
    return group(**{**asked, **others})


def count_from(least: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers of at least `least`."""

    def read(text: str) -> int:
        number = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else None
        if number is None or number < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {least}, got {text!r}"
            )
        return number

    return read


def add_corpus_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument of the corpus file."""
    action = parser.add_argument(
        "corpus",
        metavar="CORPUS",
        nargs="?",
        help="a file, %(suffixes)s; none with --hf-dataset",
    )
    action.suffixes = Suffixes()  # type: ignore[attr-defined]


def corpus_of(arguments: argparse.Namespace) -> Any:
    """Return the corpus file or data set; raise UsageError unless exactly one is given."""
    from headscore.errors import UsageError

    if (arguments.corpus is None) == (arguments.hf_dataset is None):
        came = "none" if arguments.corpus is None else "both"
        raise UsageError(f"either CORPUS or --hf-dataset must be given, got {came}")
    if arguments.hf_dataset is None:
        return arguments.corpus
    from headscore.corpus.hub_dataset import DataSet

    return DataSet(arguments.hf_dataset, arguments.hf_split, arguments.hf_config)


def add_corpus_options(parser: argparse.ArgumentParser, *, seed: bool = True) -> None:
    """Add the options of reading a corpus; without `seed` where another group has the seed."""
    group = parser.add_argument_group("corpus")
    add(group, options.ParseOptions, "parser")
    # Roles and control name the labels that a command needs.
    add_all(group, options.ReadOptions, but=("labels",) if seed else ("labels", "seed"))
    group.add_argument(
        "--hf-dataset", metavar="NAME", help="data set of the Hugging Face hub, or a local folder"
    )
    group.add_argument("--hf-split", default="train", metavar="NAME", help="(default: train)")
    group.add_argument("--hf-config", metavar="NAME", help="subset of the data set")


def add_parse_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of parsing."""
    group = parser.add_argument_group("parses")
    add_all(group, options.ParseOptions, but=("parser",))
    group.add_argument(
        "--no-cache", dest="cache", action="store_const", const=None, help="no parse cache"
    )


def add_role_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of roles and their test."""
    group = parser.add_argument_group("roles and test")
    add(group, options.ScoreOptions, "roles")
    add_test_options(group)


def add_test_options(group: argparse._ArgumentGroup) -> None:
    """Add the options of the test."""
    add_all(group, options.TestOptions, but=("ddof",))


def add_stop_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of stopping before the end of the corpus."""
    group = parser.add_argument_group("stopping")
    flag = {"nargs": "?", "const": options.DECIDED}
    add(group, options.StopOptions, "until", flag="--until-decided", **flag)
    add(group, options.StopOptions, "seed")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of running the model."""
    group = parser.add_argument_group("run")
    add_all(group, options.LoadOptions, but=("tokenizer",))
    add_all(group, options.RunOptions)
    add_all(group, options.HostOptions)
    add_keep_option(group)


def add_keep_option(group: argparse._ActionsContainer) -> None:
    """Add the option of where scores are kept."""
    add(group, options.AnalyzeOptions, "keep_scores")


def add_output_options(
    parser: argparse.ArgumentParser, what: str, endings: tuple[str, ...]
) -> argparse._ArgumentGroup:
    """Add the options of output; `what` describes each ending of --out."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--out",
        action="append",
        default=[],
        metavar=f"FILE{'|'.join(endings)}",
        help=f"{what}; may be repeated",
    )
    add_json_option(group)
    group.add_argument(
        "--quiet", action="store_true", help="print nothing but errors, and JSON if asked"
    )
    return group


def add_json_option(group: argparse._ActionsContainer) -> None:
    """Add the choice to print for machines."""
    group.add_argument("--json", action="store_true", help="print JSON, for machines")


def _tau(text: str) -> float | dict[str, float]:
    """Read one threshold, or several with the names of their roles."""
    parts = [part.rpartition("=") for part in text.split(",")]
    try:
        by_role = {name if equals else "*": float(tau) for name, equals, tau in parts}
    except ValueError:
        by_role = {}
    if len(by_role) < len(parts):
        rule = "tau must be a number, or numbers of different roles as in 3,local=2"
        raise argparse.ArgumentTypeError(f"{rule}, got {text!r}")
    return by_role["*"] if list(by_role) == ["*"] else by_role


def _share(text: str) -> str | float:
    """Read a share of the tests, or that all must be decided."""
    try:
        return text if text == options.DECIDED else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number above 0 and at most 1, got {text!r}"
        ) from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _sizes(text: str) -> tuple[int, ...]:
    read = count_from(options.LEAST_SIZE)
    return tuple(read(part) for part in text.split(","))


def _span(text: str) -> tuple[int, int]:
    least, comma, most = text.partition(",")
    if not comma or not least.isdecimal() or not most.isdecimal():
        raise argparse.ArgumentTypeError(
            f"must be two whole numbers with a comma, as in 8,16, got {text!r}"
        )
    return int(least), int(most)


_READ: dict[str, dict[str, Any]] = {  # what reads the value of an option, where its type does not
    "tau": {"type": _tau},
    "columns": {"type": _names},
    "labels": {"type": _names},
    "documents": {"type": _sizes},
    "parse_processes": {"type": count_from(0)},
    "host_workers": {"type": count_from(0)},
    "metric": {"choices": options.METRICS},
    "at_least": {"type": count_from(1)},
    "by": {"choices": options.PARTS},
    "size": {"type": _span},
    "until": {"type": _share},
    "clusters": {"choices": [options.AUTO, options.DOCUMENT, options.NONE]},
}
