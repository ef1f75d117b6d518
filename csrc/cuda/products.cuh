// Logits of a strip: queries of a block against kStripKeys keys, left in registers.
//
// A warp owns 16 kTiles consecutive rows. Of these, lane l holds rows l / 4 + 8 k and of each row
// the columns 8 n + 2 (l % 4) and the next: the layout in which mma leaves its result.
//
//   logit[k / 2][n][2 (k % 2) + e]  is row  l / 4 + 8 k,  key  8 n + 2 (l % 4) + e  of the strip
//
// Keys are copied into one half of the room while the other half is computed with.
#ifndef HEADSCORE_CUDA_PRODUCTS_CUH_
#define HEADSCORE_CUDA_PRODUCTS_CUH_

#include "cuda/rows.cuh"

namespace headscore::cuda {

constexpr int kStripKeys = 32;  // of the keys of a tile; more would not fit into registers
constexpr int kColumns = kStripKeys / 8;

template <int kTiles>
using Strip = float[kTiles][kColumns][4];

// One head of a tensor.
template <typename Number>
struct Head {
  const Number* data;
  int64_t row_stride;
  int rows;
  int size;

  __device__ Head(const Tensor4& tensor, int sequence, int head, int rows, int64_t size)
      : data(static_cast<const Number*>(tensor.data) + sequence * tensor.batch_stride +
             head * tensor.head_stride),
        row_stride(tensor.row_stride),
        rows(rows),
        size(static_cast<int>(size)) {}
};

// Copies kWidth columns of a head into shared memory, some rows after the other; what lies beyond
// the head reads as zeros. kAcross threads stand side by side on a row, each with one pointer that
// moves down the rows:
//
//   thread        0       1     ..  kAcross - 1  | kAcross     ..
//   copies row    0       0         0            | 1                 then kDown rows further down
//          vector 0       1         kAcross - 1  | 0                 and kAcross further right
template <typename Number, int kWidth, int kStride>
class RowCopies {
 public:
  __device__ RowCopies(const Head<Number>& head, int first_row, int first_column)
      : row_stride_(head.row_stride) {
    const int row = threadIdx.x / kAcross, column = threadIdx.x % kAcross * kVector;
    from_ = head.data + (first_row + row) * row_stride_ + first_column + column;
    to_ = row * kStride + column;
#pragma unroll
    for (int c = 0; c < kRepeats; ++c) {
      const bool real = first_column + column + c * kAcross * kVector < head.size;
      left_[c] = real ? head.rows - first_row - row : 0;
    }
  }

  // Asks for the next kRows rows.
  template <int kRows>
  __device__ void start(Number* to) {
    static_assert(kRows % kDown == 0, "every thread copies as much");
#pragma unroll
    for (int n = 0; n < kRows; n += kDown) {
#pragma unroll
      for (int c = 0; c < kRepeats; ++c) {
        start_copy(to + to_ + n * kStride + c * kAcross * kVector, from_ + c * kAcross * kVector,
                   n < left_[c]);
      }
      from_ += kDown * row_stride_;
    }
#pragma unroll
    for (int& left : left_) left -= kRows;
  }

 private:
  static constexpr int kVector = 16 / sizeof(Number);
  static constexpr int kVectors = kWidth / kVector;
  static constexpr int kAcross = kVectors & -kVectors;  // the power of 2 in it
  static constexpr int kDown = kThreads / kAcross;
  static constexpr int kRepeats = kVectors / kAcross;

