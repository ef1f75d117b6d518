"""Replication: a replication table with its summary, page and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscore.report import html, replication_sentences
from headscore.report.html.snippet import Sentences
from headscore.report.replication_table import ReplicationTable
from headscore.report.shown import Shown


@dataclass(frozen=True, eq=False, repr=False)
class Replication(Shown, ReplicationTable):
    """In how many studies each head has each role, see `ReplicationTable`; summary, page, CSV."""

    _SENTENCES: ClassVar[Sentences] = replication_sentences

    def _page(self) -> str:
        return html.replication_page(self)
