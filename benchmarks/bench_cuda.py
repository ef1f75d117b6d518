"""Benchmark on a GPU: the kernels against every other way, with the limits of the card.

Every row is checked equal before it is timed. Kernels are timed by CUDA events, with what launches
them ahead of the device: neither `hs.sieve_scores_qk`, which waits for the fault bits, nor Python's
time per call is in the figures, as neither is in those of torch. Whole runs are timed by the clock.

Writes OUT/GPU.json and .md after each row; a table that fails stops no other. `--device cpu --tiny`
goes through the same code without a GPU, to see that it runs; `--profile` runs each kernel once,
for a profiler.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from baselines import Fused, Product, dense_masks, eager, made_batch
from torch.nn.attention import SDPBackend, sdpa_kernel

import headscore as hs
from headscore import backends
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
ENTRIES = 2**33  # of a row of the table: batch x heads x T x T, about
FULL = Visibility()
Row = dict[str, Any]
Rows = Iterator[Row]


class Bench:
    """A device, and how long something takes on it."""

    def __init__(self, device: str, tiny: bool) -> None:
        self.device = torch.device(device)
        self.tiny = tiny
        self.dtype = torch.bfloat16
        self.rounds = 1 if tiny else 7

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def backend(self) -> str:
        return "cuda" if self.on_gpu else "cpu"

    @property
    def name(self) -> str:
        return torch.cuda.get_device_name(self.device) if self.on_gpu else "CPU"

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def seconds(self, run: Callable[[], object]) -> float:
        """Median over rounds of about 20 ms each on the device, after one that warms up."""
        return self._median(run, self._on_device if self.on_gpu else self._by_the_clock)

    def wall_seconds(self, run: Callable[[], object]) -> float:
        """The same with all that the host does."""
        return self._median(run, self._by_the_clock)

    def _median(self, run: Callable[[], object], timed: Callable[..., float]) -> float:
        run()
        once = timed(run, 1)
        repeats = 1 if self.tiny else max(1, min(200, round(0.02 / max(once, 1e-6))))
        return statistics.median(timed(run, repeats) for _ in range(self.rounds))

    def _on_device(self, run: Callable[[], object], repeats: int) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(4_000_000)  # 2 ms, in which the host queues the launches
        start.record()
        for _ in range(repeats):
            run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3 / repeats

    def _by_the_clock(self, run: Callable[[], object], repeats: int) -> float:
        self.wait()
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        self.wait()
        return (time.perf_counter() - start) / repeats

    def tensor(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, device=self.device, dtype=self.dtype)

    def score_qk(
        self, query: torch.Tensor, key: torch.Tensor, plan: hs.SievePlan, causal: bool = False
    ) -> torch.Tensor:
        """Scores (batch, role, head) by the kernel of the device, without waiting for it."""
        visibility = Visibility(causal)
        return backends.score_qk(query, key, plan, visibility, backend=self.backend).scores

    def score_attention(self, attention: torch.Tensor, plan: hs.SievePlan) -> torch.Tensor:
        return backends.score_attention(attention, plan, FULL, backend=self.backend).scores


def case(bench: Bench, batch: int, heads: int, kv_heads: int, tokens: int, size: int) -> tuple:
    """Queries, keys, values as transformers hands them over, and the paper's plan."""
    torch.manual_seed(0)
    shapes = ((batch, tokens, h, size) for h in (heads, kv_heads, kv_heads))
    query, key, value = (bench.tensor(*shape).transpose(1, 2) for shape in shapes)
    return query, key, value, hs.SievePlan.compile("paper", made_batch(batch, tokens))


