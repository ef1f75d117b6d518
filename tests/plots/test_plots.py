"""Figures: comparison with baseline images, unusual names, and invalid use."""

import io
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers.effects import made
from helpers.position import compared

import headscore as hs
from headscore import plots
from headscore.options import EffectOptions

mpl.use("agg")
LOOKED_AT = pytest.mark.mpl_image_compare(
    baseline_dir="baseline", tolerance=4, style="default", savefig_kwargs={"dpi": 60}
)
EVIL = '$x_1$\u202e\x1b"<script>x</script>'


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def scores_of(roles=("local", "nsubj", "amod", "delimiter"), *, n=60, layers=5, heads=7, seed=3):
    """Scores of heads of which some have a role strongly, some barely, most not."""
    rng = np.random.default_rng(seed)
    means = rng.gamma(1.2, 1.1, (len(roles), layers, heads))
    means[:, 1, 2] += 6  # one head with every role
    values = means + rng.normal(0, 0.8, (n, len(roles), layers, heads))
    attainable = np.full((n, len(roles)), 12.0)
    documents = [f"d{number // 5}" for number in range(n)]
    values = np.clip(values, 0, 12).astype(np.float32)
    return hs.HeadScores.from_arrays(values, roles, attainable=attainable, documents=documents)


@pytest.fixture(scope="module")
def scores():
    return scores_of()


@pytest.fixture(scope="module")
def report(scores):
    return hs.test(scores)


@pytest.fixture(scope="module")
def comparison(scores):
    values = scores.values.copy()
    values[:, 1, 1, 2] *= 0.2
    values[:, 1, 3, 4] += 5
    values[:, 1, 0] += 0.5
    return hs.compare(scores, hs.HeadScores.from_arrays(values, scores.roles))


@LOOKED_AT
def test_role_map(report):
    return plots.role_map(report, "nsubj").figure


@LOOKED_AT
def test_role_map_of_labels_that_are_not_robust():
    report = hs.test(scores_of(n=9), tau=2.5)
    robust = report.heads("local")["robust"]
    assert 0 < robust.sum() < len(robust)
    return plots.role_map(report, "local").figure


@LOOKED_AT
def test_replicated():
    found = hs.replicate(
        [scores_of(seed=3), scores_of(n=20, seed=3), scores_of(seed=4)], at_least=2
    )
    return plots.replicated(found, "nsubj").figure


def report_beyond():
    """nsubj of 4 layers of 6 heads, in a row of each state beyond position, and one undecided."""
    noise = np.random.default_rng(0).normal(0, 0.3, (40, 1, 4, 6))
    means = np.array([[6.0], [6.0], [6.0], [3.02]]) + np.array([3, 2, 1, 0, 0, 0])[None]
    means[3] = 3.02
    means[:, 5] = 1
    values = noise - noise.mean(axis=0) + means
    return hs.test(compared(values, ["nsubj"], np.array([[4], [1.5], [1], [4]])))


@LOOKED_AT
def test_role_map_of_heads_not_shown_beyond_position():
    return plots.role_map(report_beyond(), "nsubj").figure


def test_a_role_map_marks_the_three_states():
    report = report_beyond()
    states = report.array("beyond_position")[0, :3, :5]
    assert states.tolist() == [["has"] * 5, ["undecided"] * 5, ["has_not"] * 5]
    assert report.array("verdict")[0, 3].tolist() == ["undecided"] * 5 + ["has_not"]
    ax = plots.role_map(report, "nsubj")
    rows = [{(row, head) for head in range(5)} for row in range(4)]
    last = {(row, 5) for row in range(4)}
    assert drawn(ax) == {
        "has": rows[0],
        "position": rows[1] | rows[2],
        "undecided": rows[3],
        "has_not": last,
    }
    assert ax.get_title(loc="left") == "nsubj: 15 of 24 heads"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "has the role",
        "has the role, position may explain it",
        "undecided",
        "lacks the role",
    ]


