"""The page of a trajectory: heads of each role by step, and from which step on each head has it."""

from __future__ import annotations

from headscore.report import trajectory_sentences as sentences
from headscore.report.html import cells, step_charts
from headscore.report.html.cells import Column
from headscore.report.html.page import render
from headscore.report.trajectory_table import TrajectoryTable
from headscore.report.wording import short_model

_COLUMNS = (
    Column("role", "role", "text"),
    Column("layer", "layer", "int"),
    Column("head", "head", "int"),
    Column("absent_until", "lacks it up to", "number", 12),
    Column("has_from", "has it from", "number", 12),
    Column("mean_first", "first mean", "number"),
    Column("mean_last", "last mean", "number"),
    Column("pvalue_adj", "adjusted p", "p", 3),
    Column("label", "shown at the end", "bool"),
    Column("lost", "lost", "bool"),
    Column("n_steps", "steps tested", "int"),
    Column("status", "status", "text"),
)


def trajectory_page(found: TrajectoryTable) -> str:
    """Return a trajectory as one self-contained HTML page.

    Parameters
    ----------
    found
        The trajectory.
    """
    # The script filters by the column "label".
    table = found.table.assign(label=found.table["has_from"].notna())
    columns = cells.present(_COLUMNS, table)
    ordered = table.sort_values(["lost", "has_from"], ascending=[False, True], kind="stable")
    shown = ordered.head(cells.MOST_ROWS)
    model = found.facts.get("model", found.facts.get("last model", "trajectory"))
    context = {
        "title": short_model(str(model)),
        "answer": sentences.answer(found),
        "unit": sentences.unit(found),
        "steps": sentences.steps(found),
        "between": sentences.BETWEEN,
        "charts": step_charts.charts(found),
        "x_names": step_charts.x_names(found),
        "width": step_charts.WIDTH,
        "height": step_charts.HEIGHT,
        "by_step": found.by_step()
        .assign(step=[*map(sentences.step_name, found.by_step()["step"])])
        .to_dict("records"),
        "roles": found.roles,
        "columns": columns,
        "rows": cells.rows(shown, columns),
        "left_out": len(table) - len(shown),
        "summary": sentences.summary(found).splitlines(),
        "facts": found.facts,
        "signature": found.signature,
    }
    data = cells.data(table, columns, found.roles, ordered.index)
    return render("trajectory.html", context, data)
