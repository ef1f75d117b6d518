// Pair roles, once the mass of every row is known: work for the listed entries alone.
//
// Eight lanes take a run (the entries of one row and role); a block takes a piece (runs of one
// sequence and role). Indices are asked for one run, and one entry, before they are needed.
#ifndef HEADSCORE_CUDA_PAIRS_CUH_
#define HEADSCORE_CUDA_PAIRS_CUH_

#include "cuda/rows_qk.cuh"
#include "cuda/vectors.cuh"

namespace headscore::cuda {

constexpr int kGroupLanes = 8;
constexpr int kGroups = kThreads / kGroupLanes;

// The entries of one row and role, and what the row's statistics are.
struct Run {
  int sequence, i;
  int64_t first, last;  // entries
  float top, mass;

  __device__ Run(const Problem& problem, int head, int64_t run)
      : first(problem.sieves.run_entry[run]), last(problem.sieves.run_entry[run + 1]) {
    // 32 bits: a division of 64 is a call, around which registers are spilled
    const uint32_t tokens = static_cast<uint32_t>(problem.sieves.plan.tokens);
    const uint32_t at = static_cast<uint32_t>(problem.sieves.run_row[run]);
    sequence = at / tokens;
    i = at % tokens;
    top = problem.workspace.row_top[row(problem, head)];
    mass = problem.workspace.row_mass[row(problem, head)];
  }

  __device__ int64_t row(const Problem& problem, int head) const {
    return (static_cast<int64_t>(sequence) * problem.heads + head) * problem.sieves.plan.tokens + i;
  }
};

// The lanes of a group add up.
__device__ inline float group_sum(float value) {
  const unsigned lanes = 0xffu << (threadIdx.x & 24);
  for (int half = kGroupLanes / 2; half > 0; half /= 2) {
    value += __shfl_xor_sync(lanes, value, half);
  }
  return value;
}

// Weighted sum over a run of attention times the row's mass, from queries and keys: the lanes take
// one entry after the other together.
template <typename Number>
struct FromProducts {
  using Problem = QkProblem;

  const Problem& problem;
  LogitScale scale;
  int head;

  __device__ FromProducts(const Problem& problem, int head)
      : problem(problem), scale(problem), head(head) {}

  __device__ float sum_of(const Run& run) const {
    const DevicePlan& sieves = problem.common.sieves;
    const int group = static_cast<int>(problem.common.heads) / static_cast<int>(problem.kv_heads);
    const Number* query = row_of<Number>(problem.query, run.sequence, head, run.i);
    const Number* keys = row_of<Number>(problem.key, run.sequence, head / group, 0);
    float value = 0.0f;
    int next = sieves.entry_key[run.first];
    for (int64_t n = run.first; n < run.last; ++n) {
      const int j = next;
      if (n + 1 < run.last) next = sieves.entry_key[n + 1];
      const float product = product_of(query, keys + j * problem.key.row_stride);
      value = fmaf(sieves.entry_weight[n], probability(run, j, product), value);
    }
    return value;
  }

 private:
  __device__ float product_of(const Number* query, const Number* key) const {
    constexpr int kNumbers = Vector<Number>::kNumbers;
    float sum = 0.0f;
    for (int c = threadIdx.x % kGroupLanes * kNumbers; c < problem.head_size;
         c += kGroupLanes * kNumbers) {
      float q[kNumbers], k[kNumbers];
      Vector<Number>::at(query + c).unpack(q);
      Vector<Number>::at(key + c).unpack(k);
#pragma unroll
      for (int e = 0; e < kNumbers; ++e) sum = fmaf(q[e], k[e], sum);
    }
    return group_sum(sum);
  }

  __device__ float probability(const Run& run, int j, float product) const {
    float logit = problem.scale < 0.0f ? -product : product;
    if (problem.scale == 0.0f) logit = 0.0f;
    logit = scale.capped(logit);
    if (problem.bias.data != nullptr) logit = scale.biased(logit, bias(run.sequence, run.i, j));
    return exp2_fast(fmaf(logit, scale.factor, -run.top));
  }

  __device__ float bias(int sequence, int i, int j) const {
    switch (problem.bias.dtype) {
      case Dtype::kBfloat16:
        return to_float(row_of<Bfloat16>(problem.bias, sequence, head, i)[j]);
      case Dtype::kFloat16:
        return to_float(row_of<Float16>(problem.bias, sequence, head, i)[j]);
      default:
        return row_of<float>(problem.bias, sequence, head, i)[j];
    }
  }
};

// The same from given attention: each lane takes every eighth entry.
template <typename Number>
struct FromAttention {
  using Problem = AttentionProblem;

  const Problem& problem;
  int head;

  __device__ FromAttention(const Problem& problem, int head) : problem(problem), head(head) {}

  __device__ float sum_of(const Run& run) const {
    const DevicePlan& sieves = problem.common.sieves;
    const Number* row = row_of<Number>(problem.attention, run.sequence, head, run.i);
    float value = 0.0f;
    for (int64_t n = run.first + threadIdx.x % kGroupLanes; n < run.last; n += kGroupLanes) {
      value = fmaf(sieves.entry_weight[n], to_float(row[sieves.entry_key[n]]), value);
    }
    return group_sum(value);
  }
};

// Block (x, y): piece x of head y.
template <typename Source>
__global__ void __launch_bounds__(kThreads)
    pairs(const __grid_constant__ typename Source::Problem problem) {
  const Problem& common = problem.common;
  const DevicePlan& sieves = common.sieves;
  const SievePlan& plan = sieves.plan;
  const int64_t piece = blockIdx.x;
  const int head = blockIdx.y, role = sieves.piece_role[piece];
  const int group = threadIdx.x / kGroupLanes;
  const Source source(problem, head);
  const int64_t last_run = sieves.piece_run[piece + 1];
  int64_t run = sieves.piece_run[piece] + group;
  float total = 0.0f;
  if (run < last_run) {
    Run next(common, head, run);
    for (; run < last_run; run += kGroups) {
      const Run here = next;
      if (run + kGroups < last_run) next = Run(common, head, run + kGroups);
      float value = source.sum_of(here) / here.mass;
      if (plan.times_entropy[role]) value *= common.workspace.row_entropy[here.row(common, head)];
      if (common.output.token_values != nullptr && threadIdx.x % kGroupLanes == 0) {
        const int64_t unit = static_cast<int64_t>(here.sequence) * plan.roles + role;
        common.output.token_values[(unit * common.heads + head) * plan.tokens + here.i] = value;
      }
      total += value;
    }
  }
  float* totals = reinterpret_cast<float*>(shared_memory());
  if (threadIdx.x % kGroupLanes == 0) totals[group] = total;
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0.0f;
    for (int n = 0; n < kGroups; ++n) sum += totals[n];
    common.workspace.piece_sums[head * sieves.pieces + piece] = sum;
  }
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_PAIRS_CUH_
