"""Benchmark on a GPU: the kernels against every other way, with the limits of the card.

Every row is checked equal before it is timed, see `cuda_device`.

Writes OUT/GPU.json and .md after each row; a table that fails stops no other. `--device cpu --tiny`
goes through the same code without a GPU, to see that it runs; `--profile` runs each kernel once,
for a profiler.
"""

from __future__ import annotations

import argparse
import json
import traceback
from pathlib import Path
from typing import Any

import cuda_kernels
import torch
from cuda_device import Bench, Row
from cuda_runs import whole_runs

RESULTS = Path(__file__).resolve().parent / "results"
TABLES = {
    "accuracy": cuda_kernels.accuracy,
    "from q and k": cuda_kernels.throughput,
    "eager": cuda_kernels.against_eager,
    "column sums": cuda_kernels.column_sums,
    "given attention": cuda_kernels.given_attention,
    "long context": cuda_kernels.long_context,
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
            cuda_kernels.profiled(bench)
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
