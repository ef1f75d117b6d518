from typing import Any

from headscore.arrays import Array
from headscore.backends.contract import Visibility

def copy_labels(labels: Array, lengths: Array, into: Array) -> tuple[int, int]: ...

class EntryList:
    def add(
        self,
        role: int,
        lengths: Array,
        key_lengths: Array,
        sequence: Array,
        group: Array,
        query: Array,
        key: Array,
    ) -> int: ...
    def columns(self) -> tuple[Array, Array, Array, Array, Array]: ...

def list_arcs(words: Any, token_offsets: Array) -> tuple[Array, Array]: ...
def plan_batch(
    sieves: Any, texts: tuple[Array, Array, Array] | None, visibility: Visibility, counts: bool
) -> tuple[dict[str, Array], dict[str, Array], int, int]: ...
def control_position(
    comparison: Any, scores: Array, counted: Array, excess: Array, sums: Array
) -> None: ...
