// Rows of given attention: every visible entry is read once, 16 bytes per lane. Memory is the
// limit, so a warp asks for its next vectors before it works on those it has.
#ifndef HEADSCORE_CUDA_ROWS_ATTENTION_CUH_
#define HEADSCORE_CUDA_ROWS_ATTENTION_CUH_

#include "cuda/rows.cuh"

namespace headscore::cuda {

constexpr int kWarpRows = kLeastRows / kWarps;  // one after the other
constexpr float kLeastNormal = 1.17549435e-38f;

// 16 bytes of a row. Which lane takes which keys depends on the keys alone, and so do the bits of
// the sums; a row that does not start at a multiple of 16 bytes is read in pieces.
template <typename Number>
struct Vector {
  static constexpr int kNumbers = 16 / sizeof(Number);
  float values[kNumbers];

  __device__ void load(const Number* row, int key, Interval keys) {
    const Number* from = row + key;
    const bool whole = key >= keys.begin && key + kNumbers <= keys.end;
    if (whole && reinterpret_cast<uintptr_t>(from) % 16 == 0) {
      const uint4 raw = __ldcs(reinterpret_cast<const uint4*>(from));
      const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
      unpack(words);
      return;
    }
#pragma unroll
    for (int e = 0; e < kNumbers; ++e) {
      const bool seen = key + e >= keys.begin && key + e < keys.end;
      values[e] = seen ? to_float(from[e]) : 0.0f;
    }
  }

 private:
  __device__ void unpack(const unsigned (&words)[4]) {
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      if constexpr (sizeof(Number) == 4) {
        values[w] = __uint_as_float(words[w]);
      } else {
        values[2 * w] = to_float(Number{static_cast<uint16_t>(words[w] & 0xffffu)});
        values[2 * w + 1] = to_float(Number{static_cast<uint16_t>(words[w] >> 16)});
      }
    }
  }
};

// Sums over the entries that a lane has read; those of label roles lie in shared memory, one for
// each role and thread.
struct EntrySums {
  float mass = 0.0f, sum_log2 = 0.0f, least = 0.0f;

  template <typename Number>
  __device__ float add(const Vector<Number>& a, bool with_entropy) {
    float added = 0.0f;
#pragma unroll
    for (float each : a.values) {
      added += each;
      least = fminf(least, each);
      if (with_entropy) sum_log2 = fmaf(each, log2_fast(fmaxf(each, kLeastNormal)), sum_log2);
    }
    mass += added;
    return added;
  }
};

// Adds one lane's vector to the roles that have a label in its tile of keys.
template <typename Number>
__device__ void add_to_roles(const Sieves& sieves, int row, int key, const Vector<Number>& a,
                             float mass, float* inside) {
  constexpr int kNumbers = Vector<Number>::kNumbers;
  for (unsigned roles = sieves.roles_in(key / kTileKeys); roles != 0; roles &= roles - 1) {
    const int n = __ffs(roles) - 1;
    const int low = sieves.low(n), high = sieves.high(n);
    const int nearest = key - row, farthest = nearest + kNumbers - 1;
    if (farthest < low || nearest > high) continue;
    const int wanted = sieves.query_label(n, row);
    const int label = sieves.tile_label(key / kTileKeys, n);
    float sum = 0.0f;
    if (label >= 0 && low <= nearest && farthest <= high) {
      sum = label == wanted ? mass : 0.0f;
    } else {
      const int4* labels = reinterpret_cast<const int4*>(sieves.key_labels(n) + key);
#pragma unroll
      for (int e = 0; e < kNumbers; e += 4) {
        const int4 label = __ldg(labels + e / 4);
        const int four[4] = {label.x, label.y, label.z, label.w};
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          const bool in_band = low <= nearest + e + c && nearest + e + c <= high;
          sum += in_band && four[c] == wanted ? a.values[e + c] : 0.0f;
        }
      }
    }
    inside[n * kThreads] += sum;
  }
}

__device__ inline int faults_of(float mass, float least, float tolerance) {
  int faults = least < 0.0f ? kNegative : 0;
  if (!isfinite(mass)) faults |= kNotFinite;
  if (fabsf(mass - 1.0f) > tolerance) faults |= kSumNotOne;
  return faults;
}