def fastest_sdpa(
    bench: Bench, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[str, float]:
    """Torch's own attention with its fastest backend: which, and its seconds."""
    attention = torch.nn.functional.scaled_dot_product_attention
    if not bench.on_gpu:
        return "CPU", bench.seconds(lambda: attention(query, key, value))
    seconds = {}
    for backend in FUSED_BACKENDS:
        try:
            with sdpa_kernel(backend):
                seconds[backend.name] = bench.seconds(lambda: attention(query, key, value))
        except RuntimeError:  # this backend does not take these tensors
            continue
    name = min(seconds, key=seconds.__getitem__)
    return name.removesuffix("_ATTENTION").lower(), seconds[name]


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest relative difference where both hold a number."""
    return float(((ours - theirs).abs() / theirs.abs().clamp_min(1e-6)).nan_to_num().max())


def throughput(bench: Bench) -> Rows:
    """Entries per second and ratios, by head size and length."""
    lengths = (64,) if bench.tiny else (1024, 2048, 4096, 8192, 16384, 32768)
    for size in (64, 128):
        for tokens in lengths:
            heads = 2 if bench.tiny else 16
            batch = 1 if bench.tiny else max(1, ENTRIES // (heads * tokens**2))
            query, key, value, plan = case(bench, batch, heads, heads, tokens, size)

            def ours(q=query, k=key, p=plan) -> torch.Tensor:
                return bench.score_qk(q, k, p)

            fused = Fused(plan, FULL, size).to(query)
            row = {"d": size, "T": tokens, "batch": batch, "heads": heads}
            row["difference"] = difference(ours(), fused(query, key))
            assert row["difference"] < 0.1, row  # torch rounds logits and sums to bfloat16
            seconds = bench.seconds(ours)
            sdpa, sdpa_seconds = fastest_sdpa(bench, query, key, value)
            row["ms"] = seconds * 1e3
            row["T entries/s"] = batch * heads * tokens**2 / seconds / 1e12
            row |= {"SDPA x": sdpa_seconds / seconds, "SDPA": sdpa}
            row["fused torch x"] = bench.seconds(lambda f=fused, q=query, k=key: f(q, k)) / seconds
            yield row


def against_eager(bench: Bench) -> Rows:
    """Eager attention at T 2048, and the length at which it runs out of memory."""
    tokens, size = (64 if bench.tiny else 2048), 64
    query, key, _, plan = case(bench, 4, 12, 12, tokens, size)
    masks = [(mask.to(query), flag) for mask, flag in dense_masks(plan, FULL)]
    product = Product(masks, query, FULL)
    ways = {
        "masked sums x": lambda: eager(query, key, masks, FULL),
        "one product x": lambda: product(query, key),
    }
    ours = bench.seconds(lambda: bench.score_qk(query, key, plan))
    row = {"T": tokens}
    for name, theirs in ways.items():
        gap = difference(bench.score_qk(query, key, plan), theirs().float())
        assert gap < 0.1, (name, gap)  # eager rounds its probabilities to bfloat16
        row[name] = bench.seconds(theirs) / ours
    row["out of memory at T"] = _eager_limit(bench) if bench.on_gpu else None
    yield row


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
        yield {"flash-colreduce x": None, "reason": "it is not installed"}
        return
    from flash_colreduce import flash_colreduce

    query, key, _, plan = case(bench, 8, 16, 16, 2048, 64)
    ours = bench.seconds(lambda: bench.score_qk(query, key, plan))
    theirs = bench.seconds(lambda: flash_colreduce(query, key, reduction="sum"))
    yield {"T": 2048, "flash-colreduce x": theirs / ours}


def given_attention(bench: Bench) -> Rows:
    """The attention-tensor kernel against the copy bandwidth measured on the spot.

    Rows of an odd number of bfloat16 do not begin at multiples of 16 bytes.
    """
    for dtype, tokens in (
        (torch.bfloat16, 2048),
        (torch.bfloat16, 8192),
        (torch.bfloat16, 2047),
        (torch.float32, 2048),
    ):
        tokens = tokens % 1000 + 16 if bench.tiny else tokens
        batch = 2 if bench.tiny else max(2, ENTRIES // (16 * tokens**2))
        heads = 2 if bench.tiny else 16
        attention = torch.empty(batch, heads, tokens, tokens, device=bench.device, dtype=dtype)
        for each in attention:
            each.copy_(torch.softmax(bench.tensor(heads, tokens, tokens).float(), -1))
        plan, small = (hs.SievePlan.compile("paper", made_batch(n, tokens)) for n in (batch, 2))
        want = backends.score_attention(attention[:2], small, FULL, backend="reference").scores
        gap = difference(bench.score_attention(attention[:2], small), want)
        assert gap < 1e-4, gap
        room = torch.empty_like(attention)
        size = attention.numel() * attention.element_size()
        copied = 2 * size / bench.seconds(lambda r=room, a=attention: r.copy_(a))
        del room
        read = size / bench.seconds(lambda a=attention, p=plan: bench.score_attention(a, p))
        yield {
            "dtype": str(dtype),
            "T": tokens,
            "read GB/s": read / 1e9,
            "copy GB/s": copied / 1e9,
            "share": read / copied,
            "difference": gap,
        }


def long_context(bench: Bench) -> Rows:
    """T 131072, 32 heads on 8 key heads, causal: memory above the inputs."""
    tokens = 256 if bench.tiny else 131072
    query, key, value, plan = case(bench, 1, 32, 8, tokens, 128)
    del value
    plan.arrays(Visibility(True))
    row: Row = {"T": tokens}
    if bench.on_gpu:
        torch.cuda.reset_peak_memory_stats(bench.device)
        before = torch.cuda.memory_allocated(bench.device)
    row["seconds"] = bench.seconds(lambda: bench.score_qk(query, key, plan, causal=True))
    row["T entries/s"] = 32 * tokens * (tokens + 1) / 2 / row["seconds"] / 1e12
    if bench.on_gpu:
        row["MiB"] = (torch.cuda.max_memory_allocated(bench.device) - before) / 2**20
    yield row


def whole_runs(bench: Bench) -> Rows:
    """`run_batches` and `hs.score` against the plain forward pass of as many tokens, BERT-base."""
    from tokenizers import Tokenizer, models
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    small = {"num_hidden_layers": 2, "hidden_size": 128, "intermediate_size": 256}
    changes = {**small, "num_attention_heads": 2} if bench.tiny else {}
    network = BertModel(BertConfig(attn_implementation="sdpa", **changes)).eval()
    network = network.to(bench.device, bench.dtype)
    words = {f"w{n}": n + 2 for n in range(1000)}
    pieces = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, **words}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="[PAD]")
    tokenizer.model_max_length = 512
    loaded = load_model(network, LoadOptions(tokenizer=tokenizer))
    roles = parse_roles("paper")
    for tokens in (32,) if bench.tiny else (128, 512):
        encoded = made_batch(4 if bench.tiny else 65536 // tokens, tokens)
        batches = batches_of(encoded.lengths, 32768)

        def plain(encoded=encoded, batches=batches) -> None:
            with torch.inference_mode():
                for each in batches:
                    network(**inputs(loaded, encoded.take(each)), use_cache=False)

        def scored(encoded=encoded, position=False) -> None:
            run_batches(loaded, encoded, roles, RunOptions(batch_tokens=32768, position=position))

        forward = bench.wall_seconds(plain)
        row = {"T": tokens, "forward, tokens/s": float(encoded.lengths.sum()) / forward}
        row["batches / forward"] = bench.wall_seconds(scored) / forward
        controlled = bench.wall_seconds(lambda s=scored: s(position=True)) / forward
        row["with position control"] = controlled
        row["score / forward"] = (
            _score_seconds(bench, network, tokenizer, tokens) * (row["forward, tokens/s"])
        )
        yield row


def _score_seconds(bench: Bench, network: object, tokenizer: object, tokens: int) -> float:
    """Seconds per token of `hs.score` from texts, host workers on: of the second half of a run.

    The first half pays for the start of the workers.
    """
    few = 8 if bench.tiny else 2**20 // tokens
    numbers = np.random.default_rng(0).integers(0, 1000, (2 * few, tokens))
    texts = [" ".join(f"w{number}" for number in row) for row in numbers]

    def timed(count: int) -> float:
        start = time.perf_counter()
        hs.score(
            network,
            texts[:count],
            tokenizer=tokenizer,
            roles="local:2,previous,next,duplicate",
            backend=bench.backend,
            batch_tokens=32768,
            chunk=max(1, few // 4),
        )
        return time.perf_counter() - start

    timed(few)
    return max(timed(2 * few) - timed(few), 1e-9) / (few * tokens)


def accuracy(bench: Bench) -> Rows:
    """Against float64 on the same rounded inputs, and run against run."""
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        tokens = 64 if bench.tiny else 1000
        plan = hs.SievePlan.compile("paper", made_batch(2, tokens))
        query, key = (
            torch.randn(2, heads, tokens, 64, device=bench.device).to(dtype) for heads in (4, 2)
        )
        want = backends.score_qk(query.double(), key.double(), plan, FULL, backend="reference")
        got = [bench.score_qk(query, key, plan) for _ in range(3)]
        same = all(torch.equal(got[0], each) for each in got[1:])
        yield {
            "dtype": str(dtype),
            "difference": difference(got[0], want.scores),
            "same bits": same,
        }


TABLES = {
    "accuracy": accuracy,
    "from q and k": throughput,
    "eager": against_eager,
    "column sums": column_sums,
    "given attention": given_attention,
    "long context": long_context,
    "whole runs": whole_runs,
}


def profiled(bench: Bench) -> None:
    """Run the kernels once: from queries and keys at two head sizes, and from attention."""
    tokens = 64 if bench.tiny else 4096
    for size in (64, 128):
        query, key, _, plan = case(bench, 1, 16, 16, tokens, size)
        bench.score_qk(query, key, plan)
    attention = torch.softmax(bench.tensor(1, 16, tokens, tokens), -1)
    bench.score_attention(attention, plan)
    bench.wait()


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


def write(report: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = report["device"].replace(" ", "-")
    (folder / f"{stem}.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (folder / f"{stem}.md").write_text(as_markdown(report), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small problems, to see that it runs")
    parser.add_argument("--profile", action="store_true", help="run each kernel once")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    bench = Bench(options.device, options.tiny)
    with torch.inference_mode():
        if options.profile:
            profiled(bench)
            return
        tables: dict[str, list[Row]] = {}
        failed = []
        report = {
            "device": bench.name,
            "torch": torch.__version__,
            "dtype": str(bench.dtype),
            "tables": tables,
        }
        for name, table in TABLES.items():
            print(name, flush=True)
            try:
                for row in table(bench):
                    print(" ", row, flush=True)
                    tables.setdefault(name, []).append(row)
                    write(report, options.out)
            except Exception:
                traceback.print_exc()
                failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
