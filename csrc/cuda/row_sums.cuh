// Sums over the keys of a row: in registers of the four lanes that share the row over a run of
// tiles, then over all runs, by the lane that owns it.
//
// Logits stand in base 2. A row keeps a top, its mass (sum of p = 2^(logit - top)) and its entropy
// (sum of p * log2 p). When the top rises, what was summed shrinks by 2^(old - new).
//
// A row with one p of nearly 1 has an entropy of about the sum of the others, whose digits are lost
// in a mass of 1 and more. Where kApart the p of at least 1/2 are summed apart from the mass; when
// the top rises they join it, as there is a larger one. That needs tops that no p exceeds.
#ifndef HEADSCORE_CUDA_ROW_SUMS_CUH_
#define HEADSCORE_CUDA_ROW_SUMS_CUH_

#include "cuda/products.cuh"

namespace headscore::cuda {

constexpr float kVanishes = -1e4f;  // a step of the top after which nothing is left

// Adds up over the four lanes that share rows; each lane gets one of the rows: number
// lane % (2 kTiles).
__device__ inline float share_rows(const float (&v)[4]) {
  const bool high = threadIdx.x & 2, odd = threadIdx.x & 1;
  const float even_row = (high ? v[2] : v[0]) + __shfl_xor_sync(kAllLanes, high ? v[0] : v[2], 2);
  const float odd_row = (high ? v[3] : v[1]) + __shfl_xor_sync(kAllLanes, high ? v[1] : v[3], 2);
  const float other = __shfl_xor_sync(kAllLanes, odd ? even_row : odd_row, 1);
  return (odd ? odd_row : even_row) + other;
}

__device__ inline float share_rows(const float (&v)[2]) {
  const bool odd = threadIdx.x & 1;
  const float row = (odd ? v[1] : v[0]) + __shfl_xor_sync(kAllLanes, odd ? v[0] : v[1], 1);
  return row + __shfl_xor_sync(kAllLanes, row, 2);
}

// The lane's own of its rows' values.
__device__ inline float own_of(const float (&v)[4]) {
  const float even = threadIdx.x & 2 ? v[2] : v[0], odd = threadIdx.x & 2 ? v[3] : v[1];
  return threadIdx.x & 1 ? odd : even;
}

__device__ inline float own_of(const float (&v)[2]) { return threadIdx.x & 1 ? v[1] : v[0]; }

// Sums of a lane's rows over a run of tiles.
template <int kTiles, bool kApart>
struct RowSums {
  static constexpr int kRows = 2 * kTiles;
  float top[kRows];
  float mass[kRows];
  float apart[kRows];
  float entropy[kRows];

  __device__ explicit RowSums(float least_top) {
#pragma unroll
    for (int k = 0; k < kRows; ++k) top[k] = least_top;
    start_run();
  }

  __device__ void start_run() {
#pragma unroll
    for (int k = 0; k < kRows; ++k) mass[k] = apart[k] = entropy[k] = 0.0f;
  }

  // Turns the logits of a strip into probabilities and adds them up; `beside(n)` is other work to
  // be done beside that of columns 8 n on.
  template <typename Beside>
  __device__ void add(float factor, Strip<kTiles>& p, const Beside& beside) {
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
      beside(n);
#pragma unroll
      for (int k = 0; k < kRows; ++k) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float& at = p[k / 2][n][k % 2 * 2 + e];
          const float x = fmaf(at, factor, -top[k]);
          at = exp2_fast(x);
          const float large = kApart && at >= 0.5f ? at : 0.0f;
          mass[k] += at - large;
          if (kApart) apart[k] += large;
          entropy[k] = fmaf(at, x, entropy[k]);
        }
      }
    }
  }

  // Raises the tops that a strip exceeds by more than `slack`; seldom needed after the first tiles.
  __device__ void rise(float factor, float slack, const Strip<kTiles>& product) {
    float highest[kRows];
    bool rises = false;
#pragma unroll
    for (int k = 0; k < kRows; ++k) {
      highest[k] = product[k / 2][0][k % 2 * 2];
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          highest[k] = fmaxf(highest[k], product[k / 2][n][k % 2 * 2 + e]);
        }
      }
      rises |= fmaf(highest[k], factor, -slack) > top[k];
    }
    if (!__any_sync(kAllLanes, rises)) return;
#pragma unroll
    for (int k = 0; k < kRows; ++k) {
      highest[k] = fmaxf(highest[k], __shfl_xor_sync(kAllLanes, highest[k], 1));
      highest[k] = fmaxf(highest[k], __shfl_xor_sync(kAllLanes, highest[k], 2));
      const float new_top = fmaxf(top[k], highest[k] * factor);
      const float step = fmaxf(top[k] - new_top, kVanishes), shrink = exp2_fast(step);
      if (kApart && step < 0.0f) {
        mass[k] += apart[k];
        apart[k] = 0.0f;
      }
      entropy[k] = shrink * fmaf(step, mass[k], entropy[k]);
      mass[k] *= shrink;
      top[k] = new_top;
    }
  }
};

// Sums of a lane's own row over all runs, kept in shared memory.
template <bool kApart>
struct RowTotal {
  float top, mass, apart, entropy;

  __device__ void add(float new_top, float added_mass, float added_apart, float added_entropy) {
    const float step = fmaxf(top - new_top, kVanishes), shrink = exp2_fast(step);
    if (kApart) {
      if (step < 0.0f) {
        mass += apart;
        apart = 0.0f;
      }
      apart += added_apart;
    }
    entropy = fmaf(shrink, fmaf(step, mass, entropy), added_entropy);
    mass = fmaf(shrink, mass, added_mass);
    top = new_top;
  }

  __device__ float whole() const { return kApart ? mass + apart : mass; }

  // The entropy with what rounding has taken from the whole, to first order of its logarithm.
  __device__ float whole_entropy() const {
    return kApart ? fmaf(-kLog2E, mass - (whole() - apart), entropy) : entropy;
  }
};

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_ROW_SUMS_CUH_
