"""One role in plain torch, for comparison: eager attentions, a mask, a loop, a t-test.

Run it beside headscore on the same sequences: `python examples/plain_torch.py`.
"""

import time

import numpy as np
import torch
from scipy import stats
from transformers import AutoModel, AutoTokenizer

import headscore as hs
from headscore.corpus import read
from headscore.demo import demo_corpus, demo_model
from headscore.options import ReadOptions


def plain(name: str, pairs: list[tuple[str, ...]]) -> np.ndarray:
    """Return the scores (sequence, layer, head) of the role local."""
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModel.from_pretrained(name, attn_implementation="eager").eval()
    scores = []
    for texts in pairs:
        tokens = tokenizer(*texts, truncation=True, max_length=512, return_tensors="pt")
        with torch.inference_mode():
            attentions = torch.cat(model(**tokens, output_attentions=True).attentions)
        position = torch.arange(attentions.shape[-1])
        near = (position[:, None] - position).abs() <= 2
        row = (attentions * near).sum(-1) / near.sum(-1) * len(position)
        scores.append(row.mean(-1))
    return torch.stack(scores).numpy()


def main() -> None:
    """Time both ways, and say by how much they differ."""
    name = str(demo_model())
    sequences = list(read(demo_corpus(), ReadOptions(pairs="consecutive")))
    pairs = [tuple(segment.text for segment in each.segments) for each in sequences]
    for roles in ("local", "paper"):
        start = time.perf_counter()
        ours = hs.score(name, sequences, roles=roles)
        print(f"headscore, {len(ours.roles)} role(s): {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    theirs = plain(name, pairs)
    pvalues = stats.ttest_1samp(theirs, 3.0, alternative="greater").pvalue
    print(f"plain torch, 1 role: {time.perf_counter() - start:.1f} s")
    largest = np.abs(ours.values[:, 0] / theirs - 1).max()
    print(f"largest relative difference {largest:.1e}; {(pvalues <= 0.05 / 72).sum()} heads local")


if __name__ == "__main__":
    main()
