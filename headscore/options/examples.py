"""Options of `examples`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headscore.declarations import option, required
from headscore.options.read import CorpusOptions
from headscore.options.run import BackendOptions, LoadOptions


@dataclass(frozen=True, kw_only=True)
class ExampleOptions(CorpusOptions, LoadOptions, BackendOptions):
    """What `headscore.examples` takes."""

    layer: int = required("layer of the head, from 0", least=0)
    head: int = required(
        "number of the head in its layer, from 0",
        least=0,
    )
    role: Any = required("a single role: its spec, such as nsubj or local, or a `Role`")
    count: int = option(5, "sequences on each side", least=1, rule="be 1 or more")
