// Sums of given attention over label roles, a row at a time by one warp.
//
// What a role holds of a tile of keys is looked at for 32 tiles at once, one by each lane: nothing,
// all of it, or some of its keys. Only in the last case has each key's label to be read.
#ifndef HEADSCORE_CUDA_ROW_LABELS_CUH_
#define HEADSCORE_CUDA_ROW_LABELS_CUH_

#include "cuda/rows.cuh"

namespace headscore::cuda {

constexpr int kSpanKeys = kWarpLanes * kTileKeys;  // of the tiles that the lanes look at at once

// The sieve of a row for a label role: keys first to last with the label `wanted`, kNoQuery: none.
struct RowSieve {
  int wanted, first, last;
  const int32_t* labels;  // of the keys

  RowSieve() = default;
  __device__ RowSieve(const Sieves& sieves, int n, int row)
      : wanted(sieves.query_label(n, row)),
        first(sieves.low(n) + row),
        last(sieves.high(n) + row),
        labels(sieves.key_labels(n)) {}
};

// What label roles hold of a tile of keys.
struct RowTileRoles {
  unsigned whole = 0;  // roles that every key belongs to
  unsigned parts = 0;  // roles that must look at each key
};

// The same of a span of tiles for one row: lane n knows tile n.
class SpanRoles {
 public:
  SpanRoles() = default;
  __device__ SpanRoles(const Sieves& sieves, const RowSieve* row_sieves, int span) {
    const int tile = span * kWarpLanes + threadIdx.x % kWarpLanes;
    if (tile >= sieves.problem.sieves.tiles) return;
    const int nearest = tile * kTileKeys, farthest = nearest + kTileKeys - 1;
    const DevicePlan& plan = sieves.problem.sieves;
    const int32_t* labels = plan.tile_label +
                            (sieves.sequence * plan.tiles + tile) * plan.plan.label_roles +
                            sieves.first;
#pragma unroll 1
    for (int n = 0; n < sieves.count; ++n) {
      const RowSieve sieve = row_sieves[n];
      const int label = __ldg(labels + n);
      const bool inside = sieve.first <= nearest && farthest <= sieve.last;
      const bool touches = sieve.first <= farthest && nearest <= sieve.last;
      const bool agrees = label == sieve.wanted;
      own_.whole |= agrees && inside ? 1u << n : 0;
      own_.parts |= touches && (label == kManyLabels || (agrees && !inside)) ? 1u << n : 0;
    }
  }

  // Of the tile of a key; all lanes ask together.
  __device__ RowTileRoles of(int key) const {
    const unsigned tile = static_cast<unsigned>(key) / kTileKeys;  // shuffles take it modulo 32
    return {__shfl_sync(kAllLanes, own_.whole, tile), __shfl_sync(kAllLanes, own_.parts, tile)};
  }

 private:
  RowTileRoles own_;
};

// Sums of a lane's entries by label role, in shared memory: one for each role and thread. Where
// tile after tile belongs to the same roles, their common sum stays in a register.
class RoleSums {
 public:
  __device__ RoleSums(const RowSieve* row_sieves, int count, float* room)
      : row_sieves_(row_sieves), room_(room) {
    for (int n = 0; n < count; ++n) room_[n * kThreads] = 0.0f;
  }

  // Takes a vector into account whose entries add up to `added`.
  template <int kNumbers>
  __device__ void add(const RowTileRoles& roles, int key, const float (&values)[kNumbers],
                      float added) {
    if ((roles.whole ^ common_) | roles.parts) {
      if (roles.whole != common_) put_common(roles.whole);
#pragma unroll 1
      for (unsigned parts = roles.parts; parts != 0; parts &= parts - 1) {
        const int n = __ffs(parts) - 1;
        room_[n * kThreads] += inside(row_sieves_[n], key, values);
      }
    }
    sum_ += added;
  }

  // The sum over all lanes of a role, when all vectors are in.
  __device__ void finish() { put_common(0); }
  __device__ float of(int n) const { return warp_sum(room_[n * kThreads]); }

 private:
  __device__ void put_common(unsigned next) {
#pragma unroll 1
    for (; common_ != 0; common_ &= common_ - 1) room_[(__ffs(common_) - 1) * kThreads] += sum_;
    common_ = next;
    sum_ = 0.0f;
  }

  template <int kNumbers>
  __device__ static float inside(const RowSieve& sieve, int key, const float (&values)[kNumbers]) {
    int labels[kNumbers];
#pragma unroll
    for (int e = 0; e < kNumbers; e += 4) {
      const int4 four = __ldg(reinterpret_cast<const int4*>(sieve.labels + key + e));
      labels[e] = four.x, labels[e + 1] = four.y, labels[e + 2] = four.z, labels[e + 3] = four.w;
    }
    const int first = sieve.first - key, last = sieve.last - key;
    float sum = 0.0f;
    if (first <= 0 && kNumbers - 1 <= last) {
#pragma unroll
      for (int e = 0; e < kNumbers; ++e) {
        if (labels[e] == sieve.wanted) sum += values[e];
      }
    } else {
#pragma unroll
      for (int e = 0; e < kNumbers; ++e) {
        const bool in_band = first <= e && e <= last;
        if (in_band && labels[e] == sieve.wanted) sum += values[e];
      }
    }
    return sum;
  }

  const RowSieve* row_sieves_;
  float* room_;
  unsigned common_ = 0;
  float sum_ = 0.0f;
};

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_ROW_LABELS_CUH_
