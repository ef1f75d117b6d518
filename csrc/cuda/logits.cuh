// What happens to the products of a strip before the exponentials: cap, bias, hidden keys.
#ifndef HEADSCORE_CUDA_LOGITS_CUH_
#define HEADSCORE_CUDA_LOGITS_CUH_

#include "cuda/products.cuh"

namespace headscore::cuda {

constexpr float kLowest = -3e38f;  // logit of a visible key that has a bias, or more

// tanh with a relative error below 2e-7, also near 0 (Cephes' tanhf: polynomial below 0.625).
__device__ inline float tanh_of(float x) {
  const float z = x * x;
  float p = fmaf(-5.70498872745e-3f, z, 2.06390887954e-2f);
  p = fmaf(p, z, -5.37397155531e-2f);
  p = fmaf(p, z, 1.33314422036e-1f);
  p = fmaf(p, z, -3.33332819422e-1f);
  const float near = fmaf(x * z, p, x);
  const float e = exp2_fast(fabsf(x) * (-2.0f * kLog2E));
  const float far = copysignf(1.0f - __fdividef(2.0f * e, 1.0f + e), x);
  return fabsf(x) < 0.625f ? near : far;
}

// How products become logits in base 2: capped and biased where the problem has it, then times
// `factor`. A bias of the lowest float may cover a whole row: then there is room for its logits
// between those of hidden keys and the top, and as their factor is 1 they meet the top exactly.
struct LogitScale {
  float factor;     // > 0
  float hidden;     // product of a hidden key
  float least_top;  // before any key; hidden keys lie far below it: 2^x is 0
  float into_cap;
  float from_cap;

  // Made on the host, it is a parameter of the kernel and takes no registers.
  __host__ __device__ explicit LogitScale(const QkProblem& problem) {
    const float scale = problem.scale == 0.0f ? 1.0f : fabsf(problem.scale);
    const bool biased = problem.bias.data != nullptr;
    const bool caps = problem.softcap > 0.0f;
    into_cap = caps ? fminf(scale / problem.softcap, 3e38f) : 0.0f;
    // logits capped at less differ by nothing, but hidden ones must still differ from them
    from_cap = (caps ? fmaxf(problem.softcap, 1e-8f) : scale) * kLog2E;
    factor = biased ? 1.0f : from_cap;
    hidden = biased ? -3.3e38f : fmaxf(-1e30f / factor, -3e38f);
    least_top = biased ? -3.2e38f : -1e28f;
  }

  __device__ float capped(float product) const {
    return into_cap > 0.0f ? tanh_of(product * into_cap) : product;
  }

  // A bias of -inf leaves the key visible, without attention.
  __device__ float biased(float product, float bias) const {
    const float logit = fmaf(product, from_cap, bias * kLog2E);
    const float least = bias < -__FLT_MAX__ ? hidden : kLowest;
    return logit < least ? least : logit;  // NaN stays
  }
};

// Which keys the rows of a warp see: the strips where any is, and whether all are seen by all.
struct WarpView {
  Interval first, last;  // of the first and the last row

  __device__ bool sees(int key) const { return first.begin < key + kStripKeys && key < last.end; }
  __device__ bool sees_all(int key) const {
    return last.begin <= key && key + kStripKeys <= first.end;
  }
};

template <int kTiles>
__device__ void hide(const Visibility& visibility, int first_row, int count, int first_key,
                     float hidden, Strip<kTiles>& product) {
  const int lane = threadIdx.x % kWarpLanes;
#pragma unroll
  for (int k = 0; k < 2 * kTiles; ++k) {
    const Interval keys = visible_keys(visibility, first_row + lane / 4 + 8 * k, count);
    const int begin = keys.begin - first_key - lane % 4 * 2;
    const unsigned seen = max(0, keys.end - keys.begin);
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        if (static_cast<unsigned>(8 * n + e - begin) >= seen) {
          product[k / 2][n][k % 2 * 2 + e] = hidden;
        }
      }
    }
  }
}

template <typename Number>
__device__ inline const Number* row_of(const Tensor4& tensor, int sequence, int head, int row) {
  return static_cast<const Number*>(tensor.data) + sequence * tensor.batch_stride +
         head * tensor.head_stride + row * tensor.row_stride;
}

template <int kTiles, typename Number>
__device__ void add_bias(const Sieves& sieves, const Tensor4& bias, const LogitScale& scale,
                         int first_row, int first_key, Strip<kTiles>& product) {
  const int lane = threadIdx.x % kWarpLanes;
  const int first = first_key + lane % 4 * 2;
#pragma unroll
  for (int k = 0; k < 2 * kTiles; ++k) {
    const int row = opaque(first_row + lane / 4 + 8 * k);
    const Number* of_row = row_of<Number>(bias, sieves.sequence, sieves.head, row);
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int key = first + 8 * n + e;
        if (row >= sieves.length || key >= sieves.keys) continue;
        float& at = product[k / 2][n][k % 2 * 2 + e];
        at = scale.biased(at, to_float(of_row[key]));
      }
    }
  }
}

template <int kTiles>
__device__ void add_bias(const Sieves& sieves, const Tensor4& bias, const LogitScale& scale,
                         int first_row, int first_key, Strip<kTiles>& product) {
  switch (bias.dtype) {
    case Dtype::kBfloat16:
      return add_bias<kTiles, Bfloat16>(sieves, bias, scale, first_row, first_key, product);
    case Dtype::kFloat16:
      return add_bias<kTiles, Float16>(sieves, bias, scale, first_row, first_key, product);
    default:
      return add_bias<kTiles, float>(sieves, bias, scale, first_row, first_key, product);
  }
}

template <int kTiles>
__device__ void cap(const LogitScale& scale, Strip<kTiles>& product) {
#pragma unroll
  for (int m = 0; m < kTiles; ++m) {
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) product[m][n][e] = scale.capped(product[m][n][e]);
    }
  }
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_LOGITS_CUH_
