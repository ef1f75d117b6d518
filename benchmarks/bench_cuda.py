"""Benchmark on a GPU: the kernels against every other way, with the limits of the card.

Every row is checked equal before it is timed. Writes benchmarks/results/GPU.json and .md.
`--device cpu --tiny` goes through the same code without a GPU, to see that it runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from baselines import Fused, dense_masks, eager, made_batch
from torch.nn.attention import SDPBackend, sdpa_kernel

import headscore as hs
from headscore.backends.contract import Visibility
from headscore.model.load import load_model
from headscore.options import LoadOptions, RunOptions
from headscore.roles.specs import parse_roles
from headscore.scores.batches import batches_of, inputs, run_batches

RESULTS = Path(__file__).resolve().parent / "results"
FUSED_BACKENDS = (
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
)
ENTRIES = 2**31  # of a row of the table: batch x heads x T x T, about
Rows = list[dict[str, Any]]


class Bench:
    """A device, and how long something takes on it."""

    def __init__(self, device: str, tiny: bool) -> None:
        self.device = torch.device(device)
        self.tiny = tiny
        self.dtype = torch.bfloat16
        self.rounds = 1 if tiny else 7

    @property
    def name(self) -> str:
        on_gpu = self.device.type == "cuda"
        return torch.cuda.get_device_name(self.device) if on_gpu else "CPU"

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, run: Callable[[], object]) -> float:
        """Median over rounds of about 20 ms each, after one that warms up."""
        run()
        once = self._timed(run, 1)
        repeats = 1 if self.tiny else max(1, min(200, round(0.02 / max(once, 1e-6))))
        return statistics.median(self._timed(run, repeats) for _ in range(self.rounds))

    def _timed(self, run: Callable[[], object], repeats: int) -> float:
        self.wait()
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        self.wait()
        return (time.perf_counter() - start) / repeats

    def tensor(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, device=self.device, dtype=self.dtype)


def case(bench: Bench, batch: int, heads: int, kv_heads: int, tokens: int, size: int) -> tuple:
    """Queries, keys, values as transformers hands them over, and the paper's plan."""
    torch.manual_seed(0)
    shapes = ((batch, tokens, h, size) for h in (heads, kv_heads, kv_heads))
    query, key, value = (bench.tensor(*shape).transpose(1, 2) for shape in shapes)
    plan = hs.SievePlan.compile("paper", made_batch(batch, tokens))
    plan.arrays(Visibility(False))
    return query, key, value, plan


