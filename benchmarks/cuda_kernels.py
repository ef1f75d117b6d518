"""Tables of the kernels of a device: accuracy, then speed against every other way."""

from __future__ import annotations

import importlib.util

import torch
from baselines import Fused, Product, dense_masks, eager, made_batch
from cuda_device import FULL, Bench, Row, Rows
from torch.nn.attention import SDPBackend, sdpa_kernel

import headscore as hs
from headscore import backends
from headscore.backends.contract import Visibility

FUSED_BACKENDS = (
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
)
ENTRIES = 2**33  # of a row of the table: batch x heads x T x T, about


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


def profiled(bench: Bench) -> None:
    """Run the kernels once: from queries and keys at two head sizes, and from attention."""
    tokens = 64 if bench.tiny else 4096
    for size in (64, 128):
        query, key, _, plan = case(bench, 1, 16, 16, tokens, size)
        bench.score_qk(query, key, plan)
    attention = torch.softmax(bench.tensor(1, 16, tokens, tokens), -1)
    bench.score_attention(attention, plan)
    bench.wait()


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
