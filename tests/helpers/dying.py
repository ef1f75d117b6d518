"""Work that kills its process in the middle of writing, once."""

import os
import signal
from pathlib import Path

from headscore import files
from headscore.scale import shards


def score_shard(job, marker, victim, shard):
    """Compute a shard; where it is the victim, die first, with a file half written."""
    if shard == victim and not Path(marker).exists():
        Path(marker).touch()
        with files.replacing(Path(job.folder) / "never.hs") as half:
            half.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    return shards.score_shard(job, shard)


def die(shard):
    """Die whatever is asked."""
    os.kill(os.getpid(), signal.SIGKILL)
    return shard