def drawn(ax):
    """The cells of each sign in a map."""
    found = {}
    for each in ax.collections[1:]:  # the first is the map
        if each.get_gid():
            boxes = [path.get_extents() for path in each.get_paths()]
            cells = {(int(box.y0 + box.y1) // 2, int(box.x0 + box.x1) // 2) for box in boxes}
            found[each.get_gid()] = cells
    return found


@LOOKED_AT
def test_role_maps(report):
    return plots.role_maps(report, ["nsubj", "local", "delimiter"], columns=2)[0].figure


def test_role_maps_draw_the_roles_in_the_order_given(report):
    axes = plots.role_maps(report, ["nsubj", "local"])
    assert [ax.get_title(loc="left").split(":")[0] for ax in axes] == ["nsubj", "local"]
    for ax, role in zip(axes, ("nsubj", "local"), strict=True):
        assert drawn(ax) == drawn(plots.role_map(report, role))
    assert len(plots.role_maps(report)) == 4
    assert len(plots.role_maps(report, "amod")) == 1
    assert len(plots.role_maps(report, "nsubj,local")) == 2
    for wrong, sentence in (
        ({"roles": []}, "roles must name at least one role, got none"),
        ({"roles": 3}, "a role must be a text or a Role, got int"),
        ({"roles": ["nsubj", "nsubj"]}, "roles must differ from one another, got 'nsubj' twice"),
        ({"roles": "nsbj"}, "roles must be of the report, got 'nsbj'; nearest: 'nsubj'"),
        ({"columns": 0}, "columns must be a whole number above 0, got 0"),
    ):
        with pytest.raises(hs.UsageError, match=sentence):
            plots.role_maps(report, **wrong)


@LOOKED_AT
def test_combined_map(report):
    return plots.combined_map(report).figure


@LOOKED_AT
def test_layers(report):
    return plots.layers(report).figure


def report_of_shared_heads():
    """local, nsubj and syntactic share two heads of each layer; nsubj is a part of syntactic."""
    values = np.random.default_rng(0).normal(1, 0.3, (60, 4, 5, 7)).astype(np.float32)
    values[:, :3, :, :2] += 4
    values[:, 0, 2:, 2] += 4
    values[:, 3, :, 4] += 4
    return hs.test(hs.HeadScores.from_arrays(values, ["local", "nsubj", "syntactic", "delimiter"]))


@LOOKED_AT
def test_colocation():
    return plots.colocation(report_of_shared_heads()).figure


def test_frames_of_colocation_follow_the_adjusted_p_values():
    ax = plots.colocation(report_of_shared_heads())
    framed = {(int(patch.get_y()), int(patch.get_x())) for patch in ax.patches}
    assert framed == {(0, 1), (1, 0), (0, 2), (2, 0)}  # not nsubj with syntactic
    assert "(adjusted exact p ≤ 0.05)" in ax.get_xlabel()


@LOOKED_AT
def test_tau_curve(report):
    return plots.tau_curve(report).figure


@LOOKED_AT
def test_pvalues(report):
    return plots.pvalues(report).figure


@LOOKED_AT
def test_change(comparison):
    return plots.change(comparison, "nsubj").figure


def effect_of(*roles, **parts):
    """An effect of which the first role is used, and the others are not shown to be."""
    planted = {"knockout": 0.3, "placebo": 0.03, "keep": 0.1, "heads": 0.4, "matched": 0.05}
    planted = {role: planted if not n else {} for n, role in enumerate(roles)}
    return hs.Effect.from_values(made(planted, sets=9, **parts), EffectOptions())


@LOOKED_AT
def test_effect():
    return plots.effect(effect_of("induction", "previous")).figure


def test_bars_dots_and_names_of_an_effect():
    effect = effect_of("induction", "previous")
    ax = plots.effect(effect)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "induction\nused",
        "previous\nnot shown",
    ]
    widths = [bar.get_width() for bars in ax.containers for bar in bars]
    drawn = [
        effect.arms(role)["delta"][arm]
        for arm in ("knockout", "placebo", "keep", "heads")
        for role in effect.roles
    ]
    assert widths == pytest.approx(drawn)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["knock-out", "placebo", "edges alone", "heads", "matched sets"]
    assert "change, nats a token" in ax.get_xlabel()
    one = plots.effect(effect, "previous")
    assert len(one.get_yticks()) == 1


def trajectory_of(*roles):
    """At step n of 8 the first n heads of the first role have it, and always 2 of the others."""
    noise = np.random.default_rng(0).normal(0, 0.2, (40, len(roles), 1, 9))
    steps = {}
    for n in range(9):
        means = np.ones((len(roles), 1, 9))
        means[0, 0, :n] = 5
        means[0, 0, n : n + 2] = 3
        means[1:, 0, :2] = 5
        steps[10 * n] = hs.HeadScores.from_arrays((noise + means).astype(np.float32), roles)
    return hs.trajectory(steps)


@LOOKED_AT
def test_trajectory():
    return plots.trajectory(trajectory_of("induction", "previous")).figure


@LOOKED_AT
def test_trajectory_of_one_role():
    return plots.trajectory(trajectory_of("induction", "previous"), "induction").figure


def test_curves_of_a_trajectory_are_its_counts():
    found = trajectory_of("induction", "previous")
    ax = plots.trajectory(found)
    counts = found.by_step()
    for line, role in zip(ax.lines, found.roles, strict=True):
        assert line.get_ydata().tolist() == counts["has"][counts["role"] == role].tolist()
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names == ["0", "10", "20", "30", "40", "50", "60", "70", "80"]


def all_plots(report, comparison, role):
    yield lambda ax: plots.role_map(report, role, ax=ax)
    yield lambda ax: plots.combined_map(report, ax=ax)
    yield lambda ax: plots.layers(report, ax=ax)
    yield lambda ax: plots.colocation(report, ax=ax)
    yield lambda ax: plots.tau_curve(report, ax=ax)
    yield lambda ax: plots.pvalues(report, ax=ax)
    yield lambda ax: plots.change(comparison, role, ax=ax)
    yield lambda ax: plots.effect(effect_of(role, "b", unit=role), ax=ax)
    twice = hs.replicate([report, report])
    yield lambda ax: plots.replicated(twice, role, ax=ax)
    yield lambda ax: plots.trajectory(trajectory_of(role, "b"), role, ax=ax)


@pytest.fixture(scope="module")
def power(scores):
    return hs.power_curve(scores, documents=[8, 12, 24, 48], resamples=30)


@LOOKED_AT
def test_power_curve(power):
    return plots.power_curve(power).figure


def test_lines_and_area_of_a_power_curve(power):
    of_role = power.table[power.table["role"] == "nsubj"]
    for role, table in ((None, power.totals), ("nsubj", of_role)):
        ax = plots.power_curve(power, role)
        drawn = {each.get_label(): each.lines[0].get_ydata() for each in ax.containers}
        for state in ("labels", "robust", "has_not", "undecided"):
            np.testing.assert_array_equal(drawn[state.replace("_", " ")], table[state])
        top = ax.collections[0].get_paths()[0].vertices[:, 1].max()
        assert top == table["labels_high"].max()
        assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "12", "24", "48"]
    with pytest.raises(hs.UsageError, match="role must be one of the curve, got 'x'"):
        plots.power_curve(power, "x")


