"""The command line. Starts without torch: everything heavy is imported by the command that runs."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from headscore.errors import HeadscoreError

if TYPE_CHECKING:
    from headscore.comparison import Comparison
    from headscore.report import Report
    from headscore.terminal import Style

_EXAMPLES = """\
examples:
  headscore demo
  headscore analyze google-bert/bert-base-uncased corpus.conllu --out scores.hs
  headscore analyze my-model pairs.tsv --columns first,second --parser en_core_web_sm
  headscore analyze my-model notes.txt --roles local,offset:-1,delimiter
  headscore compare before.hs after.hs
  headscore power --effect 0.2 --heads 144 --roles 10

exit codes: 0 done, 2 usage, 3 bad input, 4 incomplete, 130 interrupted
"""

_TEST_OPTIONS = ("tau", "alpha", "adjust", "clusters", "criterion")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Parameters
    ----------
    argv
        Arguments; None: those of the process.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal may know fewer letters than a path has
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = _parser().parse_args(argv)
    logging.basicConfig(format="headscore: %(message)s", level=logging.WARNING, force=True)
    try:
        command: Callable[[argparse.Namespace], int] = arguments.command
        return command(arguments)
    except HeadscoreError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("HEADSCORE_DEBUG"):
            traceback.print_exc()
        text = " ".join(str(error).split())
        return _complain(
            f"unexpected {type(error).__name__}: {text} (HEADSCORE_DEBUG=1 shows where)", 1
        )


def _complain(sentence: str, exit_code: int) -> int:
    escaped = "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in sentence)
    print(f"headscore: {escaped}", file=sys.stderr)
    return exit_code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="headscore",
        description="Tell which attention head of a transformer does what, with statistics.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"headscore {version('headscore')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    analyze = commands.add_parser("analyze", help="score a model on a corpus and test its heads")
    analyze.add_argument("model", metavar="MODEL", help="hub id or folder")
    analyze.add_argument("corpus", metavar="CORPUS", help="a .conllu, .tsv or .txt file")
    analyze.add_argument(
        "--tokenizer-from",
        metavar="MODEL",
        help="use the tokenizer of another model, so that both get the same tokens",
    )
    _add_corpus_options(analyze)
    _add_common_options(analyze)
    analyze.set_defaults(command=_analyze)

    compare = commands.add_parser(
        "compare", help="tell which heads gained or lost a role between two saved scores"
    )
    compare.add_argument("before", metavar="BEFORE.hs", help="scores saved by analyze --out")
    compare.add_argument("after", metavar="AFTER.hs", help="scores of the same corpus")
    _add_compare_options(compare)
    compare.set_defaults(command=_compare)

    power = commands.add_parser("power", help="how many sequences a test needs")
    _add_power_options(power)
    power.set_defaults(command=_power)

    demo = commands.add_parser("demo", help="analyze a real BERT on the built-in corpus, offline")
    _add_common_options(demo)
    demo.set_defaults(command=_demo)

    doctor = commands.add_parser("doctor", help="check the installation, and a model")
    doctor.add_argument("model", metavar="MODEL", nargs="?", help="hub id or folder")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_corpus_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("corpus")
    group.add_argument(
        "--parser", metavar="NAME", help="spaCy pipeline (name or path) for text without a parse"
    )
    group.add_argument(
        "--pairs", choices=["consecutive"], help="make pairs of neighbouring sentences"
    )
    group.add_argument(
        "--columns", type=_names, metavar="A[,B]", help="columns of a .tsv that hold the texts"
    )
    group.add_argument("--skip-invalid", action="store_true", help="skip and count invalid entries")


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    roles = parser.add_argument_group("roles and test")
    roles.add_argument(
        "--roles",
        default="paper",
        help="comma-separated: paper, local[:W], offset:K, delimiter, delimiter_cls, "
        "delimiter_sep, block, block_plain, sink, syntactic, any relation (default: paper)",
    )
    _add_test_options(roles)
    roles.add_argument(
        "--clusters",
        choices=["document"],
        help="sequences of one document may depend on each other (default: they do not)",
    )
    roles.add_argument(
        "--criterion",
        default="mean",
        help="mean: the mean score exceeds tau; attained: its share of what is attainable does "
        "(default: mean)",
    )
    run = parser.add_argument_group("run")
    run.add_argument("--max-length", type=int, metavar="N", help="truncate to N tokens")
    run.add_argument(
        "--too-long", default="truncate", help="truncate, skip or error (default: truncate)"
    )
    run.add_argument("--batch-tokens", type=int, metavar="N", help="most tokens of a batch")
    run.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    run.add_argument("--dtype", help="float32, bfloat16 or float16 (default: the model's)")
    run.add_argument("--backend", default="auto", help="auto, cpu or reference (default: auto)")
    run.add_argument("--on-nonfinite", default="error", help="error or skip (default: error)")
    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="FILE.hs", help="save the scores")
    output.add_argument("--profile", action="store_true", help="show where the time went")
    output.add_argument("--json", action="store_true", help="print JSON, for machines")


def _add_test_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--tau", type=float, default=3.0, help="threshold on the mean (default: 3)")
    group.add_argument("--alpha", type=float, default=0.05, help="level (default: 0.05)")
    group.add_argument(
        "--adjust",
        default="holm",
        help="correction for many tests: holm, bh, by, none (default: holm)",
    )


def _add_compare_options(parser: argparse.ArgumentParser) -> None:
    for side in ("before", "after"):
        parser.add_argument(
            f"--also-{side}",
            action="append",
            default=[],
            metavar="FILE.hs",
            help=f"another checkpoint of the side {side}; may be repeated",
        )
    _add_test_options(parser.add_argument_group("test"))
    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="FILE.hs", help="save the comparison")
    output.add_argument("--json", action="store_true", help="print JSON, for machines")


def _add_power_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--effect", type=float, required=True, help="(mean - tau) / sd of the heads to be found"
    )
    parser.add_argument("--heads", type=int, default=1, help="of the model (default: 1)")
    parser.add_argument("--roles", type=int, default=1, help="tested (default: 1)")
    parser.add_argument("--alpha", type=float, default=0.05, help="level (default: 0.05)")
    parser.add_argument(
        "--power", type=float, default=0.8, help="probability to find one (default: 0.8)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _analyze(arguments: argparse.Namespace) -> int:
    return _report(
        arguments,
        arguments.model,
        arguments.corpus,
        tokenizer=arguments.tokenizer_from,
        parser=arguments.parser,
        pairs=arguments.pairs,
        columns=arguments.columns,
        skip_invalid=arguments.skip_invalid,
    )


def _demo(arguments: argparse.Namespace) -> int:
    from headscore.demo import demo_corpus, demo_model

    os.environ["HF_HUB_OFFLINE"] = "1"
    return _report(arguments, str(demo_model()), str(demo_corpus()), pairs="consecutive")


def _report(arguments: argparse.Namespace, model: str, corpus: str, **reading: Any) -> int:
    """Score, test, save, print."""
    from headscore.stages import Stages

    stages = Stages()
    with stages.stage("start"):
        _check_writable(arguments.out)
        _quiet_transformers()
        from headscore import api

    test = {name: getattr(arguments, name) for name in _TEST_OPTIONS}
    api.check_test(arguments.roles, **test)
    scores = api.score(
        model,
        corpus,
        roles=arguments.roles,
        max_length=arguments.max_length,
        too_long=arguments.too_long,
        batch_tokens=arguments.batch_tokens,
        device=arguments.device,
        dtype=arguments.dtype,
        backend=arguments.backend,
        on_nonfinite=arguments.on_nonfinite,
        stages=stages,
        **reading,
    )
    if arguments.out is not None:
        with stages.stage("save"):
            scores.save(arguments.out)
    with stages.stage("test"):
        report = api.test(scores, **test)
    if arguments.json:
        print(json.dumps(_as_json(report, stages.seconds, arguments.out), indent=1))
    else:
        from headscore.terminal import render

        text = render(
            report,
            _style(),
            seconds=stages.seconds,
            saved=arguments.out,
            profile=arguments.profile,
        )
        print(text, end="")
    return 0


def _check_writable(out: str | None) -> None:
    """Refuse before the work what would fail after it."""
    if out is None:
        return
    from headscore.errors import InputError

    if Path(out).suffix != ".hs":  # a corpus or a model given by mistake stays what it is
        raise InputError(f"--out must end in .hs, got {out}")
    folder = Path(out).parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(out).is_dir():
        raise InputError(f"--out must be a file in a folder that can be written to, got {out}")


def _quiet_transformers() -> None:
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def _style() -> Style:
    from headscore.terminal import Style

    tty = sys.stdout.isatty()
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return Style(
        width=shutil.get_terminal_size((100, 40)).columns,
        unicode=encoding.startswith("utf"),
        bold=tty and not os.environ.get("NO_COLOR"),
    )


def _records(table: Any) -> Any:
    return json.loads(table.to_json(orient="records", double_precision=15))


def _as_json(report: Report, seconds: dict[str, float], saved: str | None) -> dict[str, Any]:
    return {
        "signature": report.signature,
        "facts": dict(report.facts),
        "counts": dict(report.counts),
        "seconds": seconds,
        "saved": saved,
        "layers": _records(report.layers().reset_index()),
        "depths": _records(report.depths()),
        "colocation": _records(report.colocation()),
        "table": _records(report.table),
    }


def _compare(arguments: argparse.Namespace) -> int:
    """Load, compare, save, print; without torch."""
    _check_writable(arguments.out)
    from headscore.comparison import Comparison
    from headscore.scores import HeadScores

    sides = [
        [HeadScores.load(path) for path in (first, *others)]
        for first, others in (
            (arguments.before, arguments.also_before),
            (arguments.after, arguments.also_after),
        )
    ]
    comparison = Comparison.from_scores(
        *sides, tau=arguments.tau, alpha=arguments.alpha, adjust=arguments.adjust
    )
    if arguments.out is not None:
        comparison.save(arguments.out)
    if arguments.json:
        print(json.dumps(_comparison_as_json(comparison, arguments.out), indent=1))
    else:
        from headscore.terminal_comparison import render_comparison

        print(render_comparison(comparison, _style(), saved=arguments.out), end="")
    return 0


def _comparison_as_json(comparison: Comparison, saved: str | None) -> dict[str, Any]:
    layers = comparison.layers().stack("role", future_stack=True).reset_index()
    return {
        "signature": comparison.signature,
        "facts": dict(comparison.facts),
        "counts": dict(comparison.counts),
        "saved": saved,
        "layers": _records(layers),
        "mcnemar": _records(comparison.mcnemar()),
        "gained": _records(comparison.heads("gained")),
        "lost": _records(comparison.heads("lost")),
        "table": _records(comparison.table),
    }


def _power(arguments: argparse.Namespace) -> int:
    from headscore import power

    asked = {name: getattr(arguments, name) for name in ("heads", "roles", "alpha")}
    n = power.required_n(arguments.effect, power=arguments.power, **asked)
    reached = power.power(n, effect=arguments.effect, **asked)
    if arguments.json:
        answer = {"n": n, "reached": reached, "effect": arguments.effect, "power": arguments.power}
        print(json.dumps({**answer, **asked}, indent=1))
        return 0
    level = arguments.alpha / (arguments.heads * arguments.roles)
    print(
        f"{n} sequences that take part: a head whose mean exceeds tau by {arguments.effect:g} "
        f"standard deviations is labelled with probability {reached:.3f}\n"
        f"(one-sided t-test at {arguments.alpha:g} / ({arguments.heads} heads x "
        f"{arguments.roles} roles) = {level:.3g}, the first step of Holm; at least that under "
        "the whole procedure)"
    )
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    _quiet_transformers()
    from headscore.doctor import examine

    sound = True
    for what, finding, fine in examine(arguments.model):
        sound &= fine
        print(f"{'ok ' if fine else 'BAD'} {what:18} {finding}", flush=True)
    return 0 if sound else 3


if __name__ == "__main__":
    raise SystemExit(main())
