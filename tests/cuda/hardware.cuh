// csrc/cuda/hardware.cuh for a CPU: the same names, acted out with the layouts of the PTX manual.
#ifndef HEADSCORE_CUDA_HARDWARE_CUH_
#define HEADSCORE_CUDA_HARDWARE_CUH_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "cuda/emulation.h"

#define __device__
#define __global__
#define __host__
#define __grid_constant__
#define __launch_bounds__(...)

struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

using std::isfinite;
using std::max;
using std::min;

// The caller's place in the source: the last parameters of everything that waits.
#define HEADSCORE_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(HEADSCORE_SITE) { emulation::meet_block(false, {file, line}); }
inline void __syncwarp(HEADSCORE_SITE) {
  const char nothing = 0;
  char ignored;
  const auto act = [](emulation::Slots, emulation::Slots) {};
  emulation::meet_lanes(0xffffffffu, &nothing, 1, &ignored, 1, act, {file, line});
}
inline bool __syncthreads_or(int value, HEADSCORE_SITE) {
  return emulation::meet_block(value != 0, {file, line});
}

// Every lane of the mask gets the value of lane `source` modulo 32, one of them too.
template <typename Value>
Value __shfl_sync(unsigned mask, Value value, int source, HEADSCORE_SITE) {
  struct Offer {
    Value value;
    unsigned source;
  };
  const Offer own = {value, static_cast<unsigned>(source) % emulation::kLanes};
  Value other;
  const auto act = [&](emulation::Slots in, emulation::Slots out) {
    for (unsigned lane = 0; lane < emulation::kLanes; ++lane) {
      if (!(mask >> lane & 1u)) continue;
      const unsigned from = emulation::value_of<Offer>(in[lane]).source;
      if (!(mask >> from & 1u)) emulation::broken("a lane shuffles with one outside its mask");
      emulation::put(out[lane], emulation::value_of<Offer>(in[from]).value);
    }
  };
  emulation::meet_lanes(mask, &own, sizeof own, &other, sizeof other, act, {file, line});
  return other;
}
template <typename Value>
Value __shfl_xor_sync(unsigned mask, Value value, int distance, HEADSCORE_SITE) {
  const int lane = static_cast<int>(threadIdx.x % emulation::kLanes);
  return __shfl_sync(mask, value, lane ^ distance, file, line);
}

inline bool __any_sync(unsigned mask, bool value, HEADSCORE_SITE) {
  bool any;
  const auto act = [&](emulation::Slots in, emulation::Slots out) {
    bool found = false;
    for (unsigned lane = 0; lane < emulation::kLanes; ++lane) {
      found |= (mask >> lane & 1u) && emulation::value_of<bool>(in[lane]);
    }
    for (unsigned lane = 0; lane < emulation::kLanes; ++lane) emulation::put(out[lane], found);
  };
  emulation::meet_lanes(mask, &value, sizeof value, &any, sizeof any, act, {file, line});
  return any;
}

inline unsigned __ballot_sync(unsigned mask, bool value, HEADSCORE_SITE) {
  unsigned ballot;
  const auto act = [&](emulation::Slots in, emulation::Slots out) {
    unsigned found = 0;
    for (unsigned lane = 0; lane < emulation::kLanes; ++lane) {
      const bool votes = (mask >> lane & 1u) && emulation::value_of<bool>(in[lane]);
      found |= static_cast<unsigned>(votes) << lane;
    }
    for (unsigned lane = 0; lane < emulation::kLanes; ++lane) emulation::put(out[lane], found);
  };
  emulation::meet_lanes(mask, &value, sizeof value, &ballot, sizeof ballot, act, {file, line});
  return ballot;
}

// The hardware faults on a vector that is not aligned to its size.
template <typename Value>
Value __ldg(const Value* from) {
  if (reinterpret_cast<size_t>(from) % alignof(Value)) emulation::broken("a load is not aligned");
  return *from;
}
template <typename Value>
Value __ldcs(const Value* from) {
  return __ldg(from);
}
inline int opaque(int x) { return x; }
inline int __ffs(unsigned word) { return __builtin_ffs(static_cast<int>(word)); }
inline float __uint_as_float(unsigned bits) {
  return emulation::value_of<float>(reinterpret_cast<const unsigned char*>(&bits));
}
inline float __fdividef(float a, float b) { return a / b; }