def test_every_plot_draws_vectors_on_the_axes_given(report, comparison):
    for plot in all_plots(report, comparison, "nsubj"):
        figure, ax = plt.subplots()
        assert plot(ax) is ax
        svg = io.StringIO()
        figure.savefig(svg, format="svg")
        # the only picture is the band of colours beside a map
        assert svg.getvalue().count("<image") <= len(ax.child_axes)


def test_names_are_shown_as_they_are():
    scores = scores_of((EVIL, "b$"), layers=2, heads=3)
    report = hs.test(scores)
    for plot in all_plots(report, hs.compare(scores, scores), EVIL):
        svg = io.StringIO()
        with plt.rc_context({"svg.fonttype": "none"}):
            plot(None).figure.savefig(svg, format="svg")
        text = svg.getvalue()
        assert "<script" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert r"\u{202e}" in text


def test_a_role_that_cannot_be_tested():
    values = np.full((8, 2, 2, 2), np.nan, dtype=np.float32)
    values[:, 0] = 1 + np.arange(8)[:, None, None] / 8
    scores = hs.HeadScores.from_arrays(values, ["local", "nsubj"])
    report = hs.test(scores)
    for plot in all_plots(report, hs.compare(scores, scores), "nsubj"):
        plot(None).figure.savefig(io.BytesIO(), format="svg")
    assert plots.role_map(report, "nsubj").get_title(loc="left") == "nsubj: 0 of 4 heads"


def test_large_models_are_numbered_sparsely():
    report = hs.test(scores_of(("local",), n=4, layers=80, heads=64))
    ax = plots.role_map(report, "local")
    assert len(ax.get_xticks()) <= 16
    assert [label.get_text() for label in ax.get_yticklabels()][:3] == ["0", "5", "10"]
    assert not plots.layers(report).texts  # 80 numbers would run into each other


