"""Test the studies of a replication: the parts of one corpus, or several scores and reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from headscore.declarations import named
from headscore.errors import InputError, UsageError
from headscore.options import NONE, ReplicateOptions
from headscore.report.role_table import RoleTable
from headscore.report.studies import Source, read_studies, read_study
from headscore.scores.head_scores import HeadScores
from headscore.statistics.clusters import Clusters, clusters_of
from headscore.statistics.criterion import taus_as_text, thresholds
from headscore.statistics.splits import split


def study_tables(studies: Any, options: ReplicateOptions) -> dict[str, RoleTable]:
    """Return the report of each study, by name; raise as `headscore.replicate`."""
    if options.clusters is not None and not isinstance(options.clusters, str):
        options = replace(options, clusters=tuple(options.clusters))  # read for each study
    if options.by is not None:
        tables = _of_parts(studies, options)
    else:
        tables = read_studies(studies, lambda source: _tested(source, options))
    _check_alike(tables)
    _check_asked(next(iter(tables.values())), options)
    return tables


def _of_parts(studies: Any, options: ReplicateOptions) -> dict[str, RoleTable]:
    """Test the parts of one corpus.

    The units of independence are those of the whole corpus: a small part has fewer documents than
    `AUTO` asks for, but its sequences depend no less.
    """
    listed = isinstance(studies, Mapping | list | tuple)
    if listed and len(studies) != 1:
        raise UsageError(f"by must come with the scores of one corpus, got {len(studies)} studies")
    scores = read_study(next(iter(_values(studies))) if listed else studies)
    if not isinstance(scores, HeadScores):
        raise UsageError("by must come with scores, got a report, which has none of each sequence")
    parts = split(scores, options.by)
    if len(parts) < 2:
        raise InputError(f"by must split the corpus into at least 2 parts, got {len(parts)}")
    clusters = clusters_of(scores, options.clusters)
    return {
        name: _report(scores.select(where=chosen), options, clusters.at(chosen))
        for name, chosen in parts.items()
    }


def _values(studies: Any) -> Any:
    return studies.values() if isinstance(studies, Mapping) else studies


def _tested(source: Source, options: ReplicateOptions) -> RoleTable:
    return source if isinstance(source, RoleTable) else _report(source, options, None)


def _report(scores: HeadScores, options: ReplicateOptions, clusters: Clusters | None) -> RoleTable:
    # Without lengths the thirds of the corpus, of which nothing is shown here, are not tested.
    return RoleTable.from_scores(replace(scores, lengths=None), options, clusters)


def _check_alike(tables: Mapping[str, RoleTable]) -> None:
    """Raise InputError where reports are not of the same cells, or were not tested alike."""
    (first, known), *others = tables.items()
    for name, other in others:
        difference = next(_differing(known, other), None)
        if difference is not None:
            what, one, two = difference
            raise InputError(
                f"studies must have the same {what}, got {one} in {first!r} and {two} in {name!r}"
            )


def _differing(one: RoleTable, other: RoleTable) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name and both values of what differs between two reports."""
    yield from (("roles", repr(role), "none") for role in one.roles if role not in other.roles)
    yield from (("roles", "none", repr(role)) for role in other.roles if role not in one.roles)
    orders = [", ".join(each.roles) for each in (one, other)]
    shapes = [" x ".join(map(str, each.array("label").shape[1:])) for each in (one, other)]
    heads = [each.heads_per_layer.tolist() for each in (one, other)]
    pairs = {
        "order of roles": orders,
        "layers and heads": shapes,
        "heads in each layer": heads,
        **{fact: [one.facts[fact], other.facts[fact]] for fact in ("criterion", "tau", "alpha")},
    }
    yield from ((what, *both) for what, both in pairs.items() if both[0] != both[1])


def _check_asked(table: RoleTable, options: ReplicateOptions) -> None:
    """Raise UsageError for an option of the test that is not what reports were tested with.

    Scores were tested with the options. A default cannot be told from an option that was given.
    """
    for name, asked in _asked(options, table.roles).items():
        default = getattr(options, name) == named(ReplicateOptions, name)[0].default
        known = table.facts[name].partition("@")[0]  # without the digest of cluster ids
        if not default and asked != known:
            raise UsageError(
                f"{name} must be that of the reports, where these are given: {known}, got {asked}"
            )


def _asked(options: ReplicateOptions, roles: tuple[str, ...]) -> dict[str, str]:
    """Return the options of the test as the facts of a report have them."""
    clusters = options.clusters if isinstance(options.clusters, str | None) else "given"
    return {
        "alpha": f"{options.alpha:.12g}",
        "criterion": options.criterion,
        "tau": taus_as_text(thresholds(options.tau, roles), roles),
        "clusters": NONE if clusters is None else clusters,
        "ddof": str(options.ddof),
    }
