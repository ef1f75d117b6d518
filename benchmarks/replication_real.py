"""Replication on real scores: genres of one corpus, two languages, copies with rounded weights.

Copies of the demo model: the weights of all linear layers of its encoder, rounded to nearest, to
int8 with a scale for each output channel, or to 4 bits with a scale for each group of 32 inputs.
"""

from __future__ import annotations

import argparse
import copy
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedModel

import headscore as hs
from headscore.corpus import read
from headscore.demo import demo_corpus, demo_model
from headscore.options import ReadOptions

GROUP = 32  # weights of one output channel that share a scale, at 4 bits


def rounded(model: PreTrainedModel, bits: int, group: int | None) -> PreTrainedModel:
    """Return a copy with the weights of the encoder's linear layers rounded to nearest.

    Parameters
    ----------
    model
        An encoder.
    bits
        Of a weight: whole numbers up to ``2^(bits - 1) - 1``, of either sign, times a scale.
    group
        Inputs that share a scale; None: all of an output channel.
    """
    found = copy.deepcopy(model)
    most = 2 ** (bits - 1) - 1
    with torch.no_grad():
        for module in found.encoder.modules():
            if isinstance(module, torch.nn.Linear):
                grouped = module.weight.reshape(len(module.weight), -1, group or module.in_features)
                scale = grouped.abs().amax(dim=2, keepdim=True).clamp_min(1e-12) / most
                whole = (grouped / scale).round()
                module.weight.copy_((whole * scale).reshape(module.weight.shape))
    return found


def table(
    scores: hs.HeadScores | Mapping[str, hs.HeadScores], label: str, **options: str
) -> Iterator[str]:
    """Write in how many studies labels hold: by Holm for each number alone, and for all at once."""
    found = hs.replicate(scores, label=label, **options)
    n_studies = len(found.studies)
    labels = ", ".join(f"{row.name} {row.labels}" for row in found.studies.itertuples(index=False))
    whole = ""
    if isinstance(scores, hs.HeadScores):
        whole = f"; of the whole corpus {int(hs.test(scores).labels(label=label).sum().sum())}"
    yield f"Labels of each study on its own ({label}): {labels}{whole}\n"
    alone = [
        int(
            (
                hs.replicate(scores, label=label, at_least=u, **options).table["verdict"] == "has"
            ).sum()
        )
        for u in range(1, n_studies + 1)
    ]
    at_once = found.counted().sum().tolist()
    yield f"| shown in at least | {' | '.join(map(str, range(1, n_studies + 1)))} |"
    yield "|" + "---|" * (n_studies + 1)
    yield f"| each number alone, Holm | {' | '.join(map(str, alone))} |"
    yield f"| all numbers at once | {' | '.join(map(str, at_once))} |"
    verdicts = found.table["verdict"].value_counts()
    shown = ", ".join(f"{name} {verdicts.get(name, 0)}" for name in ("has", "has_not", "undecided"))
    differing = len(found.differing())
    yield f"\nIn all {n_studies}: {shown}; shown in one and absent in another: {differing}\n"


def survivors(scores: Mapping[str, hs.HeadScores]) -> Iterator[str]:
    """Write which labels of the first study each other one keeps, by role."""
    first, *others = scores
    labels = hs.test(scores[first]).labels()
    yield f"| role | {first} | {' | '.join(others)} | in all | absent in some |"
    yield "|" + "---|" * (len(others) + 4)
    found = hs.replicate(scores)
    roles = found.table["role"].to_numpy()
    has = found.table["verdict"].to_numpy() == "has"
    lost = found.table["absent"].to_numpy() > 0
    kept = {name: hs.test(each).labels() & labels for name, each in scores.items()}
    before = labels.to_numpy().T.ravel()  # (role, head), as the rows of the table
    for role in [*found.roles, "all"]:
        at = np.full(len(roles), True) if role == "all" else roles == role
        columns = list(found.roles) if role == "all" else [role]
        counts = [int(kept[name][columns].to_numpy().sum()) for name in scores]
        counts += [int((has & at).sum()), int((lost & before & at).sum())]
        yield f"| {role} | {' | '.join(map(str, counts))} |"


def copies(sequences: list[hs.Sequence], roles: str) -> dict[str, hs.HeadScores]:
    """Return the scores of the demo model and of its rounded copies."""
    tokenizer = AutoTokenizer.from_pretrained(demo_model())
    model = AutoModel.from_pretrained(demo_model()).eval()
    models = {"as it is": model, "int8": rounded(model, 8, None), "4-bit": rounded(model, 4, GROUP)}
    return {
        name: hs.score(each, sequences, tokenizer=tokenizer, roles=roles, progress=False)
        for name, each in models.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", type=Path, help="a .conllu file (default: demo)")
    parser.add_argument("--other", nargs=3, metavar=("MODEL", "ONE", "TWO"), help="two languages")
    parser.add_argument("--roles", default="paper")
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    limit = 40 if arguments.tiny else None
    roles = "local,delimiter" if arguments.tiny else arguments.roles
    warnings.simplefilter("ignore")
    options = ReadOptions(pairs="consecutive")
    sequences = list(read(arguments.corpus or demo_corpus(), options))[:limit]
    scores = copies(sequences, roles)
    print("## Genres\n")
    one = scores["as it is"]
    split = {"by": "length" if arguments.tiny else "genre"}
    for label in ("label", "beyond_position"):
        print("\n".join(table(one, label, **split)), flush=True)
    print("## Copies\n")
    print("\n".join(survivors(scores)) + "\n")
    print("\n".join(table(scores, "label")), flush=True)
    if arguments.other:
        model, *corpora = arguments.other
        print("## Languages\n")
        languages = {
            Path(corpus).stem: hs.score(
                model, corpus, pairs="consecutive", roles=roles, progress=False
            )
            for corpus in corpora
        }
        for label in ("label", "beyond_position"):
            print("\n".join(table(languages, label)), flush=True)


if __name__ == "__main__":
    main()