  const Number* from_;
  int64_t row_stride_;
  int to_;
  int left_[kRepeats];  // rows from the thread's next on; 0: its columns lie beyond the head
};

// Half precision on tensor cores. The queries stay in registers; the way there leads through the
// room that later holds the keys. Rows are 16 bytes longer than they need be: an odd number of
// 16-byte units, so that eight rows of a matrix lie in different banks.
template <typename Half, int kHeadSize>
class HalfProducts {
 public:
  static constexpr bool kAhead = kHeadSize >= 96;
  // How far logits may exceed the top of their row, in base 2. The top is a logit of the row: its
  // own p is 2^-8 of the largest or more, so that the entropy is no small difference of sums.
  static constexpr float kSlack = 8.0f;
  static constexpr int kTiles = kHeadSize <= 128 ? 2 : 1;
  static constexpr int kRows = 16 * kTiles * kWarps;
  static constexpr int kStride = kHeadSize + 8;
  static constexpr int kSteps = kHeadSize / 16;
  static constexpr size_t kRoomBytes = 2 * kTileKeys * kStride * sizeof(Half);
  static_assert(kRows <= 2 * kTileKeys, "the queries fit where the keys will be");

  __device__ HalfProducts(const QkProblem& problem, const Head<Half>& query, const Head<Half>& key,
                          int first_row, int first_key, unsigned char* room)
      : keys_(key, first_key, 0), room_(reinterpret_cast<Half*>(room)) {
    RowCopies<Half, kHeadSize, kStride>(query, first_row, 0).template start<kRows>(room_);
    finish_copies();
    __syncthreads();
    const int lane = threadIdx.x % kWarpLanes, warp = threadIdx.x / kWarpLanes;
    const Half* own = room_ + (warp * 16 * kTiles + lane % 16) * kStride + lane / 16 * 8;
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        load_matrices(query_[m][step], own + m * 16 * kStride + step * 16);
        for (uint32_t& two : query_[m][step]) two = with_sign(two, problem.scale);
      }
    }
    own_key_ = opaque((lane / 16 * 8 + lane % 8) * kStride + lane / 8 % 2 * 8);
    __syncthreads();
    keys_.template start<kTileKeys>(keys(first_key / kTileKeys));
  }

  // All warps come here with every tile, in order. `more`: ask for the next one.
  __device__ void turn_to(int tile, bool more) {
    finish_copies();
    __syncthreads();  // the tile is there, and nobody is reading the one before
    if (more) keys_.template start<kTileKeys>(keys(tile + 1));
  }

  __device__ void multiply(int tile, int strip, bool /*more*/, bool wanted, Strip<kTiles>& logit) {
    if (wanted) multiply(tile, strip, logit);
  }

  __device__ void multiply(int tile, int strip, Strip<kTiles>& logit) {
#pragma unroll
    for (int n = 0; n < kColumns; n += 2) multiply_columns(tile, strip, n, logit);
  }

  // Of a strip the columns 8 n to 8 n + 15.
  __device__ void multiply_columns(int tile, int strip, int n, Strip<kTiles>& logit) {
    const Half* own = keys(tile) + own_key_ + (strip * kStripKeys + 8 * n) * kStride;
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
#pragma unroll
      for (int e = 0; e < 4; ++e) logit[m][n][e] = logit[m][n + 1][e] = 0.0f;
    }
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      uint32_t key[4];  // 16 columns of 8 keys, then of the next 8
      load_matrices(key, own + step * 16);
#pragma unroll
      for (int m = 0; m < kTiles; ++m) {
        multiply_add<Half>(logit[m][n], query_[m][step], key[0], key[1]);
        multiply_add<Half>(logit[m][n + 1], query_[m][step], key[2], key[3]);
      }
    }
  }

 private:
  // Makes the factor of the logits positive; a scale of 0 makes them 0.
  __device__ static uint32_t with_sign(uint32_t two, float scale) {
    return scale == 0.0f ? 0u : scale < 0.0f ? two ^ 0x80008000u : two;
  }

  __device__ Half* keys(int tile) { return room_ + tile % 2 * kTileKeys * kStride; }

  RowCopies<Half, kHeadSize, kStride> keys_;
  Half* room_;
  int own_key_;  // where the lane's matrix row is in a strip; computed once
  uint32_t query_[kTiles][kSteps][4];
};

