// A row of given attention in memory.
#ifndef HEADSCORE_CUDA_STORED_ROW_CUH_
#define HEADSCORE_CUDA_STORED_ROW_CUH_

#include <type_traits>

#include "cuda/rows.cuh"
#include "cuda/vectors.cuh"

namespace headscore::cuda {

// Which lane takes which keys depends on the keys alone,
// and so do the bits of the sums; a row that does not start at a multiple of 16 bytes is read in
// pieces.
template <typename Number>
struct StoredRow {
  using Bits = std::conditional_t<sizeof(Number) == 4, uint32_t, uint16_t>;
  static constexpr int kNumbers = Vector<Number>::kNumbers;

  const Number* numbers;
  Interval keys;    // visible
  int stored;       // keys in memory
  bool is_aligned;  // to 16 bytes

  __device__ StoredRow(const Number* numbers, Interval keys, int stored)
      : numbers(numbers),
        keys(keys),
        stored(stored),
        is_aligned(reinterpret_cast<uintptr_t>(numbers) % 16 == 0) {}

  // Any vector: beyond the visible keys it may hold anything.
  __device__ Vector<Number> load(int key) const {
    if (key >= keys.end) return {};
    if (is_aligned && key + kNumbers <= stored) return Vector<Number>::streamed(numbers + key);
    constexpr int kPerWord = Vector<Number>::kPerWord;
    const Bits* bits = reinterpret_cast<const Bits*>(numbers) + key;
    Vector<Number> vector = {};
#pragma unroll
    for (int e = 0; e < kNumbers; ++e) {
      const unsigned one = key + e >= keys.begin && key + e < keys.end ? bits[e] : 0;
      vector.words[e / kPerWord] |= one << 16 * (e % kPerWord);
    }
    return vector;
  }

  // Whether a warp finds a number below 0; a sign alone may be that of a zero.
  __device__ bool has_negative() const {
    bool found = false;
    for (int key = keys.begin + threadIdx.x % kWarpLanes; key < keys.end; key += kWarpLanes) {
      found |= to_float(numbers[key]) < 0.0f;
    }
    return __any_sync(kAllLanes, found);
  }
};

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_STORED_ROW_CUH_
