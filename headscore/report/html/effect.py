"""The page of an effect, and its section in the page of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headscore.report import effect_sentences as sentences
from headscore.report.effect_table import EffectTable
from headscore.report.html import cells, effect_bars
from headscore.report.html.cells import Column
from headscore.report.html.page import render
from headscore.report.wording import short_model

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = (
    Column("role", "role", "text"),
    Column("arm", "arm", "text"),
    Column("n_heads", "heads", "int"),
    Column("n", "n", "int"),
    Column("n_clusters", "units", "int"),
    Column("edges", "edges", "int"),
    Column("delta", "change", "number"),
    Column("ci_low", "from", "number"),
    Column("ci_high", "to", "number"),
    Column("at_rows", "at its rows", "number"),
    Column("elsewhere", "elsewhere", "number"),
    Column("divergence", "divergence", "number"),
    Column("pvalue_adj", "adjusted p", "p", 3),
    Column("p_sets", "rank p", "p", 3),
    Column("explained", "explained", "number", 3),
    Column("verdict", "verdict", "text"),
    Column("status", "status", "text"),
)


def effect_page(effect: EffectTable) -> str:
    """Return an effect as one self-contained HTML page.

    Parameters
    ----------
    effect
        The effect.
    """
    table = effect.table.assign(arm=effect.table["arm"].replace(sentences.ARMS))
    columns = _columns(table)
    context = {
        "title": short_model(str(effect.facts.get("model", ""))),
        "effect": section(effect),
        "columns": columns,
        "rows": cells.rows(table, columns),
        "summary": sentences.summary(effect).splitlines(),
        "facts": effect.facts,
        "signature": effect.signature,
    }
    return render("effect.html", context)


def _columns(table: pd.DataFrame) -> list[Column]:
    """Return the columns of the page: units where they are not sequences, status where not ok."""
    needless = {
        "n_clusters": table["n_clusters"].equals(table["n"]),
        "status": (table["status"] == "ok").all(),
    }
    return [each for each in cells.present(_COLUMNS, table) if not needless.get(each.name)]


def section(effect: EffectTable) -> dict[str, Any]:
    """Return the values of the figures of an effect, for `macros.html`."""
    return {
        "answer": sentences.answer(effect),
        "depends": sentences.depends(effect),
        "unit": effect.values.unit,
        "level": f"{1 - effect.alpha:.6g}",
        "width": effect_bars.WIDTH,
        "panels": effect_bars.panels(effect),
        "sets": bool(len(effect.sets())),
        "meaning": [sentences.meaning(effect), sentences.REPAIR],
        "untried": sentences.untried(effect),
    }
