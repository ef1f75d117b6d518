"""Kernel benchmark: sieve scores of the paper's roles against every other way.

Ways: eager (softmax stored, masked sums), product (stored too, one product for all roles), fused
(fused attention with labels and keys in the place of V) and SDPA (torch's own attention forward on
the same q, k, v, as the yardstick). The strongest of the first three is what a headline is made
against. Each row is checked equal before it is timed. `pytest benchmarks --benchmark-only` times
the same rows for tracking.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from baselines import Fused, Product, dense_masks, eager, made_batch
from machine import watched
from timing import in_turn, peak_memory

import headscore as hs
from headscore.backends import score_qk
from headscore.backends.contract import Visibility

ROOT = Path(__file__).resolve().parents[1]


class Row(NamedTuple):
    """One row of the table."""

    batch: int
    heads: int
    kv_heads: int
    tokens: int
    size: int
    causal: bool = False

    def __str__(self) -> str:
        heads = f"{self.heads}/{self.kv_heads}" if self.kv_heads < self.heads else f"{self.heads}"
        kind = "causal" if self.causal else "full"
        return f"{self.batch:>2} x {heads:>4} x {self.tokens:<5} d {self.size:<3} {kind:<6}"


NO_ENTROPY = "local,delimiter,delimiter_cls,delimiter_sep,block_plain,nsubj,obj,amod,advmod"
FULL = (
    Row(64, 12, 12, 32, 64),
    Row(16, 12, 12, 128, 64),
    Row(4, 12, 12, 512, 64),
    Row(1, 12, 12, 2048, 64),
    Row(1, 4, 4, 8192, 64),
    Row(16, 12, 12, 128, 128),
    Row(4, 12, 12, 512, 128),
    Row(1, 12, 12, 2048, 128),
    Row(1, 12, 12, 2048, 64, causal=True),
    Row(1, 12, 3, 2048, 64, causal=True),
)
TINY = (Row(2, 4, 2, 32, 64, causal=True), Row(2, 2, 2, 32, 64))


class Case:
    """Everything of a row that is made before the clock runs."""

    def __init__(self, row: Row) -> None:
        torch.manual_seed(0)
        self.row = row
        self.visibility = Visibility(row.causal)
        self.plan = hs.SievePlan.compile("paper", made_batch(row.batch, row.tokens))
        self.query, self.key, self.value = (
            torch.randn(row.batch, row.tokens, heads, row.size).transpose(1, 2)
            for heads in (row.heads, row.kv_heads, row.kv_heads)
        )
        group = row.heads // row.kv_heads
        self.wide = self.key if group == 1 else self.key.repeat_interleave(group, 1)
        self.masks = dense_masks(self.plan, self.visibility)
        self.fused = Fused(self.plan, self.visibility, row.size)
        self.product: Product | None = None
        self.plan.arrays(self.visibility)

    def headscore(self) -> torch.Tensor:
        return hs.sieve_scores_qk(self.query, self.key, self.plan, causal=self.row.causal)

    def eager(self) -> torch.Tensor:
        return eager(self.query, self.wide, self.masks, self.visibility)

    def one_product(self) -> torch.Tensor:
        if self.product is None:
            self.product = Product(self.masks, self.query, self.visibility)
        return self.product(self.query, self.wide)

    def fresh(self, ways: dict, name: str) -> Callable[[], object]:
        """Return a way with no memory kept from an earlier call."""
        self.product = None
        return ways[name]

    def torch_fused(self) -> torch.Tensor:
        return self.fused(self.query, self.wide)

    def sdpa(self) -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(
            self.query,
            self.key,
            self.value,
            is_causal=self.row.causal,
            enable_gqa=self.row.heads > self.row.kv_heads,
        )

    def with_output(self) -> torch.Tensor:
        """Scores and attention's output in one pass; returns the output as SDPA does."""
        raw = score_qk(self.query, self.key, self.plan, self.visibility, value=self.value)
        assert raw.output is not None
        return raw.output.transpose(1, 2)

    def difference(self) -> float:
        """Largest relative difference of the three torch ways to headscore, and of the output."""
        ours = self.headscore()
        others = (self.eager(), self.one_product(), self.torch_fused())
        gaps = [float(((ours - each).abs() / each.abs()).nan_to_num().max()) for each in others]
        return max(*gaps, float((self.with_output() - self.sdpa()).abs().max()))

    @property
    def entries(self) -> float:
        seen = (self.row.tokens + 1) / 2 if self.row.causal else self.row.tokens
        return self.row.batch * self.row.heads * self.row.tokens * seen


