"""`headscore roles`: list the relations and labels of a corpus, and how often each occurs."""

from __future__ import annotations

import argparse
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

from headscore.cli import options, output
from headscore.options import CorpusOptions

if TYPE_CHECKING:
    from headscore.roles.survey import Survey

_UNION = "syntactic"  # the role of several relations that is listed first
_VALUES = 6  # labels of a column that are shown


def add_to(commands: options.Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("roles", help="list the roles that a corpus has, and their n")
    options.add_corpus_argument(parser)
    options.add_corpus_options(parser)
    options.add_parse_options(parser)
    options.add_json_option(parser)
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    from headscore.checks import check_inputs
    from headscore.parsing.pipelines import find_parser
    from headscore.parsing.source import Source
    from headscore.roles.specs import parse_roles
    from headscore.roles.survey import survey
    from headscore.stopwatch import Stopwatch

    # Of a pipeline only the parse is asked for: its labels would take several times as long.
    labels = ("*",) if arguments.parser is None else ()
    chosen = options.chosen(CorpusOptions, arguments, labels=labels)
    corpus = options.corpus_of(arguments)
    check_inputs(None, corpus, chosen)
    parser = None if chosen.parser is None else find_parser(chosen.parser)
    with Source(corpus, chosen).opened(parser, Counter(), Stopwatch()) as sequences:
        found = survey(sequences, parse_roles(_UNION))
    if arguments.json:
        output.print_json(_as_json(found))
    else:
        print("\n".join(_lines(found)))
    return 0


def _as_json(found: Survey) -> dict[str, Any]:
    return {
        "sequences": found.sequences,
        "text_pairs": found.text_pairs,
        "parsed": found.parsed,
        "documents": len(found.documents),
        "words": found.words,
        _UNION: found.taking_part[_UNION],
        "relations": [
            {"relation": name, "word_pairs": n, "sequences": found.sequences_with[name]}
            for name, n in found.pairs.most_common()
        ],
        "labels": {name: dict(each.most_common()) for name, each in found.labels.items()},
    }


def _lines(found: Survey) -> list[str]:
    from headscore.report.wording import how_many
    from headscore.roles.registry import forms

    counted = [
        how_many(n, what)
        for n, what in ((len(found.documents), "document"), (found.words, "word"))
        if n  # a text without a parse has words that nobody told apart
    ]
    lines = [
        f"{how_many(found.sequences, 'sequence')}, of them {found.text_pairs} text pairs and "
        f"{found.parsed} parsed; {', '.join(counted) or 'no document is named'}",
        "",
        *_relations(found),
        "",
        *_labels(found),
        "without a parse: " + ", ".join(forms()),
    ]
    return [part for line in lines for part in textwrap.wrap(line, output.width()) or [""]]


def _relations(found: Survey) -> list[str]:
    """Return a table of the role syntactic, and of every relation."""
    from headscore.roles.specs import parse_roles
    from headscore.roles.syntactic import matches_role
    from headscore.scores.signature import printable

    if not found.pairs:
        return ["no roles of word pairs: the text is not parsed (--parser names a spaCy pipeline)"]
    (union,) = parse_roles(_UNION)
    together = sum(n for name, n in found.pairs.items() if matches_role(union, name))
    rows = [(_UNION, together, found.taking_part[_UNION])]
    rows += [(name, n, found.sequences_with[name]) for name, n in found.pairs.most_common()]
    width = max(len("relation"), *(len(printable(name)) for name, _, _ in rows))
    head = f"{'relation':{width}}  word pairs  sequences"
    return [head, *(f"{printable(name):{width}}  {n:>10}  {s:>9}" for name, n, s in rows)]


def _labels(found: Survey) -> list[str]:
    """Return a line on the labels of each column, the most frequent first."""
    from headscore.scores.signature import printable

    lines = []
    for name, counts in found.labels.items():
        shown = ", ".join(f"{printable(value)} {n}" for value, n in counts.most_common(_VALUES))
        more = f", and {len(counts) - _VALUES} more" if len(counts) > _VALUES else ""
        lines.append(f"label:{printable(name)}  {shown}{more}")
    return [*lines, ""] if lines else []
