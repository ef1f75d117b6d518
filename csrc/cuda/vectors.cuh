// Loads of 16 bytes.
#ifndef HEADSCORE_CUDA_VECTORS_CUH_
#define HEADSCORE_CUDA_VECTORS_CUH_

#include "cuda/hardware.cuh"

namespace headscore::cuda {

// As many numbers as lie in 16 bytes, as they lie there: what a load brings is waited for only when
// it is unpacked.
template <typename Number>
struct Vector {
  static constexpr int kNumbers = 16 / sizeof(Number), kPerWord = kNumbers / 4;
  unsigned words[4];

  // From an address that is a multiple of 16 bytes; `streamed`: what is read once.
  __device__ static Vector at(const Number* from) {
    return of(__ldg(reinterpret_cast<const uint4*>(from)));
  }
  __device__ static Vector streamed(const Number* from) {
    return of(__ldcs(reinterpret_cast<const uint4*>(from)));
  }

  __device__ void unpack(float (&values)[kNumbers]) const {
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      if constexpr (kPerWord == 1) {
        values[w] = __uint_as_float(words[w]);
      } else {
        values[2 * w] = to_float(Number{static_cast<uint16_t>(words[w] & 0xffffu)});
        values[2 * w + 1] = to_float(Number{static_cast<uint16_t>(words[w] >> 16)});
      }
    }
  }

  // Not 0 where a number has its sign set.
  static constexpr unsigned kSigns = kPerWord == 1 ? 0x80000000u : 0x80008000u;

  // Replaces the numbers outside [begin, end) by 0.
  __device__ void keep(int begin, int end) {
    constexpr unsigned kMask = kPerWord == 1 ? 0xffffffffu : 0xffffu;
#pragma unroll
    for (int e = 0; e < kNumbers; ++e) {
      const bool kept = begin <= e && e < end;
      words[e / kPerWord] &= kept ? 0xffffffffu : ~(kMask << 16 * (e % kPerWord));
    }
  }

 private:
  __device__ static Vector of(const uint4& raw) { return {{raw.x, raw.y, raw.z, raw.w}}; }
};

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_VECTORS_CUH_
