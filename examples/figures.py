"""Draws the picture of the README: `python examples/figures.py docs/pages/images`."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import headscore as hs
from headscore import plots
from headscore.demo import demo_corpus, demo_model

ROLES = ("local", "nsubj", "amod", "delimiter")


def main(folder: Path) -> None:
    """Analyze the demo corpus and draw four maps side by side."""
    report = hs.analyze(str(demo_model()), demo_corpus(), pairs="consecutive")
    plt.rcParams.update({"font.size": 8, "axes.titlesize": 9})
    figure, row = plt.subplots(1, len(ROLES), figsize=(10, 1.9), layout="constrained")
    for role, ax in zip(ROLES, row, strict=True):
        plots.role_map(report, role, ax=ax, colorbar=role == ROLES[-1], legend=False)
        if role != ROLES[0]:
            ax.set_ylabel("")
    figure.savefig(folder / "roles.png", dpi=144, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
