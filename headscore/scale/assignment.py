"""Find the shards that are this process's own, by its number, torchrun or a SLURM array."""

from __future__ import annotations

from collections.abc import Mapping

from headscore.errors import UsageError
from headscore.scale.run_folder import Run


def own_shards(run: Run, shard: int | None, environ: Mapping[str, str]) -> list[int]:
    """Return the shards of this process.

    The one given by its number; else those of this process under torchrun (RANK, WORLD_SIZE) or in
    a SLURM array (SLURM_ARRAY_TASK_ID, _MIN, _MAX, _COUNT); else all. Tasks of a SLURM array whose
    ids have no gaps share all shards; with gaps, as where some are resubmitted, an id is a shard.

    Raises
    ------
    UsageError
        There is no such shard.
    """
    if shard is not None:
        return _one(run, "shard", shard)
    if "RANK" in environ and "WORLD_SIZE" in environ:
        return _every(run, "RANK", _number(environ, "RANK"), _number(environ, "WORLD_SIZE"))
    if "SLURM_ARRAY_TASK_ID" not in environ:
        return list(run.shards)
    own = _number(environ, "SLURM_ARRAY_TASK_ID")
    # --array=0-3 with 10 shards: MIN 0, MAX 3, COUNT 4; task 1 computes shards 1, 5, 9.
    # --array=2,7 (sent again): 7 - 2 + 1 != 2, so the ids have gaps and task 7 computes shard 7.
    first = _number(environ, "SLURM_ARRAY_TASK_MIN", 0)
    count = _number(environ, "SLURM_ARRAY_TASK_COUNT", len(run.shards))
    last = _number(environ, "SLURM_ARRAY_TASK_MAX", first + count - 1)
    if last - first + 1 != count:
        return _one(run, "SLURM_ARRAY_TASK_ID", own)
    return _every(run, "SLURM_ARRAY_TASK_ID", own - first, count)


def _one(run: Run, name: str, shard: int) -> list[int]:
    if shard not in run.shards:
        raise UsageError(f"{name} must lie in 0..{len(run.shards) - 1}, got {shard}")
    return [shard]


def _every(run: Run, name: str, own: int, of: int) -> list[int]:
    if not 0 <= own < of:
        raise UsageError(f"{name} must be one of {of} processes, got number {own}")
    # Every of-th shard: neighbours go to different processes, which evens out long stretches.
    return list(range(own, len(run.shards), of))


def _number(environ: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environ.get(name, "" if default is None else str(default))
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{name} must be a number, got {text!r}") from None
