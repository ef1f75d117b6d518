#!/usr/bin/env bash
# All that needs a GPU, on a machine without network: build, tests, benchmark, compute-sanitizer, a
# profile. `make gpu` runs it.
#
# No stage stops the next one, and each has a time limit: 13 minutes together at most. A stage that
# ends adds its line, STAGE name status seconds, to OUT/summary.txt; its output goes to a log in OUT.
# The exit status is the bitwise or of those of the stages.
#
# PYTHON  has torch, numpy, pandas, pybind11, Cython, setuptools, transformers, pytest; from 3.11 on
# OUT     folder of the logs and tables, at most 8 files
# STAGES  those to run, in this order; a build of an earlier call is used where `build` is left out
# LIMIT   seconds that any stage may take at most, where less time is left
set -u
cd "$(dirname "$0")/.." || exit 1

PYTHON=${PYTHON:-python3}
OUT=${OUT:-$PWD/build/gpu-results}
STAGES=${STAGES:-build tests bench memcheck racecheck synccheck initcheck profile}
LIMIT=${LIMIT:-600}

installed=$PWD/build/gpu
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1)
export PYTHONPATH=$installed PYTHONUNBUFFERED=1
export HEADSCORE_CUDA=1 HEADSCORE_CUDA_TARGETS=${HEADSCORE_CUDA_TARGETS:-${capability//./}}

status=0
mkdir -p "$OUT"
: >"$OUT/summary.txt"

# stage NAME LIMIT LOG COMMAND...: runs a command, wanted or not, and writes down how it ended.
stage() {
  local name=$1 limit=$(($2 < LIMIT ? $2 : LIMIT)) log=$OUT/$3.log start=$SECONDS ended
  shift 3
  [[ " $STAGES " == *" $name "* ]] || return 0
  printf '\n== %s: %s\n' "$name" "$*" >>"$log"
  STAGE=$name timeout --kill-after=5 "$limit" "$@" >>"$log" 2>&1 </dev/null
  ended=$?
  status=$((status | ended))
  echo "STAGE $name $ended $((SECONDS - start))" | tee -a "$OUT/summary.txt"
}

# sanitize TOOL LIMIT OPTION...: device tests of few sizes under compute-sanitizer.
sanitize() {
  local tool=$1 limit=$2
  shift 2
  stage "$tool" "$limit" sanitizers env PYTORCH_NO_CUDA_MEMORY_CACHING=1 \
    compute-sanitizer --tool "$tool" --error-exitcode 1 --print-limit 20 \
    --report-api-errors no --launch-timeout 0 "$@" \
    "${pytest[@]}" -k '(option and (64- or 192-)) or (given and 131) or bias or faults' \
    tests/backends/test_cuda_device.py
}

rm -f "$OUT"/*.log
[[ " $STAGES " == *" build "* ]] && rm -rf "$installed"
# -P: without the checkout, where nothing is compiled, on the path.
pytest=("$PYTHON" -P -m pytest -o addopts= -o filterwarnings=default -p no:cacheprovider -rs
  --require-backend cuda)

stage build 150 build "$PYTHON" -m pip install --no-index --no-deps --no-build-isolation \
  --target "$installed" .
stage tests 120 tests "${pytest[@]}" --maxfail=20 --durations=10 -k 'cuda and not emulated' \
  tests/backends/test_cuda_device.py tests/backends/test_sieve_scores.py \
  tests/backends/test_cross_attention.py
stage bench 170 bench "$PYTHON" benchmarks/bench_cuda.py --out "$OUT"
sanitize memcheck 70 --kernel-name kns=headscore
sanitize racecheck 70 --kernel-name kns=headscore
sanitize synccheck 50 --kernel-name kns=headscore
sanitize initcheck 70 # without a filter: it must see the writes of torch's kernels
stage profile 60 profile ncu --clock-control none --kernel-name 'regex:rows_|pairs' \
  --launch-count 6 --section SpeedOfLight --section Occupancy --section SchedulerStats \
  --section WarpStateStats --section MemoryWorkloadAnalysis \
  "$PYTHON" benchmarks/bench_cuda.py --profile
exit "$status"