namespace headscore::cuda {

struct Bfloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

inline float to_float(float x) { return x; }
inline float to_float(Bfloat16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }
inline float to_float(Float16 x) {
  const int exponent = x.bits >> 10 & 31, fraction = x.bits & 1023;
  const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                     : exponent == 0
                         ? std::ldexp(static_cast<float>(fraction), -24)
                         : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return x.bits & 0x8000 ? -size : size;
}

inline float exp2_fast(float x) { return x < -126.0f ? 0.0f : std::exp2(x); }
// To 2^-22 and no better, as the hardware about 1.
inline float log2_fast(float x) {
  const float y = std::log2(x);
  return std::fabs(y) < 1.0f ? std::nearbyint(y * 0x1p22f) * 0x1p-22f : y;
}

inline int64_t round_to_whole(double x) { return std::llrint(x); }
inline void add_whole(int64_t* sum, int64_t x) { *sum += x; }  // threads take turns

inline unsigned char* shared_memory() { return emulation::shared_memory(); }
inline void start_copy(void* to, const void* from, bool real) {
  emulation::start_copy(to, from, real);
}
inline void finish_copies(HEADSCORE_SITE) { emulation::finish_copies({file, line}); }

// Lane l hands in the address of row l % 8 of matrix l / 8; it gets of each matrix the numbers in
// row l / 4, columns 2 (l % 4) and the next.
inline void load_matrices(uint32_t (&matrix)[4], const void* row, HEADSCORE_SITE) {
  if (!emulation::is_shared(row, 16)) emulation::broken("a matrix lies beyond shared memory");
  if (reinterpret_cast<size_t>(row) % 16) emulation::broken("a matrix row is not aligned");
  const auto act = [](emulation::Slots in, emulation::Slots out) {
    for (unsigned lane = 0; lane < emulation::kLanes; ++lane) {
      for (unsigned m = 0; m < 4; ++m) {
        const auto* from = emulation::value_of<const unsigned char*>(in[8 * m + lane / 4]);
        std::memcpy(out[lane] + 4 * m, from + lane % 4 * 4, 4);
      }
    }
  };
  emulation::meet_lanes(0xffffffffu, &row, sizeof row, matrix, sizeof matrix, act, {file, line});
}

template <typename Half>
float half_of(uint32_t two, unsigned which) {
  return to_float(Half{static_cast<uint16_t>(two >> 16 * which)});
}

// The fragments of mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point
// type"): group = lane / 4, place = lane % 4;
//   a[i] half h: row group + 8 (i % 2), column 2 place + h + 8 (i / 2)
//   b[i] half h: row 2 place + h + 8 i, column group
//   c[i]:        row group + 8 (i / 2), column 2 place + i % 2
template <typename Half>
void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, HEADSCORE_SITE) {
  struct Operands {
    uint32_t a[4], b[2];
    float c[4];
  };
  const Operands own = {{a[0], a[1], a[2], a[3]}, {b0, b1}, {c[0], c[1], c[2], c[3]}};
  const auto act = [](emulation::Slots in, emulation::Slots out) {
    float left[16][16], right[8][16];
    for (unsigned lane = 0; lane < emulation::kLanes; ++lane) {
      const auto operands = emulation::value_of<Operands>(in[lane]);
      const unsigned group = lane / 4, place = lane % 4;
      for (unsigned h = 0; h < 2; ++h) {
        for (unsigned i = 0; i < 4; ++i) {
          left[group + 8 * (i % 2)][2 * place + h + 8 * (i / 2)] = half_of<Half>(operands.a[i], h);
        }
        for (unsigned i = 0; i < 2; ++i) {
          right[group][2 * place + h + 8 * i] = half_of<Half>(operands.b[i], h);
        }
      }
    }
    for (unsigned lane = 0; lane < emulation::kLanes; ++lane) {
      const auto operands = emulation::value_of<Operands>(in[lane]);
      float sums[4];
      for (unsigned i = 0; i < 4; ++i) {
        const float* row = left[lane / 4 + 8 * (i / 2)];
        const float* column = right[2 * (lane % 4) + i % 2];
        sums[i] = operands.c[i];
        for (unsigned k = 0; k < 16; ++k) sums[i] += row[k] * column[k];
      }
      std::memcpy(out[lane], sums, sizeof sums);
    }
  };
  emulation::meet_lanes(0xffffffffu, &own, sizeof own, c, sizeof c, act, {file, line});
}

#define __CUDA_ARCH_LIST__ 800
enum DeviceAttribute { cudaDevAttrComputeCapabilityMajor, cudaDevAttrComputeCapabilityMinor };
using cudaError_t = const char*;
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, nullptr; }
inline cudaError_t cudaDeviceGetAttribute(int* value, DeviceAttribute, int) {
  return *value = 8, nullptr;
}
inline std::string problem_with(const char*, cudaError_t) { return ""; }

constexpr int64_t kMostBlocks = 3;  // few, so that most grids are too large for one launch

template <typename... Parameters>
std::string launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, size_t shared_bytes,
                   uintptr_t, Parameters... arguments) {
  if (grid.y > kMostBlocks || grid.z > kMostBlocks) return "the grid is too large";
  return emulation::run(grid, threads, shared_bytes, [&] { kernel(arguments...); });
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_HARDWARE_CUH_