// One row by one warp; returns lane n's part of the score of label role n.
template <typename Number>
__device__ float score_row(const Sieves& sieves, const Number* attention, int row,
                           bool with_entropy, float tolerance, float* inside, int& faults) {
  constexpr int kNumbers = Vector<Number>::kNumbers, kStep = kWarpLanes * kNumbers;
  const int lane = threadIdx.x % kWarpLanes;
  const Interval keys = visible_keys(sieves.problem.visibility, row, sieves.keys);
  for (int n = 0; n < sieves.count; ++n) inside[n * kThreads] = 0.0f;
  EntrySums sums;
  int key = keys.begin / kStep * kStep + lane * kNumbers;
  Vector<Number> here, next;
  if (key < keys.end) here.load(attention, key, keys);
  for (; key < keys.end; key += kStep) {
    if (key + kStep < keys.end) next.load(attention, key + kStep, keys);
    if (key + kNumbers > keys.begin) {
      const float mass = sums.add(here, with_entropy);
      add_to_roles(sieves, row, key, here, mass, inside);
    }
    here = next;
  }
  const float mass = warp_sum(sums.mass), sum_log2 = warp_sum(sums.sum_log2);
  const bool negative = __any_sync(kAllLanes, sums.least < 0.0f);
  faults |= faults_of(mass, negative ? -1.0f : 0.0f, tolerance);
  const float per_mass = 1.0f / mass;
  const float entropy = with_entropy ? entropy_of(keys, log2f(mass), sum_log2 * per_mass) : 0.0f;
  if (lane == 0) sieves.put_row(row, 0.0f, mass, entropy);
  float own = 0.0f;
  for (int n = 0; n < sieves.count; ++n) {
    const float sum = warp_sum(inside[n * kThreads]);
    if (lane == n) own = sum;
  }
  if (lane >= sieves.count) return 0.0f;
  const float value = sieves.row_value(lane, row, own * per_mass, entropy);
  sieves.put_token_value(lane, row, value);
  return value;
}

// Shared memory: the label roles' sums of each thread, then of each warp.
inline size_t rows_attention_bytes(int roles) {
  return roles * (kThreads + kWarps) * sizeof(float);
}

// Block (x, y, z): rows x kLeastRows and on, of head y of sequence z; label roles `first_role` on.
template <typename Number>
__global__ void __launch_bounds__(kThreads, 8)
    rows_attention(const __grid_constant__ AttentionProblem problem, int first_role) {
  const int block = blockIdx.x, head = blockIdx.y, sequence = blockIdx.z;
  const Sieves sieves(problem.common, sequence, head, first_role);
  if (block * kLeastRows >= sieves.length) return;
  const int lane = threadIdx.x % kWarpLanes, warp = threadIdx.x / kWarpLanes;
  bool with_entropy = false;
  for (int r = 0; r < sieves.plan().roles; ++r) with_entropy |= sieves.plan().times_entropy[r] != 0;

  const Tensor4& tensor = problem.attention;
  const Number* attention = static_cast<const Number*>(tensor.data) +
                            sequence * tensor.batch_stride + head * tensor.head_stride;
  float* room = reinterpret_cast<float*>(shared_memory());
  float* inside = room + threadIdx.x;
  float total = 0.0f;
  int faults = 0;
  const int first_row = block * kLeastRows + warp * kWarpRows;
  const int last_row = min(first_row + kWarpRows, sieves.length);
  for (int row = first_row; row < last_row; ++row) {
    total += score_row(sieves, attention + row * tensor.row_stride, row, with_entropy,
                       problem.tolerance, inside, faults);
  }
  float* warp_sums = room + sieves.count * kThreads;
  if (lane < sieves.count) warp_sums[lane * kWarps + warp] = total;
  const int any = (__syncthreads_or(faults & kNotFinite) ? kNotFinite : 0) |
                  (__syncthreads_or(faults & kNegative) ? kNegative : 0) |
                  (__syncthreads_or(faults & kSumNotOne) ? kSumNotOne : 0);
  if (threadIdx.x == 0) sieves.put_block_fault(block, any);
  if (static_cast<int>(threadIdx.x) < sieves.count) {
    const float* sums = warp_sums + threadIdx.x * kWarps;
    sieves.put_block_sum(block, threadIdx.x, (sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_ROWS_ATTENTION_CUH_
