"""The parser of the command line, built from the commands."""

from __future__ import annotations

import argparse
import difflib
import re
from importlib.metadata import version
from typing import Any, NoReturn

from headscore.cli import (
    analyze,
    compare,
    completion,
    demo,
    doctor,
    examples,
    merge,
    parse,
    power,
    replicate,
    report,
    roles,
    synthetic,
    trajectory,
    validate,
)
from headscore.cli.output import complain

_COMMANDS = (
    analyze,
    parse,
    roles,
    merge,
    report,
    compare,
    replicate,
    trajectory,
    examples,
    validate,
    power,
    synthetic,
    demo,
    doctor,
    completion,
)  # in the order in which --help lists them
_EXAMPLES = """\
examples:
  headscore demo
  headscore analyze google-bert/bert-base-uncased corpus.conllu --out scores.hs
  headscore analyze my-model pairs.tsv --columns first,second --parser en_core_web_sm
  headscore analyze my-model notes.txt --roles local,offset:-1,delimiter
  headscore report scores.hs -o report.html
  headscore compare before.hs after.hs -o change.html
  headscore replicate english.hs portuguese.hs -o both.html
  headscore trajectory 1000=early.hs 2000=late.hs -o training.html
  headscore examples my-model corpus.conllu --head 1.8 --role nsubj -o examples.html
  headscore validate my-model corpus.conllu --report scores.hs -o effect.html
  headscore roles corpus.conllu
  headscore parse corpus.txt --parser en_core_web_sm -o corpus.hsp
  headscore analyze my-model corpus.conllu --shards 16 --run-dir run --workers 4
  headscore synthetic needle my-model -n 100 -o needles.hse
  headscore power --effect 0.2 --heads 144 --roles 10
  headscore power --pilot scores.hs --documents 50,100,200 -o power.html

exit codes: 0 done, 2 usage, 3 bad input, 4 incomplete, 130 interrupted
"""


class Parser(argparse.ArgumentParser):
    """A parser that prints errors as one sentence, with the nearest name for unknown ones."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse arguments; report unknown ones as an error of the command, not of the program."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print the sentence and exit with code 2."""
        sentence = _sentence(message, list(self._option_string_actions))
        complain(f"{sentence} (see {self.prog} --help)", self.prog)
        raise SystemExit(2)


def _sentence(message: str, options: list[str]) -> str:
    """Return a message of argparse reworded: the rule, the value, and the nearest name."""
    unknown = re.match(r"unrecognized arguments: (--[^ =]+)", message)
    if unknown:
        return f"{message}{_nearest(unknown[1], options)}"
    # argparse has no hook for its messages, so the parts are read from the text.
    choice = re.match(r"argument (.*): invalid choice: '(.*)' \(choose from (.*)\)", message)
    if not choice:
        return message
    allowed = [name.strip(" '") for name in choice[3].split(",")]
    rule = f"{choice[1]} must be one of {', '.join(allowed)}, got {choice[2]!r}"
    return f"{rule}{_nearest(choice[2], allowed)}"


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def make_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="headscore",
        description="Tell which attention head of a transformer does what, with statistics.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"headscore {version('headscore')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in _COMMANDS:
        command.add_to(commands)
    # shtab needs the whole parser, which the command module cannot import without a cycle.
    commands.choices["completion"].set_defaults(parser_of_all=parser)
    return parser
