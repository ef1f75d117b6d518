// Sums of a row's probabilities over label roles, tile by tile of keys, while they are in
// registers.
//
// Most tiles touch few roles: a delimiter lies in few, a band in those about the diagonal. And
// where all keys of a tile carry the same label (the text of a block), the sum is all or nothing.
#ifndef HEADSCORE_CUDA_LABEL_SUMS_CUH_
#define HEADSCORE_CUDA_LABEL_SUMS_CUH_

#include "cuda/products.cuh"

namespace headscore::cuda {

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

// A row's sum in the scale 2^-top, as of the last tile that touched it.
struct Sum {
  float value;
  float top;
};

template <int kTiles>
class LabelSums {
 public:
  static constexpr int kRows = 2 * kTiles;  // rows of a lane
  static constexpr int kWarpRows = 16 * kTiles;

  // `room` holds a Sum for each role and row of the block.
  __device__ LabelSums(const Sieves& sieves, int first_row, float least_top, unsigned char* room)
      : sieves_(sieves),
        first_row_(first_row + static_cast<int>(threadIdx.x) / kWarpLanes * kWarpRows),
        own_row_(first_row_ + lane() / 4 + 8 * (lane() % kRows)),
        owner_(lane() % 4 < kRows),
        sums_(reinterpret_cast<Sum*>(room) + own_row_ - first_row) {
    if (owner_) {
      for (int n = 0; n < sieves_.count; ++n) sums_[n * kStride] = {0.0f, least_top};
    }
  }

  __device__ static size_t room_bytes(int roles) { return sizeof(Sum) * kStride * roles; }

  __device__ int first_row() const { return first_row_; }
  __device__ int own_row() const { return own_row_; }
  __device__ bool owns_real_row() const { return owner_ && own_row_ < sieves_.length; }

  // Takes the probabilities of a tile into account: `p` in the scale 2^-top of each row, `mass`
  // this lane's part of their sums.
  __device__ void add(int tile, const Tile<kTiles>& p, const float (&mass)[kRows], float own_top) {
    unsigned roles = sieves_.roles_in(tile);
    if (roles == 0) return;
    const float own_mass = share_rows(mass);
    const int first_key = tile * kTileKeys;
    const int nearest = first_key - (first_row_ + kWarpRows - 1);
    const int farthest = first_key + kTileKeys - 1 - first_row_;
    for (; roles != 0; roles &= roles - 1) {
      const int n = __ffs(roles) - 1;
      const int low = sieves_.low(n), high = sieves_.high(n);
      if (farthest < low || nearest > high) continue;
      const int label = sieves_.tile_label(tile, n);
      const bool all = label >= 0 && low <= nearest && farthest <= high;
      put(n, all ? (query_label(n, own_row_) == label ? own_mass : 0.0f)
                 : share_rows_of(n, first_key, p), own_top);
    }
  }

  // The part of the row's mass inside role n's sieves, in the scale 2^-top.
  __device__ float inside(int n, float top) const {
    const Sum sum = sums_[n * kStride];
    return sum.value * exp2_fast(sum.top - top);
  }

 private:
  static constexpr int kStride = kWarpRows * kWarps;

  __device__ static int lane() { return threadIdx.x % kWarpLanes; }

  // The label that row looks for, kManyLabels where there is none: no key has that.
  __device__ int query_label(int n, int row) const {
    const int label = row < sieves_.length ? __ldg(sieves_.query_labels(n) + row) : -1;
    return label >= 0 ? label : kManyLabels;
  }

  __device__ float share_rows_of(int n, int first_key, const Tile<kTiles>& p) const {
    const int32_t* labels = sieves_.key_labels(n);
    const int low = sieves_.low(n);
    const unsigned width = static_cast<unsigned>(sieves_.high(n)) - static_cast<unsigned>(low);
    const int first_column = first_key + lane() % 4 * 2, row = first_row_ + lane() / 4;
    int wanted[kRows];
    float inside[kRows];
#pragma unroll
    for (int k = 0; k < kRows; ++k) {
      wanted[k] = query_label(n, row + 8 * k);
      inside[k] = 0.0f;
    }
#pragma unroll
    for (int column = 0; column < kColumns; ++column) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int key = first_column + 8 * column + e;
        const int label = key < sieves_.length ? __ldg(labels + key) : kNoLabel;
#pragma unroll
        for (int k = 0; k < kRows; ++k) {
          const unsigned distance = static_cast<unsigned>(key - (row + 8 * k) - low);
          const bool takes = label == wanted[k] && distance <= width;
          inside[k] += takes ? p[k / 2][column][k % 2 * 2 + e] : 0.0f;
        }
      }
    }
    return share_rows(inside);
  }

  __device__ void put(int n, float inside, float top) {
    if (!owner_) return;
    Sum& sum = sums_[n * kStride];
    sum = {sum.value * exp2_fast(sum.top - top) + inside, top};
  }

  const Sieves& sieves_;
  int first_row_;
  int own_row_;
  bool owner_;
  Sum* sums_;
};

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_LABEL_SUMS_CUH_