// float32 without rounding of the inputs, for heads of any size: the queries, and the keys of one
// strip, come in slices of kWidth columns.
class FloatProducts {
 public:
  static constexpr bool kAhead = false;
  static constexpr float kSlack = 0.0f;
  static constexpr int kTiles = 2;
  static constexpr int kRows = 16 * kTiles * kWarps;
  static constexpr int kWidth = 32;
  static constexpr int kStride = kWidth + 4;  // an odd number of 16-byte units, as above
  static constexpr int kSlice = (kRows + kStripKeys) * kStride;
  static constexpr size_t kRoomBytes = 2 * kSlice * sizeof(float);

  __device__ FloatProducts(const QkProblem& problem, const Head<float>& query,
                           const Head<float>& key, int first_row, int first_key,
                           unsigned char* room)
      : query_(query),
        key_(key),
        room_(reinterpret_cast<float*>(room)),
        sign_(problem.scale == 0.0f  ? 0.0f
              : problem.scale < 0.0f ? -1.0f
                                     : 1.0f),
        first_row_(first_row),
        slices_((query.size + kWidth - 1) / kWidth) {
    start_slice(first_key, 0);
  }

  __device__ void turn_to(int /*tile*/, bool /*more*/) {}

  // All warps come here with every strip, in order. `wanted`: compute it; `more`: there is a tile
  // after this one.
  __device__ void multiply(int tile, int strip, bool more, bool wanted, Strip<kTiles>& logit) {
    const int key = tile * kTileKeys + strip * kStripKeys;
    more |= strip * kStripKeys + kStripKeys < kTileKeys;
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) logit[m][n][e] = 0.0f;
      }
    }
    for (int slice = 0; slice < slices_; ++slice) {
      finish_copies();
      __syncthreads();  // the slice is there, and nobody is reading the one before
      const float* here = room_ + turn_ * kSlice;
      turn_ ^= 1;
      if (slice + 1 < slices_) {
        start_slice(key, slice + 1);
      } else if (more) {
        start_slice(key + kStripKeys, 0);
      }
      if (wanted) multiply(here, logit);
    }
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) logit[m][n][e] *= sign_;
      }
    }
  }

 private:
  __device__ void start_slice(int key, int slice) {
    float* to = room_ + turn_ * kSlice;
    using Copies = RowCopies<float, kWidth, kStride>;
    Copies(query_, first_row_, slice * kWidth).start<kRows>(to);
    Copies(key_, key, slice * kWidth).start<kStripKeys>(to + kRows * kStride);
  }

  __device__ void multiply(const float* slice, Strip<kTiles>& logit) {
    const int lane = threadIdx.x % kWarpLanes, warp = threadIdx.x / kWarpLanes;
    const float* queries = slice + (warp * 16 * kTiles + lane / 4) * kStride;
    const float* keys = slice + (kRows + lane % 4 * 2) * kStride;
#pragma unroll 1
    for (int c = 0; c < kWidth; c += 4) {
      float4 q[2 * kTiles];
#pragma unroll
      for (int k = 0; k < 2 * kTiles; ++k) {
        q[k] = *reinterpret_cast<const float4*>(queries + k * 8 * kStride + c);
      }
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const float4 key = *reinterpret_cast<const float4*>(keys + (8 * n + e) * kStride + c);
#pragma unroll
          for (int k = 0; k < 2 * kTiles; ++k) {
            float& at = logit[k / 2][n][k % 2 * 2 + e];
            at = fmaf(q[k].x, key.x, at);
            at = fmaf(q[k].y, key.y, at);
            at = fmaf(q[k].z, key.z, at);
            at = fmaf(q[k].w, key.w, at);
          }
        }
      }
    }
  }

  const Head<float>& query_;
  const Head<float>& key_;
  float* room_;
  float sign_;
  int first_row_;
  int slices_;
  int turn_ = 0;
};

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_PRODUCTS_CUH_