STORED = ("eager", "product", "fused")  # what a user of torch has instead


def print_table(rows: tuple[Row, ...], rounds: int, clock: Callable[[], float]) -> None:
    print(
        "\nfrom q and k, ten roles, float32; milliseconds (fastest, median), ratios of medians and "
        "of the fastest, MiB above the inputs"
    )
    names = ("headscore", *STORED, "SDPA", "with output")
    print(
        f"{'batch x heads x T':>32}"
        + "".join(f" {name:>19}" for name in names)
        + "".join(f" {name:>11}" for name in (*STORED, "SDPA", "SDPA/out"))
        + f" {'strongest':>19} {'MiB':>15} {'spread':>6} {'G/s':>6} {'difference':>10}"
    )
    for row in rows:
        print(f"{row!s:>32}" + _line(Case(row), rounds, clock), flush=True)


def _line(case: Case, rounds: int, clock: Callable[[], float]) -> str:
    difference = case.difference()
    # One product sums T * T / 2 entries of block in float32, one after the other: 5e-3 at T 8192.
    large = case.row.tokens >= 8192
    assert difference < (1e-2 if large else 1e-3), difference
    ways = {
        "headscore": case.headscore,
        "eager": case.eager,
        "product": case.one_product,
        "fused": case.torch_fused,
        "sdpa": case.sdpa,
        "output": case.with_output,
    }
    timed = in_turn(
        ways,
        rounds=min(rounds, 3) if large else rounds,
        least_seconds=0.0 if large else 0.02,
        clock=clock,
    )
    ours = timed["headscore"]
    strongest = min(STORED, key=lambda name: timed[name].median)
    peaks = [peak_memory(each) for each in (case.headscore, case.fresh(ways, strongest))]
    return (
        "".join(f" {each}" for each in timed.values())
        + "".join(f" {timed[name].ratio(ours):>11}" for name in (*STORED, "sdpa"))
        + f" {timed['sdpa'].ratio(timed['output']):>11}"
        + f" {strongest + ' ' + timed[strongest].ratio(ours):>19}"
        + f" {peaks[0]:5.0f} and {peaks[1]:5.0f}"
        + f" {max(each.spread for each in timed.values()):6.0%}"
        + f" {case.entries / ours.median / 1e9:6.2f} {difference:10.1e}"
    )


