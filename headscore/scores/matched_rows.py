"""Check the rows of the matched control of `HeadScores`, and put those of parts together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headscore.arrays import Array, Ints
from headscore.errors import InputError
from headscore.sieves.strata import CONTROL

# dtype and axes of each array: m row, l layer, h head.
MATCHED = {
    "matched": ("float32", "mlh"),
    "matched_weight": ("float32", "ml"),
    "matched_sequence": ("int64", "m"),
    "matched_role": ("int32", "m"),
    "matched_stratum": ("uint64", "m"),
}
_BLOCK = 1 << 16  # rows checked at a time, which bounds the memory of the masks


def check_matched(arrays: Mapping[str, Array | None], shape: tuple[int, int, int, int]) -> None:
    """Check the arrays of `MATCHED`, by name, of scores (sequence, role, layer, head).

    Raises
    ------
    InputError
        Some are there and some are not, shapes or dtypes are wrong, or rows are not sorted by
        sequence, role and stratum, each once; or numbers are out of range.
    """
    known = {name: array for name, array in arrays.items() if array is not None}
    if not known:
        return
    if len(known) < len(MATCHED):
        raise InputError(f"{', '.join(MATCHED)} must come together, got {', '.join(known)} only")
    n_sequences, n_roles, n_layers, n_heads = shape
    sizes = {"m": len(known["matched"]), "l": n_layers, "h": n_heads}
    for name, (dtype, axes) in MATCHED.items():
        want = tuple(sizes[axis] for axis in axes)
        if known[name].dtype != dtype or known[name].shape != want:
            raise InputError(
                f"{name} must be {dtype} of shape {want}, got {known[name].dtype} of shape "
                f"{known[name].shape}"
            )
    _check_within("matched_sequence", known["matched_sequence"], 0, n_sequences - 1)
    _check_within("matched_role", known["matched_role"], CONTROL, n_roles - 1)
    for start in range(0, sizes["m"], _BLOCK):
        block = {name: array[start : start + _BLOCK + 1] for name, array in known.items()}
        _check_block(block, start)


def _check_within(name: str, values: Array, least: int, most: int) -> None:
    if len(values) and not least <= values.min() <= values.max() <= most:
        raise InputError(f"{name} must lie in {least}..{most}, got {values.min()}..{values.max()}")


def _check_block(block: Mapping[str, Array], start: int) -> None:
    # The last row of a block is the first of the next one: neighbours are compared everywhere.
    sequence, role, stratum = (block[f"matched_{name}"] for name in ("sequence", "role", "stratum"))
    ascends = stratum[1:] > stratum[:-1]
    for before in (role, sequence):
        ascends = (before[1:] > before[:-1]) | ((before[1:] == before[:-1]) & ascends)
    if not ascends.all():
        raise InputError(
            "matched rows must be sorted by sequence, role and stratum, each once, got row "
            f"{start + int(np.argmin(ascends)) + 1} out of order"
        )
    for name, empty in (("matched", True), ("matched_weight", False)):
        # NaN: a head that its layer does not have.
        numbers = block[name]
        good = (numbers >= 0) & np.isfinite(numbers) | (np.isnan(numbers) & empty)
        if not good.all():
            raise InputError(f"{name} must be numbers of at least 0, got {numbers[~good][0]}")


def taken_rows(arrays: Mapping[str, Array], sequences: Ints, roles: Ints) -> dict[str, Array]:
    """Return the rows of some sequences and roles, and of the controls of these sequences.

    Parameters
    ----------
    arrays
        The arrays of `MATCHED` by name.
    sequences, roles
        Numbers of what is taken, in the new order.
    """
    new_sequence = _new_numbers(sequences, arrays["matched_sequence"])
    # Roles count from -1, the controls: place 0 of both.
    new_role = _new_numbers(np.append(0, roles + 1), arrays["matched_role"] + 1) - 1
    kept = np.flatnonzero((new_sequence >= 0) & (new_role >= CONTROL))
    stratum = arrays["matched_stratum"]
    rows = kept[np.lexsort((stratum[kept], new_role[kept], new_sequence[kept]))]
    return {
        **{name: array[rows] for name, array in arrays.items()},
        "matched_sequence": new_sequence[rows],
        "matched_role": new_role[rows].astype(np.int32),
    }


def _new_numbers(taken: Ints, old: Array) -> Ints:
    """Return the place of each old number among those taken, -1 for the others."""
    place = np.full(max(old.max(initial=-1), taken.max()) + 1, -1, np.int64)
    place[taken] = np.arange(len(taken))
    return place[old]


def shifted(name: str, array: Array, n_before: int) -> Array:
    """Return the array of a part that follows some sequences."""
    return array + n_before if name == "matched_sequence" else array
