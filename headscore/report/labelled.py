"""Read which heads have which roles, from a report, scores, a file of either, or a mapping."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headscore.causal.labelled import Labelled
from headscore.causal.selection import Heads, pairs_of
from headscore.errors import InputError, UsageError, unknown_name
from headscore.options import TestOptions, ValidateOptions
from headscore.report.report import Report
from headscore.report.saved import load
from headscore.roles.role import Role
from headscore.roles.specs import parse_roles
from headscore.scores.head_scores import HeadScores


def labelled_heads(report: Any, options: ValidateOptions) -> Labelled:
    """Return the roles to try, and the heads that have them.

    Parameters
    ----------
    report
        A `Report`; `HeadScores`, tested with default options; the path of a file of either; or a
        mapping from role specs or `Role` objects to heads, as in `headscore.ablate`.
    options
        Roles and label.

    Raises
    ------
    UsageError
        A role that the report does not have, or that no head has.
    InputError
        A report of another kind, or one in which no head has any role.
    """
    if isinstance(report, Mapping):
        roles = tuple(_single(spec) for spec in report)
        _check_different(roles)
        heads = {
            role.name: _pairs(role.name, pairs)
            for role, pairs in zip(roles, report.values(), strict=True)
        }
        return _chosen(heads, roles, options)
    found = _report_of(report)
    has = found.labels(label=options.label)
    heads = {role: pairs_of(has.index[has[role]].tolist()) for role in found.roles}
    if not any(heads.values()):
        raise InputError("the report must hold a head with a role, got none")
    labelled = _chosen(heads, _known(heads, options), options)
    return replace(labelled, label=options.label, facts=found.facts, signature=found.signature)


def _report_of(report: Any) -> Report:
    if isinstance(report, str | os.PathLike):
        report = load(report)
    if isinstance(report, HeadScores):
        return Report.from_scores(report, TestOptions())
    if not isinstance(report, Report):
        raise InputError(
            "report must be a Report, HeadScores, the file of either, or a mapping from roles to "
            f"heads, got {type(report).__name__}"
        )
    return report


def _chosen(
    heads: Mapping[str, Heads], known: tuple[Role, ...], options: ValidateOptions
) -> Labelled:
    """Return the roles of the options, or the known ones, with their heads."""
    asked = known if options.roles is None else parse_roles(options.roles)
    for role in asked:
        if role.name not in heads and not role.from_set:
            raise UsageError(
                unknown_name("roles must be those of the report", role.name, list(heads))
            )
        if not heads.get(role.name) and not role.from_set:
            raise UsageError(f"roles must be those that some head has, got {role.name!r}")
    tried = tuple(role for role in asked if heads.get(role.name))
    if not tried:
        raise InputError("roles must name one that some head has, got none")
    return Labelled(
        roles=tried,
        heads=tuple(heads[role.name] for role in tried),
        label="given",
        not_tried={role.name: "no head has it" for role in asked if role not in tried},
    )


def _known(heads: Mapping[str, Heads], options: ValidateOptions) -> tuple[Role, ...]:
    """Return the roles of a report that some head has; none where the options name roles."""
    names = [name for name, pairs in heads.items() if pairs] if options.roles is None else []
    return tuple(_named(name) for name in names)


def _named(name: str) -> Role:
    """Return a role of a report, which holds names alone."""
    try:
        return _single(name)
    except UsageError as error:
        raise UsageError(
            f"roles must hold the Role of {name!r}, which the report has by its name alone"
        ) from error


def _single(spec: Any) -> Role:
    """Return the role of a key of a mapping."""
    found = parse_roles([spec])
    if len(found) > 1:
        raise UsageError(f"each key of report must be one role, got the set {spec!r}")
    return found[0]


def _check_different(roles: tuple[Role, ...]) -> None:
    """Raise UsageError where two keys of a mapping are the same role."""
    names = [role.name for role in roles]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"keys of report must be different roles, got {twice!r} twice")


def _pairs(role: str, pairs: Any) -> Heads:
    """Return the heads that a mapping gives to a role."""
    try:
        return pairs_of(pairs)
    except UsageError as error:
        raise InputError(f"the heads of role {role!r} cannot be read: {error}") from None