def print_limits(rounds: int) -> None:
    """Single thread against the bare products, measured in turn; two threads against one."""
    threads = torch.get_num_threads()
    cases = {size: Case(Row(1, 12, 12, 2048, size)) for size in (64, 128)}
    rates: dict[tuple[int, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        driver = built_driver(Path(folder))
        for _ in range(rounds):
            for size, rate in bare_products(driver).items():
                rates[size, "products"].append(rate)
            for size, case in cases.items():
                for count in sorted({1, threads}):
                    torch.set_num_threads(count)
                    fastest = in_turn({"ours": case.headscore}, rounds=2)["ours"].fastest
                    rates[size, f"{count}"].append(case.entries / fastest / 1e9)
    print("\nshare of the bare products (one thread, G entries/s), and threads against one")
    print(f"best of {rounds} rounds, and medians of the ratios of a round")
    for size in cases:
        products, one, all_ = (rates[size, name] for name in ("products", "1", f"{threads}"))
        print(
            f"d {size}: {max(one):.2f} of {max(products):.2f} = {max(one) / max(products):.0%}, "
            f"{median_ratio(one, products):.0%}; {threads} threads "
            f"{max(all_) / max(one):.2f}x, {median_ratio(all_, one):.2f}x"
        )


def median_ratio(ours: list[float], others: list[float]) -> float:
    return float(np.median(np.divide(ours, others)))


def built_driver(folder: Path) -> Path:
    sources = [*map(str, sorted(ROOT.glob("csrc/cpu/*.cpp"))), str(ROOT / "tests/driver.cpp")]
    flags = "-std=c++17 -O3 -pthread -ffp-contract=fast -fno-math-errno -Wno-psabi".split()
    driver = folder / "driver"
    subprocess.run(["c++", *flags, f"-I{ROOT / 'csrc'}", *sources, "-o", str(driver)], check=True)
    return driver


def bare_products(driver: Path) -> dict[int, float]:
    """G entries/s of the kernel's own tile without anything else, for each head size."""
    isa = hs.backends.cpu.instruction_set()
    out = subprocess.run([driver, "products"], check=True, capture_output=True, text=True)
    lines = [line.split() for line in out.stdout.splitlines()]
    return {int(size): float(rate) for name, size, rate in lines if name == isa}


def print_attention(rounds: int) -> None:
    """From attention tensors: bytes read per second against a plain sum over the same bytes."""
    print("\nfrom attention tensors, against the read bandwidth measured on the spot (torch.sum)")
    for roles, batch, tokens, dtype in (
        ("paper", 16, 512, torch.float32),
        ("paper", 4, 1024, torch.float32),
        ("paper", 1, 2048, torch.float32),
        ("paper", 64, 128, torch.float32),
        ("paper", 4, 1024, torch.bfloat16),
        ("paper", 4, 1024, torch.float16),
        (NO_ENTROPY, 16, 512, torch.float32),
        (NO_ENTROPY, 4, 1024, torch.float32),
        (NO_ENTROPY, 1, 2048, torch.float32),
        (NO_ENTROPY, 64, 128, torch.float32),
    ):
        plan = hs.SievePlan.compile(roles, made_batch(batch, tokens))
        attention = torch.softmax(torch.randn(batch, 12, tokens, tokens), -1).to(dtype)
        one = hs.SievePlan.compile(roles, made_batch(batch, tokens).take(np.arange(1)))
        first = hs.sieve_scores(attention, plan)[:1]
        flat = attention.view(-1).view(torch.float32)  # half precision: two elements as one
        gap = (hs.sieve_scores(attention[:1], one, backend="reference") / first - 1).abs()
        assert float(gap.nan_to_num().max()) < 1e-4, gap
        timed = in_turn(
            {
                "ours": lambda a=attention, p=plan: hs.sieve_scores(a, p),
                "read": lambda f=flat: f.sum(),
            },
            rounds=rounds,
        )
        size = attention.numel() * attention.element_size() / 1e9
        ours, read = size / timed["ours"].median, size / timed["read"].median
        print(
            f"{'ten roles' if roles == 'paper' else 'no entropy':<10} "
            f"{batch:>2} x 12 x {tokens:<4} {str(dtype).removeprefix('torch.'):<9} "
            f"{ours:6.1f} of {read:6.1f} GB/s = {ours / read:.0%}"
        )


def print_memory() -> None:
    """Memory above the inputs at a length where attention would take 12 GiB."""
    plan = hs.SievePlan.compile("local,sink", made_batch(1, 16384))
    query, key = (torch.randn(1, 12, 16384, 64) for _ in range(2))
    small = torch.randn(1, 12, 64, 64)
    hs.sieve_scores_qk(
        small, small, hs.SievePlan.compile("local,sink", made_batch(1, 64)), causal=True
    )
    grown = peak_memory(lambda: hs.sieve_scores_qk(query, key, plan, causal=True))
    print(f"\nT 16384, 12 heads, causal, local + sink: {grown:.0f} MiB above the inputs")


@pytest.mark.parametrize("row", FULL[:4], ids=str)
def test_from_queries_and_keys(benchmark, row):
    case = Case(row)
    assert case.difference() < 1e-3
    benchmark(case.headscore)


def test_from_attention(benchmark):
    plan = hs.SievePlan.compile("paper", made_batch(4, 512))
    attention = torch.softmax(torch.randn(4, 12, 512, 512), -1)
    benchmark(lambda: hs.sieve_scores(attention, plan))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="two small rows, to see that it runs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="only the table from q and k, with one thread, in CPU seconds: for a busy machine",
    )
    options = parser.parse_args()
    if options.cpu_time:
        torch.set_num_threads(1)
    clock = time.process_time if options.cpu_time else time.perf_counter
    with torch.inference_mode(), watched():
        if not (options.tiny or options.cpu_time):
            print_limits(options.rounds)
            print_attention(options.rounds)
            print_memory()
        rounds = 1 if options.tiny else options.rounds
        print_table(TINY if options.tiny else FULL, rounds, clock)


if __name__ == "__main__":
    main()
