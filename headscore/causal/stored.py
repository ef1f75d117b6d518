"""The results of an experiment as the arrays of a file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore import files
from headscore.causal.values import ArmValues, EffectValues
from headscore.errors import InputError

# Axes: s sequence, a arm, k head of an arm; i to v are lengths of packed texts.
LAYOUT = {
    "delta": files.Field("float64", "as"),
    "at_rows": files.Field("float64", "as"),
    "elsewhere": files.Field("float64", "as"),
    "divergence": files.Field("float64", "as"),
    "edges": files.Field("int64", "as"),
    "number": files.Field("int64", "a"),
    "same_offset": files.Field("float64", "a"),
    "norm_ratio": files.Field("float64", "a"),
    "heads_of_arm": files.Field("int64", "a"),
    "layers": files.Field("int64", "k"),
    "heads": files.Field("int64", "k"),
    "clean": files.Field("float64", "s"),
    "sequence_ids": files.Field("uint8", "i"),
    "documents": files.Field("uint8", "j", optional=True),
    "arm_roles": files.Field("uint8", "l"),
    "arm_names": files.Field("uint8", "m"),
    "not_tried": files.Field("uint8", "n"),  # key, reason, key, reason, ...
    "unit": files.Field("uint8", "o"),
}
_BY_SEQUENCE = ("delta", "at_rows", "elsewhere", "divergence", "edges")


def to_arrays(values: EffectValues) -> dict[str, npt.NDArray[Any]]:
    """Return everything but roles, facts and counts as the arrays of a file."""
    arms, n = values.arms, len(values.sequence_ids)
    heads = np.array([head for arm in arms for head in arm.heads], np.int64).reshape(-1, 2)
    arrays: dict[str, npt.NDArray[Any]] = {
        name: np.array([getattr(arm, name) for arm in arms], LAYOUT[name].dtype).reshape(-1, n)
        for name in _BY_SEQUENCE
    }
    arrays |= {
        "number": np.array([arm.number for arm in arms], np.int64),
        "same_offset": np.array([arm.same_offset for arm in arms], np.float64),
        "norm_ratio": np.array([arm.norm_ratio for arm in arms], np.float64),
        "heads_of_arm": np.array([len(arm.heads) for arm in arms], np.int64),
        "layers": heads[:, 0],
        "heads": heads[:, 1],
        "clean": np.asarray(values.clean, np.float64),
        "sequence_ids": files.pack(values.sequence_ids),
        "arm_roles": files.pack([arm.role for arm in arms]),
        "arm_names": files.pack([arm.arm for arm in arms]),
        "not_tried": files.pack([text for pair in values.not_tried.items() for text in pair]),
        "unit": files.pack([values.unit]),
    }
    if values.documents is not None:
        arrays["documents"] = files.pack(values.documents)
    return arrays


def from_arrays(
    arrays: Mapping[str, npt.NDArray[Any]],
    roles: tuple[str, ...],
    facts: Mapping[str, str],
    counts: Mapping[str, int],
) -> EffectValues:
    """Return the results that a file holds; raise InputError where its parts do not fit."""
    documents, ids = arrays.get("documents"), files.unpack(arrays["sequence_ids"])
    if len(ids) != len(arrays["clean"]):
        raise InputError(f"sequence_ids must have {len(arrays['clean'])} entries, got {len(ids)}")
    not_tried = files.unpack(arrays["not_tried"])
    return EffectValues(
        arms=_arms(arrays),
        roles=roles,
        clean=arrays["clean"],
        unit=files.unpack(arrays["unit"])[0],
        sequence_ids=ids,
        documents=None if documents is None else files.unpack(documents),
        not_tried=dict(zip(not_tried[::2], not_tried[1::2], strict=False)),
        facts=facts,
        counts=counts,
    )


def _arms(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[ArmValues, ...]:
    names = [files.unpack(arrays[name]) for name in ("arm_roles", "arm_names")]
    number, of_arm = arrays["number"], arrays["heads_of_arm"]
    if {len(each) for each in names} != {len(number)} or of_arm.sum() != len(arrays["layers"]):
        raise InputError(f"arms must have names and heads for each of {len(number)}")
    heads = list(zip(arrays["layers"].tolist(), arrays["heads"].tolist(), strict=True))
    ends = list(accumulate(of_arm.tolist(), initial=0))
    return tuple(
        ArmValues(
            role=role,
            arm=arm,
            number=int(number[at]),
            heads=tuple(heads[ends[at] : ends[at + 1]]),
            same_offset=float(arrays["same_offset"][at]),
            norm_ratio=float(arrays["norm_ratio"][at]),
            **{name: arrays[name][at] for name in _BY_SEQUENCE},
        )
        for at, (role, arm) in enumerate(zip(*names, strict=True))
    )