def fastest_sdpa(
    bench: Bench, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> float:
    """Seconds of torch's own attention with its fastest backend."""
    attention = torch.nn.functional.scaled_dot_product_attention
    if bench.device.type == "cpu":
        return bench.seconds(lambda: attention(query, key, value))
    seconds = []
    for backend in FUSED_BACKENDS:
        try:
            with sdpa_kernel(backend):
                seconds.append(bench.seconds(lambda: attention(query, key, value)))
        except RuntimeError:  # this backend does not take these tensors
            continue
    return min(seconds)


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest relative difference where both hold a number."""
    return float(((ours - theirs).abs() / theirs.abs().clamp_min(1e-6)).nan_to_num().max())


def throughput(bench: Bench) -> Rows:
    """Entries per second and ratios, by head size and length."""
    rows = []
    lengths = (64,) if bench.tiny else (1024, 2048, 4096, 8192, 16384, 32768)
    for size in (64, 128):
        for tokens in lengths:
            heads = 2 if bench.tiny else 16
            batch = 1 if bench.tiny else max(1, ENTRIES // (heads * tokens**2))
            query, key, value, plan = case(bench, batch, heads, heads, tokens, size)

            def ours(q=query, k=key, p=plan) -> torch.Tensor:
                return hs.sieve_scores_qk(q, k, p)

            fused = Fused(plan, Visibility(), size).to(query)
            row = {"d": size, "T": tokens, "batch": batch, "heads": heads}
            row["difference"] = difference(ours(), fused(query, key))
            assert row["difference"] < 0.1, row  # torch rounds logits and sums to bfloat16
            seconds = bench.seconds(ours)
            row["ms"] = seconds * 1e3
            row["T entries/s"] = batch * heads * tokens**2 / seconds / 1e12
            row["SDPA x"] = fastest_sdpa(bench, query, key, value) / seconds
            row["fused torch x"] = bench.seconds(lambda f=fused, q=query, k=key: f(q, k)) / seconds
            rows.append(row)
    return rows


def against_eager(bench: Bench) -> Rows:
    """Eager attention at T 2048, and the length at which it runs out of memory."""
    tokens, size = (64 if bench.tiny else 2048), 64
    query, key, _, plan = case(bench, 4, 12, 12, tokens, size)
    masks = [(mask.to(query), flag) for mask, flag in dense_masks(plan, Visibility())]

    def theirs() -> torch.Tensor:
        return eager(query, key, masks, Visibility())

    gap = difference(hs.sieve_scores_qk(query, key, plan), theirs().float())
    assert gap < 0.1, gap  # eager rounds its probabilities to bfloat16
    ours = bench.seconds(lambda: hs.sieve_scores_qk(query, key, plan))
    row = {"T": tokens, "eager x": bench.seconds(theirs) / ours, "difference": gap}
    row["eager out of memory at T"] = None if bench.device.type == "cpu" else _eager_limit(bench)
    return [row]


def _eager_limit(bench: Bench) -> int | None:
    for tokens in (2**n for n in range(13, 20)):
        query, key = bench.tensor(1, 12, tokens, 64), bench.tensor(1, 12, tokens, 64)
        try:
            torch.softmax(query @ key.transpose(-1, -2), -1)
        except torch.OutOfMemoryError:
            return tokens
        finally:
            torch.cuda.empty_cache()
    return None


def column_sums(bench: Bench) -> Rows:
    """Against flash-colreduce, which computes column sums alone, where it is installed."""
    if importlib.util.find_spec("flash_colreduce") is None:
        return [{"flash-colreduce x": None, "reason": "it is not installed"}]
    from flash_colreduce import flash_colreduce

    query, key, _, plan = case(bench, 8, 16, 16, 2048, 64)
    ours = bench.seconds(lambda: hs.sieve_scores_qk(query, key, plan))
    theirs = bench.seconds(lambda: flash_colreduce(query, key, reduction="sum"))
    return [{"T": 2048, "flash-colreduce x": theirs / ours}]


def given_attention(bench: Bench) -> Rows:
    """The attention-tensor kernel against the copy bandwidth measured on the spot."""
    rows = []
    batch, tokens = (1, 64) if bench.tiny else (8, 2048)
    plan = hs.SievePlan.compile("paper", made_batch(batch, tokens))
    for dtype in (torch.bfloat16, torch.float32):
        attention = torch.softmax(bench.tensor(batch, 8, tokens, tokens).float(), -1).to(dtype)
        room = torch.empty_like(attention)
        size = attention.numel() * attention.element_size()
        gap = difference(
            hs.sieve_scores(attention, plan),
            hs.sieve_scores(attention, plan, backend="reference"),
        )
        assert gap < 1e-4, gap
        copied = 2 * size / bench.seconds(lambda r=room, a=attention: r.copy_(a))
        read = size / bench.seconds(lambda a=attention: hs.sieve_scores(a, plan))
        rows.append(
            {
                "dtype": str(dtype),
                "read GB/s": read / 1e9,
                "copy GB/s": copied / 1e9,
                "share": read / copied,
                "difference": gap,
            }
        )
    return rows


def long_context(bench: Bench) -> Rows:
    """T 131072, 32 heads on 8 key heads, causal: memory above the inputs."""
    tokens = 256 if bench.tiny else 131072
    query, key, value, plan = case(bench, 1, 32, 8, tokens, 128)
    del value
    plan.arrays(Visibility(True))
    row: dict[str, Any] = {"T": tokens}
    if bench.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(bench.device)
        before = torch.cuda.memory_allocated(bench.device)
    start = time.perf_counter()
    hs.sieve_scores_qk(query, key, plan, causal=True)
    bench.wait()
    row["seconds"] = time.perf_counter() - start
    if bench.device.type == "cuda":
        row["MiB"] = (torch.cuda.max_memory_allocated(bench.device) - before) / 2**20
    return [row]


def whole_runs(bench: Bench) -> Rows:
    """`score` against the plain forward pass of the same batches, BERT-base in shape."""
    from tokenizers import Tokenizer, models
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    small = {"num_hidden_layers": 2, "hidden_size": 128, "intermediate_size": 256}
    changes = {**small, "num_attention_heads": 2} if bench.tiny else {}
    network = BertModel(BertConfig(attn_implementation="sdpa", **changes)).eval()
    network = network.to(bench.device, bench.dtype)
    pieces = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="[PAD]")
    tokenizer.model_max_length = 512
    loaded = load_model(network, LoadOptions(tokenizer=tokenizer))
    roles = parse_roles("paper")
    rows = []
    for tokens in (32,) if bench.tiny else (128, 512):
        encoded = made_batch(4 if bench.tiny else 65536 // tokens, tokens)
        batches = batches_of(encoded.lengths, 32768)

        def plain(encoded=encoded, batches=batches) -> None:
            with torch.inference_mode():
                for each in batches:
                    network(**inputs(loaded, encoded.take(each)), use_cache=False)

        def scored(encoded=encoded, position=False) -> None:
            run_batches(loaded, encoded, roles, RunOptions(batch_tokens=32768, position=position))

        forward = bench.seconds(plain)
        ratio = bench.seconds(scored) / forward
        controlled = bench.seconds(lambda s=scored: s(position=True)) / forward
        rows.append({"T": tokens, "score / forward": ratio, "with position control": controlled})
    return rows


def accuracy(bench: Bench) -> Rows:
    """Against float64 on the same rounded inputs, and run against run."""
    rows = []
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        tokens = 64 if bench.tiny else 1000
        plan = hs.SievePlan.compile("paper", made_batch(2, tokens))
        query, key = (
            torch.randn(2, heads, tokens, 64, device=bench.device).to(dtype) for heads in (4, 2)
        )
        want = hs.sieve_scores_qk(query.double(), key.double(), plan, backend="reference")
        got = [hs.sieve_scores_qk(query, key, plan) for _ in range(3)]
        same = all(torch.equal(got[0].nan_to_num(), each.nan_to_num()) for each in got[1:])
        rows.append(
            {"dtype": str(dtype), "difference": difference(got[0], want), "same bits": same}
        )
    return rows


TABLES = {
    "accuracy": accuracy,
    "from q and k": throughput,
    "eager": against_eager,
    "column sums": column_sums,
    "given attention": given_attention,
    "long context": long_context,
    "whole runs": whole_runs,
}


def as_markdown(report: dict[str, Any]) -> str:
    """Return one table per part."""
    lines = [f"# {report['device']}, torch {report['torch']}, {report['dtype']}", ""]
    for name, rows in report["tables"].items():
        columns = list(rows[0])
        lines += [f"## {name}", "", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
        lines += ["| " + " | ".join(_cell(row.get(c)) for c in columns) + " |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "not measured"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small problems, to see that it runs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    bench = Bench(options.device, options.tiny)
    tables = {}
    with torch.inference_mode():
        for name, table in TABLES.items():
            tables[name] = table(bench)
            print(name, *tables[name], sep="\n  ", flush=True)
    report = {
        "device": bench.name,
        "torch": torch.__version__,
        "dtype": str(bench.dtype),
        "tables": tables,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    stem = bench.name.replace(" ", "-")
    (options.out / f"{stem}.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (options.out / f"{stem}.md").write_text(as_markdown(report), encoding="utf-8")


if __name__ == "__main__":
    main()
