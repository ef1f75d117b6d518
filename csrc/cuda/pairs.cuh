// Pair roles, once the mass of every row is known: work for the listed entries alone.
//
// Eight lanes take a run (the entries of one row and role), one entry after the other; a block
// takes a piece (runs of one sequence and role).
#ifndef HEADSCORE_CUDA_PAIRS_CUH_
#define HEADSCORE_CUDA_PAIRS_CUH_

#include "cuda/rows_qk.cuh"

namespace headscore::cuda {

constexpr int kGroupLanes = 8;
constexpr int kGroups = kThreads / kGroupLanes;

// Attention of row i to key j of a head times the row's mass, from queries and keys.
template <typename Number>
struct FromProducts {
  using Problem = QkProblem;

  const Problem& problem;
  LogitScale scale;
  int head;
  unsigned lanes;  // the group's, of the warp

  __device__ FromProducts(const Problem& problem, int head, unsigned lanes)
      : problem(problem), scale(problem), head(head), lanes(lanes) {}

  __device__ float operator()(int sequence, int i, int j, float row_top) const {
    const int group = static_cast<int>(problem.common.heads) / static_cast<int>(problem.kv_heads);
    const int key_head = head / group;
    const Number* query = row_of<Number>(problem.query, sequence, head, i);
    const Number* key = row_of<Number>(problem.key, sequence, key_head, j);
    constexpr int kNumbers = 16 / sizeof(Number);
    float sum = 0.0f;
    for (int c = threadIdx.x % kGroupLanes * kNumbers; c < problem.head_size;
         c += kGroupLanes * kNumbers) {
#pragma unroll
      for (int e = 0; e < kNumbers; ++e) {
        sum = fmaf(to_float(query[c + e]), to_float(key[c + e]), sum);
      }
    }
    for (int half = kGroupLanes / 2; half > 0; half /= 2) {
      sum += __shfl_xor_sync(lanes, sum, half);
    }
    if (problem.scale < 0.0f) sum = -sum;
    if (problem.scale == 0.0f) sum = 0.0f;
    sum = scale.capped(sum);
    if (problem.bias.data != nullptr) sum = scale.biased(sum, bias(sequence, i, j));
    return exp2_fast(fmaf(sum, scale.factor, -row_top));
  }

 private:
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

// The same from given attention.
template <typename Number>
struct FromAttention {
  using Problem = AttentionProblem;

  const Problem& problem;
  int head;

  __device__ FromAttention(const Problem& problem, int head, unsigned)
      : problem(problem), head(head) {}

  __device__ float operator()(int sequence, int i, int j, float) const {
    return to_float(row_of<Number>(problem.attention, sequence, head, i)[j]);
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
  const Source probability(problem, head, 0xffu << (threadIdx.x & 24));
  const int64_t last_run = sieves.piece_run[piece + 1];
  float total = 0.0f;
  for (int64_t run = sieves.piece_run[piece] + group; run < last_run; run += kGroups) {
    // 32 bits: a division of 64 is a call, around which registers are spilled
    const uint32_t at = static_cast<uint32_t>(sieves.run_row[run]);
    const int sequence = at / static_cast<uint32_t>(plan.tokens);
    const int i = at % static_cast<uint32_t>(plan.tokens);
    const int64_t row = (static_cast<int64_t>(sequence) * common.heads + head) * plan.tokens + i;
    const float row_top = common.workspace.row_top[row];
    float value = 0.0f;
    for (int64_t n = sieves.run_entry[run]; n < sieves.run_entry[run + 1]; ++n) {
      value = fmaf(sieves.entry_weight[n], probability(sequence, i, sieves.entry_key[n], row_top),
                   value);
    }
    value /= common.workspace.row_mass[row];
    if (plan.times_entropy[role]) value *= common.workspace.row_entropy[row];
    if (common.output.token_values != nullptr && threadIdx.x % kGroupLanes == 0) {
      const int64_t unit = static_cast<int64_t>(sequence) * plan.roles + role;
      common.output.token_values[(unit * common.heads + head) * plan.tokens + i] = value;
    }
    total += value;
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
