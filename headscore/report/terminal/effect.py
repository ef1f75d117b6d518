"""An effect as text for a terminal: what is shown of each role, and all arms."""

from __future__ import annotations

from headscore.report import effect_sentences as sentences
from headscore.report.effect_table import EffectTable
from headscore.report.terminal.columns import columns
from headscore.report.terminal.style import Style, joined, run_lines, titled, wrapped
from headscore.report.wording import format_pvalue, short_model
from headscore.scores.signature import printable


def render_effect(effect: EffectTable, style: Style, *, saved: str | None) -> str:
    """Return an effect as text.

    Parameters
    ----------
    effect
        The effect.
    style
        Width, signs and colours.
    saved
        Where the effect was saved, if it was.
    """
    parts = [
        _head(effect, style),
        _roles(effect, style),
        _arms(effect, style),
        run_lines(
            [*sentences.untried(effect), sentences.meaning(effect), sentences.REPAIR],
            effect.signature,
            saved,
            style,
        ),
    ]
    return joined(parts)


def _head(effect: EffectTable, style: Style) -> list[str]:
    model = printable(short_model(effect.facts.get("model", "effect")))
    return [
        style.heading(model),
        *wrapped(sentences.experiment(effect), style),
        *wrapped(sentences.answer(effect), style),
    ]


def _roles(effect: EffectTable, style: Style) -> list[str]:
    lines = [style.heading("Used by the model?")]
    for role in effect.roles:
        text = f"{printable(role)}: {sentences.of_role(effect, role)}"
        lines += wrapped(text, style, indent=2)
    return lines


def _arms(effect: EffectTable, style: Style) -> list[str]:
    header = ["role", "arm", "change", "from", "to", "at rows", "adjusted p", "verdict"]
    rows, last = [], ""
    for row in effect.table[effect.table["status"] != "not_tried"].to_dict("records"):
        rows.append([printable(row["role"]) if row["role"] != last else "", *_cells(row)])
        last = row["role"]
    note = f"change in {printable(effect.values.unit)}, with bounds"
    return [*titled("All arms", note, style), *columns([header, *rows], style, left=2)]


def _cells(row: sentences.Row) -> list[str]:
    def signed(name: str) -> str:
        return sentences.signed(row[name])

    return [
        row["arm"],
        *map(signed, ("delta", "ci_low", "ci_high", "at_rows")),
        format_pvalue(row["pvalue_adj"]),
        row["verdict"],
    ]
