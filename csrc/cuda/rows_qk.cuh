// Rows of attention from queries and keys: one pass over the keys, one exponential per entry.
//
// Logits stand in base 2. A row keeps its largest logit so far, its mass (sum of p = 2^(logit -
// top)) and sum of p * log2 p; when the top rises, what was summed shrinks by 2^(old - new).
#ifndef HEADSCORE_CUDA_ROWS_QK_CUH_
#define HEADSCORE_CUDA_ROWS_QK_CUH_

#include "cuda/label_sums.cuh"

namespace headscore::cuda {

constexpr float kLowest = -3e38f;   // logit of a visible key that has a bias, or more
constexpr float kVanishes = -1e4f;  // a step of the top after which nothing is left

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

  __device__ explicit LogitScale(const QkProblem& problem) {
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

template <typename Number>
__device__ inline const Number* row_of(const Tensor4& tensor, int sequence, int head, int row) {
  return static_cast<const Number*>(tensor.data) + sequence * tensor.batch_stride +
         head * tensor.head_stride + row * tensor.row_stride;
}

// Sums of a lane's rows over a run of tiles.
template <int kTiles>
struct RowSums {
  static constexpr int kRows = 2 * kTiles;
  float top[kRows];
  float mass[kRows];
  float entropy[kRows];

  __device__ explicit RowSums(float least_top) {
#pragma unroll
    for (int k = 0; k < kRows; ++k) top[k] = least_top;
    start_run();
  }

  __device__ void start_run() {
#pragma unroll
    for (int k = 0; k < kRows; ++k) mass[k] = entropy[k] = 0.0f;
  }

  // Turns the logits of a strip into probabilities and adds them up.
  __device__ void add(const LogitScale& scale, Strip<kTiles>& p) {
#pragma unroll
    for (int k = 0; k < kRows; ++k) {
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float& at = p[k / 2][n][k % 2 * 2 + e];
          const float x = fmaf(at, scale.factor, -top[k]);
          at = exp2_fast(x);
          mass[k] += at;
          entropy[k] = fmaf(at, x, entropy[k]);
        }
      }
    }
  }

  // Raises the tops that a strip exceeds by more than `slack`; seldom needed after the first tiles.
  __device__ void rise(const LogitScale& scale, float slack, const Strip<kTiles>& product) {
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
      rises |= fmaf(highest[k], scale.factor, -top[k]) > slack;
    }
    if (!__any_sync(kAllLanes, rises)) return;
#pragma unroll
    for (int k = 0; k < kRows; ++k) {
      highest[k] = fmaxf(highest[k], __shfl_xor_sync(kAllLanes, highest[k], 1));
      highest[k] = fmaxf(highest[k], __shfl_xor_sync(kAllLanes, highest[k], 2));
      const float new_top = fmaxf(top[k], highest[k] * scale.factor);
      const float step = fmaxf(top[k] - new_top, kVanishes), shrink = exp2_fast(step);
      entropy[k] = shrink * fmaf(step, mass[k], entropy[k]);
      mass[k] *= shrink;
      top[k] = new_top;
    }
  }
};

// Sums of a lane's own row over all runs, kept in shared memory.
struct RowTotal {
  float top, mass, entropy;

