"""Options that several commands share, in groups as --help shows them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

RUN_OPTIONS = (
    "roles",
    "max_length",
    "too_long",
    "batch_tokens",
    "device",
    "dtype",
    "backend",
    "on_nonfinite",
    "chunk",
    "keep_scores",
    "weights",
    "special",
    "position",
)
TEST_OPTIONS = ("tau", "alpha", "adjust", "clusters", "criterion")


def chosen(arguments: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Return what was asked for under each of these names."""
    return {name: getattr(arguments, name) for name in names}


def count_from(least: int) -> Callable[[str], int]:
    """Return what reads a whole number that is not below the least."""

    def read(text: str) -> int:
        number = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else None
        if number is None or number < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {least}, got {text!r}"
            )
        return number

    return read


def add_corpus_argument(parser: argparse.ArgumentParser) -> None:
    """Add which corpus it is."""
    parser.add_argument(
        "corpus",
        metavar="CORPUS",
        nargs="?",
        help="a .conllu, .tsv, .jsonl, .txt or .spacy file; none with --hf-dataset",
    )


def corpus_of(arguments: argparse.Namespace) -> Any:
    """Return the file or data set that was asked for; raises UsageError unless it is one."""
    from headscore.errors import UsageError

    if (arguments.corpus is None) == (arguments.hf_dataset is None):
        raise UsageError("either CORPUS or --hf-dataset must be given, got both or none")
    if arguments.hf_dataset is None:
        return arguments.corpus
    from headscore.corpus.dataset import DataSet

    return DataSet(arguments.hf_dataset, arguments.hf_split, arguments.hf_config)


def add_corpus_options(parser: argparse.ArgumentParser) -> None:
    """Add how a corpus is read."""
    group = parser.add_argument_group("corpus")
    group.add_argument(
        "--parser", metavar="NAME", help="spaCy pipeline (name or path) for text without a parse"
    )
    group.add_argument(
        "--pairs", choices=["consecutive"], help="make pairs of neighbouring sentences"
    )
    group.add_argument(
        "--columns", type=_names, metavar="A[,B]", help="columns of a table that hold the texts"
    )
    group.add_argument(
        "--hf-dataset", metavar="NAME", help="data set of the Hugging Face hub, or a local folder"
    )
    group.add_argument("--hf-split", default="train", metavar="NAME", help="(default: train)")
    group.add_argument("--hf-config", metavar="NAME", help="subset of the data set")
    group.add_argument("--skip-invalid", action="store_true", help="skip and count invalid entries")


def add_parse_options(parser: argparse.ArgumentParser) -> None:
    """Add how what has no parse is parsed."""
    group = parser.add_argument_group("parses")
    group.add_argument(
        "--parse-processes",
        type=count_from(0),
        default=0,
        metavar="N",
        help="parse in N processes beside the model (default: 0, in turn with it)",
    )
    group.add_argument(
        "--cache",
        metavar="PATH",
        default="auto",
        help="folder or .hsp file of parses made before (default: HEADSCORE_CACHE, or "
        "~/.cache/headscore)",
    )
    group.add_argument(
        "--no-cache", dest="cache", action="store_const", const=None, help="keep no parses"
    )


def add_keep_option(group: argparse._ActionsContainer) -> None:
    """Add where scores are kept while they are many."""
    group.add_argument(
        "--keep-scores",
        choices=("auto", "memory", "disk", "none"),
        default="auto",
        metavar="WHERE",
        help="auto: in memory up to 1 GiB, else on disk; memory; disk; none: added up as they "
        "come (default: auto)",
    )


def add_role_options(parser: argparse.ArgumentParser) -> None:
    """Add which roles are scored, and how they are tested."""
    group = parser.add_argument_group("roles and test")
    group.add_argument(
        "--roles",
        default="paper",
        help="comma-separated: paper, decoder, local[:W], offset:K, previous, next, sink, "
        "delimiter, delimiter_cls, delimiter_sep, block, block_plain, duplicate, induction, "
        "punctuation, same_word, label:COLUMN[=VALUE], syntactic, any relation (default: paper)",
    )
    add_test_options(group)


def add_test_options(group: argparse._ArgumentGroup) -> None:
    """Add how scores are tested."""
    add_threshold_options(group)
    group.add_argument(
        "--clusters",
        choices=["document"],
        help="sequences of one document may depend on each other (default: they do not)",
    )
    group.add_argument(
        "--criterion",
        default="mean",
        help="mean: the mean score exceeds tau; attained: its share of what is attainable does "
        "(default: mean)",
    )


def add_threshold_options(group: argparse._ArgumentGroup) -> None:
    """Add what a head must exceed."""
    group.add_argument(
        "--tau",
        type=_tau,
        default=3.0,
        metavar="TAU[,ROLE=TAU]",
        help="threshold on the mean, for some roles another, as in 3,local=2 (default: 3)",
    )
    group.add_argument("--alpha", type=float, default=0.05, help="level (default: 0.05)")
    group.add_argument(
        "--adjust",
        default="holm",
        help="correction for many tests: holm, bh, by, none (default: holm)",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add how the model runs."""
    group = parser.add_argument_group("run")
    group.add_argument("--max-length", type=int, metavar="N", help="truncate to N tokens")
    group.add_argument(
        "--too-long", default="truncate", help="truncate, skip or error (default: truncate)"
    )
    group.add_argument("--batch-tokens", type=int, metavar="N", help="most tokens of a batch")
    group.add_argument(
        "--chunk",
        type=int,
        default=4096,
        metavar="N",
        help="sequences read and scored at a time (default: 4096)",
    )
    add_keep_option(group)
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    group.add_argument("--dtype", help="float32, bfloat16 or float16 (default: the model's)")
    group.add_argument("--backend", default="auto", help="auto, cpu or reference (default: auto)")
    group.add_argument("--on-nonfinite", default="error", help="error or skip (default: error)")
    group.add_argument(
        "--weights",
        default="attention",
        help="attention; norm: times the norm of what each key adds (default: attention)",
    )
    group.add_argument(
        "--special", default="keep", help="keep or drop special tokens (default: keep)"
    )
    group.add_argument(
        "--no-position",
        dest="position",
        action="store_false",
        help="do not compare word pairs with the same offsets elsewhere: no beyond_position",
    )


def add_output_options(
    parser: argparse.ArgumentParser, what: str, endings: tuple[str, ...]
) -> argparse._ArgumentGroup:
    """Add where the result goes; `what` says what each ending of --out gets."""
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


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))