def test_bad_use(report, comparison):
    with pytest.raises(hs.UsageError, match="role must be one of the report, got 'nsubjj'"):
        plots.role_map(report, "nsubjj")
    with pytest.raises(hs.UsageError, match="role must be one of the comparison, got 'x'"):
        plots.change(comparison, "x")
    with pytest.raises(hs.UsageError, match="tau must be a finite number above 0"):
        plots.tau_curve(report, taus=[0.0])
    with pytest.raises(hs.UsageError, match="role must be one of the effect, got 'x'"):
        plots.effect(effect_of("a"), "x")
    with pytest.raises(hs.UsageError, match="role must be one of the replication, got 'x'"):
        plots.replicated(hs.replicate([report, report]), "x")
    with pytest.raises(hs.UsageError, match="role must be one of the trajectory, got 'x'"):
        plots.trajectory(trajectory_of("a", "b"), "x")


FIGURES = {
    "a Report": "role_map role_maps combined_map layers colocation pvalues",
    "a Comparison": "change",
    "an Effect": "effect",
    "a Replication": "replicated",
    "a Trajectory": "trajectory",
    "a PowerCurve": "power_curve",
}


@pytest.mark.parametrize(
    ("what", "name"), [(what, name) for what in FIGURES for name in FIGURES[what].split()]
)
def test_a_wrong_type_gets_one_sentence(report, comparison, what, name):
    for wrong in (3, None, comparison if what == "a Report" else report):
        with pytest.raises(hs.UsageError, match=rf" be {what}, as headscore\.\w+ makes it, got"):
            getattr(plots, name)(wrong)


def test_curves_by_threshold_take_reports_and_scores_alone(comparison):
    with pytest.raises(hs.UsageError, match=r"scores must be HeadScores, as .*, got int"):
        plots.tau_curve(3)
    with pytest.raises(hs.UsageError, match=r"scores must be HeadScores, as .*, got Comparison"):
        plots.tau_curve(comparison)


def test_the_only_role_need_not_be_named(report):
    one = hs.test(scores_of(("nsubj",)))
    assert plots.role_map(one).get_title(loc="left").startswith("nsubj")
    with pytest.raises(hs.UsageError, match=r"role must be one of 'local', .*, got none"):
        plots.role_map(report)


def test_every_map_names_its_axes_and_colours(report, comparison):
    for plot in all_plots(report, comparison, "nsubj"):
        ax = plot(None)
        assert ax.get_xlabel()
        assert ax.get_title(loc="left")
        assert ax.get_ylabel() or ax.get_yticklabels()
        assert all(bar.get_ylabel() for bar in ax.child_axes)


@pytest.mark.parametrize(
    ("n_roles", "layers", "heads"), [(2, 1, 3), (10, 2, 3), (10, 6, 12), (1, 40, 64)]
)
def test_nothing_of_a_figure_is_cut_off(n_roles, layers, heads):
    scores = scores_of([f"role{n}" for n in range(n_roles)], layers=layers + 1, heads=heads)
    report = hs.test(hs.HeadScores.from_arrays(scores.values[:, :, 1:], scores.roles))
    draw = [*all_plots(report, hs.compare(scores, scores), "role0")]
    for plot in (*draw, lambda _: plots.role_maps(report)[0]):
        figure = plot(None).figure
        figure.draw_without_rendering()
        needed, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(needed.x0, needed.y0) >= -0.02
        assert (needed.x1 <= width + 0.02, needed.y1 <= height + 0.02) == (True, True)


def test_without_matplotlib_one_sentence_says_what_to_install():
    code = (
        "import sys\nsys.modules['matplotlib'] = None\nimport headscore as hs\n"
        "try:\n    hs.plots\nexcept hs.InputError as error:\n    print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'headscore[report]'" in result.stdout


def test_the_title_of_a_change_names_the_outcomes_that_occur(comparison, scores):
    assert plots.change(comparison, "nsubj").get_title(loc="left") == "nsubj: 1 appeared, 1 lost"
    same = hs.compare(scores, scores)
    assert plots.change(same, "nsubj").get_title(loc="left") == "nsubj: no change shown"


def test_the_difference_of_two_samples_is_worded_by_their_names(scores):
    rng = np.random.default_rng(0)
    second = rng.random(len(scores)) < 0.5
    values = scores.values.copy()
    values[second, 1, 3, 4] += 5
    changed = hs.HeadScores.from_arrays(
        values, scores.roles, attainable=scores.attainable, documents=scores.documents
    )
    sides = changed.select(where=~second), changed.select(where=second)
    found = hs.compare(*sides, paired=False, names=("statements", "questions"))
    ax = plots.change(found, "nsubj")
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words[0] == "has the role only in questions"
    assert ax.get_title(loc="left").startswith("nsubj: 1 only in questions")
    labels = [each.get_ylabel() for each in ax.child_axes]
    assert labels == ["difference of the attained effect"]