  __device__ void add(float new_top, float added_mass, float added_entropy) {
    const float step = fmaxf(top - new_top, kVanishes), shrink = exp2_fast(step);
    entropy = fmaf(shrink, fmaf(step, mass, entropy), added_entropy);
    mass = fmaf(shrink, mass, added_mass);
    top = new_top;
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

// Finished rows -> their parts of the scores, added up over the block in a fixed order.
template <int kTiles>
__device__ void finish_rows(const Sieves& sieves, const RowTotal& total,
                            const LabelSums<kTiles>& labels, int block, float* warp_sums) {
  const int lane = threadIdx.x % kWarpLanes, warp = threadIdx.x / kWarpLanes;
  const auto [top, mass, sum_log2] = total;
  const int row = labels.own_row();
  const bool real = labels.owns_real_row();
  const float log2_mass = log2f(mass), per_mass = 1.0f / mass;
  const Interval keys = visible_keys(sieves.problem.visibility, row, sieves.keys);
  const float entropy = entropy_of(keys, log2_mass, sum_log2 * per_mass);
  if (real) sieves.put_row(row, top, mass, entropy);
  for (int n = 0; n < sieves.count; ++n) {
    float value = 0.0f;
    if (real) {
      value = sieves.row_value(n, row, labels.inside(n, top) * per_mass, entropy);
      sieves.put_token_value(n, row, value);
    }
    value = warp_sum(value);
    if (lane == 0) warp_sums[n * kWarps + warp] = value;
  }
  const bool fault = real && !(isfinite(mass) && mass > 0.0f && isfinite(sum_log2));
  const bool any = __syncthreads_or(fault);
  if (threadIdx.x == 0) sieves.put_block_fault(block, any ? kNotFinite : 0);
  if (static_cast<int>(threadIdx.x) < sieves.count) {
    const float* sums = warp_sums + threadIdx.x * kWarps;
    sieves.put_block_sum(block, threadIdx.x, (sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
}

// Shared memory: the products' room, the rows' totals, the label roles' sums, their sums over
// warps.
template <typename Products>
size_t rows_qk_bytes(int roles) {
  return Products::kRoomBytes + kThreads * sizeof(RowTotal) +
         roles * (Products::kRows * sizeof(Sum) + kWarps * sizeof(float));
}

// Block (x, y, z): rows x kRows and on, of head y of sequence z; label roles `first_role` and on.
template <typename Number, typename Products, int kBlocksPerProcessor>
__global__ void __launch_bounds__(kThreads, kBlocksPerProcessor)
    rows_qk(const __grid_constant__ QkProblem problem, int first_role) {
  constexpr int kTiles = Products::kTiles;
  const Problem& common = problem.common;
  // Causal rows cost the more the later they are: those blocks start first.
  const int block = common.visibility.causal ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
  const int head = blockIdx.y, sequence = blockIdx.z;
  const int first_row = block * Products::kRows;
  const Sieves sieves(common, sequence, head, first_role);
  const int length = sieves.length, keys = sieves.keys;
  if (first_row >= length) return;

  unsigned char* room = shared_memory();
  RowTotal& total = reinterpret_cast<RowTotal*>(room + Products::kRoomBytes)[threadIdx.x];
  unsigned char* sums = room + Products::kRoomBytes + kThreads * sizeof(RowTotal);
  const int last_row = min(first_row + Products::kRows, length) - 1;
  const int first_tile = visible_keys(common.visibility, first_row, keys).begin / kTileKeys;
  const int last_tile = (visible_keys(common.visibility, last_row, keys).end - 1) / kTileKeys;

  const int key_head = head / static_cast<int>(common.heads / problem.kv_heads);
  const Head<Number> query(problem.query, sequence, head, length, problem.head_size);
  const Head<Number> key(problem.key, sequence, key_head, keys, problem.head_size);
  Products products(problem, query, key, first_row, first_tile * kTileKeys, room);
  const LogitScale scale(problem);
  LabelSums<kTiles> labels(sieves, first_row, scale.least_top, sums);
  RowSums<kTiles> rows(scale.least_top);
  total = {scale.least_top, 0.0f, 0.0f};
  const auto end_run = [&](int tile) {
    const float mass = share_rows(rows.mass), top = own_of(rows.top);
    total.add(top, mass, share_rows(rows.entropy));
    labels.add_run(tile, mass, top);
    rows.start_run();
  };

  const int warp_last = min(labels.first_row() + LabelSums<kTiles>::kWarpRows, length) - 1;
  const WarpView view = {visible_keys(common.visibility, labels.first_row(), keys),
                         visible_keys(common.visibility, warp_last, keys)};
  const bool works = labels.first_row() < length;

  for (int tile = first_tile; tile <= last_tile; ++tile) {
    const TileRoles here = sieves.tile_roles(tile);
    products.turn_to(tile, tile < last_tile);
    if (works) labels.turn_to(tile, here, end_run);
#pragma unroll 1
    for (int strip = 0; strip < kTileKeys / kStripKeys; ++strip) {
      const int first_key = tile * kTileKeys + strip * kStripKeys;
      const bool wanted = works && view.sees(first_key);
      Strip<kTiles> p;
      products.logits(tile, strip, tile < last_tile, wanted, p);
      if (!wanted) continue;
      if (scale.into_cap > 0.0f) cap<kTiles>(scale, p);
      if (problem.bias.data != nullptr) {
        add_bias<kTiles>(sieves, problem.bias, scale, labels.first_row(), first_key, p);
      }
      if (!view.sees_all(first_key)) {
        hide<kTiles>(common.visibility, labels.first_row(), keys, first_key, scale.hidden, p);
      }
      rows.rise(scale, Products::kSlack, p);
      rows.add(scale, p);
      if (labels.has_parts()) labels.add_strip(first_key, p, rows.top);
    }
  }
  if (works) end_run(last_tile);
  float* warp_sums = reinterpret_cast<float*>(sums + sieves.count * Products::kRows * sizeof(Sum));
  finish_rows<kTiles>(sieves, total, labels, block, warp_sums);
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_ROWS_QK_CUH_
