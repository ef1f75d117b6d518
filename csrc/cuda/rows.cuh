// What the kernels know of a row: the keys it sees, and where its results go.
#ifndef HEADSCORE_CUDA_ROWS_CUH_
#define HEADSCORE_CUDA_ROWS_CUH_

#include "cuda/hardware.cuh"
#include "cuda/sieve_scores.h"

namespace headscore::cuda {

constexpr int kWarpLanes = 32;
constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarpLanes;
constexpr unsigned kAllLanes = 0xffffffffu;
constexpr float kLn2 = 0.69314718055994530942f;
constexpr float kLog2E = 1.44269504088896340736f;

struct Interval {
  int begin, end;
};

// V(i) of a real row, of so many real keys.
__device__ inline Interval visible_keys(const Visibility& visibility, int row, int count) {
  Interval keys = {0, count};
  const int window = static_cast<int>(visibility.window);
  if (visibility.causal) keys.end = min(count, row + 1);
  if (window >= 0) {
    keys.begin = max(0, visibility.causal ? row - window + 1 : row - window);
    if (!visibility.causal) keys.end = min(keys.end, row + window + 1);
  }
  return keys;
}

// What a tile of keys holds for the label roles of a pass; bit n: label role first + n.
struct TileRoles {
  unsigned fresh;  // has labels in the tile, other than the only one of the tile before
  unsigned one;    // has one label alone

  __device__ unsigned present() const { return fresh | one; }
};

// The part of the plan that a block sees: the label roles of one pass on one sequence.
struct Sieves {
  const Problem& problem;
  int sequence;
  int head;
  int length;  // real queries
  int keys;    // real keys
  int first;   // label role
  int count;

  __device__ Sieves(const Problem& problem, int sequence, int head, int first)
      : problem(problem),
        sequence(sequence),
        head(head),
        length(plan().lengths[sequence]),
        keys(plan().key_lengths[sequence]),
        first(first),
        count(min(kRolesAtOnce, static_cast<int>(plan().label_roles) - first)) {}

  __device__ const SievePlan& plan() const { return problem.sieves.plan; }

  __device__ TileRoles tile_roles(int tile) const {
    const DevicePlan& sieves = problem.sieves;
    const int before = first / kRolesAtOnce * static_cast<int>(plan().batch) + sequence;
    const int2* of_tiles = reinterpret_cast<const int2*>(sieves.tile_roles);
    const int2 here = __ldg(of_tiles + before * static_cast<int>(sieves.tiles) + tile);
    return {static_cast<unsigned>(here.x), static_cast<unsigned>(here.y)};
  }
  __device__ unsigned roles_in(int tile) const { return tile_roles(tile).present(); }

  __device__ int tile_label(int tile, int n) const {
    const DevicePlan& sieves = problem.sieves;
    const int64_t at = sequence * sieves.tiles + tile;
    return __ldg(sieves.tile_label + at * plan().label_roles + first + n);
  }

  // Where label role n keeps something of each token of the sequence.
  __device__ int64_t tokens_of(int n) const {
    return (static_cast<int64_t>(first + n) * plan().batch + sequence) * plan().tokens;
  }

  // Number of label role n and this sequence, in an array of labels.
  __device__ int64_t labels_of(int n) const {
    return static_cast<int64_t>(first + n) * plan().batch + sequence;
  }

  __device__ int query_label(int n, int row) const {
    return __ldg(problem.sieves.query_label + labels_of(n) * problem.sieves.padded + row);
  }

  __device__ const int32_t* key_labels(int n) const {
    return problem.sieves.key_label + labels_of(n) * problem.sieves.key_padded;
  }

  __device__ int low(int n) const { return plan().band[2 * (first + n)]; }
  __device__ int high(int n) const { return plan().band[2 * (first + n) + 1]; }

  // The share of the score that a row adds, from the part of its attention inside the sieve.
  __device__ float row_value(int n, int row, float inside, float entropy) const {
    const float value = inside * plan().row_weight[tokens_of(n) + row];
    return plan().times_entropy[role(n)] ? value * entropy : value;
  }

  __device__ int role(int n) const { return plan().label_role[first + n]; }

  __device__ int64_t row_at(int row) const {
    return (static_cast<int64_t>(sequence) * problem.heads + head) * plan().tokens + row;
  }

  __device__ void put_token_value(int n, int row, float value) const {
    if (problem.output.token_values == nullptr) return;
    const int64_t unit = static_cast<int64_t>(sequence) * plan().roles + role(n);
    problem.output.token_values[(unit * problem.heads + head) * plan().tokens + row] = value;
  }

  // What the pair roles need to know of a row.
  __device__ void put_row(int row, float top, float mass, float entropy) const {
    if (problem.sieves.pieces == 0) return;
    problem.workspace.row_top[row_at(row)] = top;
    problem.workspace.row_mass[row_at(row)] = mass;
    problem.workspace.row_entropy[row_at(row)] = entropy;
  }

  __device__ int64_t block_at(int block) const {
    return (static_cast<int64_t>(sequence) * problem.heads + head) * problem.workspace.blocks +
           block;
  }

  __device__ void put_block_sum(int block, int n, float sum) const {
    problem.workspace.block_sums[block_at(block) * plan().label_roles + first + n] = sum;
  }

  __device__ void put_block_fault(int block, int fault) const {
    problem.workspace.block_faults[block_at(block)] = static_cast<uint8_t>(fault);
  }
};

// Entropy in nats of a row over its visible keys: log2 of the mass, and sum of p * log2 p, where
// the p add up to the mass. Over one key it is 0, which rounding would miss.
__device__ inline float entropy_of(Interval keys, float log2_mass, float mean_log2) {
  return keys.end - keys.begin == 1 ? 0.0f : kLn2 * (log2_mass - mean_log2);
}

// Halves are folded onto one another: a fixed order, part of the promise of identical bits.
template <typename Number>
__device__ inline Number warp_sum(Number value) {
  for (int half = kWarpLanes / 2; half > 0; half /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, half);
  }
  return value;
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_ROWS_CUH_
