// Vectors of one instruction set, and what is done to their lanes: sums, powers, logarithms.
#ifndef HEADSCORE_CPU_VECTORS_INL_
#define HEADSCORE_CPU_VECTORS_INL_

#include "rows.h"

namespace headscore {
namespace {

constexpr int kLanes = HEADSCORE_LANES;
constexpr float kLog2E = 1.44269504088896340736f;

typedef float Vec __attribute__((vector_size(sizeof(float) * kLanes), aligned(4), may_alias));
typedef int32_t IntVec __attribute__((vector_size(sizeof(float) * kLanes), aligned(4), may_alias));

#define HEADSCORE_ALWAYS_INLINE inline __attribute__((always_inline))
#define HEADSCORE_INLINE static HEADSCORE_ALWAYS_INLINE

HEADSCORE_INLINE Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
HEADSCORE_INLINE IntVec load(const int32_t* from) { return *reinterpret_cast<const IntVec*>(from); }
HEADSCORE_INLINE void store(float* to, Vec v) { *reinterpret_cast<Vec*>(to) = v; }
HEADSCORE_INLINE Vec splat(float x) { return x - Vec{}; }
HEADSCORE_INLINE IntVec bits(Vec v) { return reinterpret_cast<IntVec&>(v); }
HEADSCORE_INLINE Vec floats(IntVec v) { return reinterpret_cast<Vec&>(v); }
HEADSCORE_INLINE Vec keep(IntVec mask, Vec v) { return floats(mask & bits(v)); }
HEADSCORE_INLINE Vec choose(IntVec mask, Vec yes, Vec no) {
  return floats((mask & bits(yes)) | (~mask & bits(no)));
}

HEADSCORE_INLINE Vec larger_of(Vec a, Vec b) { return a > b ? a : b; }  // b where one is NaN

// Halves are folded onto one another: a fixed order, part of the promise of identical bits.
HEADSCORE_INLINE float sum(Vec v) {
  float lanes[kLanes];
  store(lanes, v);
#pragma GCC unroll 4
  for (int half = kLanes / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

HEADSCORE_INLINE float largest(Vec v) {
  float lanes[kLanes];
  store(lanes, v);
#pragma GCC unroll 4
  for (int half = kLanes / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int lane = 0; lane < half; ++lane) {
      lanes[lane] = lanes[lane] > lanes[lane + half] ? lanes[lane] : lanes[lane + half];
    }
  }
  return lanes[0];
}

HEADSCORE_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
HEADSCORE_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Powers of two below this are 0.
HEADSCORE_INLINE Vec at_least_exponent(Vec x) { return larger_of(splat(-127.0f), x); }  // NaN stays

// 2^x for -127 <= x <= 0: n = round(x), then a minimax polynomial of degree 6 on [-1/2, 1/2] (error
// 2e-9); exactly 1 for x = 0, so that a row with one visible key has entropy 0.
HEADSCORE_INLINE Vec exp2_nonpositive(Vec x) {
  const Vec magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = x + magic;
  const Vec f = x - (shifted - magic);
  Vec p = splat(1.5461444698569137e-4f);
  p = p * f + splat(1.3400428177615838e-3f);
  p = p * f + splat(9.618056678524637e-3f);
  p = p * f + splat(5.550327226670302e-2f);
  p = p * f + splat(2.4022650922288757e-1f);
  p = p * f + splat(6.931472067028326e-1f);
  p = p * f + splat(1.0f);
  const IntVec n = bits(shifted) - bits(magic);
  return p * floats((n + 127) << 23);  // n = -127: times 0
}

// log2(x) for finite x > 0: x = 2^n (1 + t) with 1 + t in [sqrt(1/2), sqrt(2)), then t times a
// minimax polynomial of degree 8 (error 6e-8).
HEADSCORE_INLINE Vec log2_positive(Vec x) {
  const IntVec offset = bits(x) - 0x3f3504f3;
  const IntVec n = offset >> 23;
  const Vec t = floats(bits(x) - (n << 23)) - 1.0f;
  Vec p = splat(1.231096847e-1f);
  p = p * t + splat(-2.058618805e-1f);
  p = p * t + splat(2.160782255e-1f);
  p = p * t + splat(-2.391698814e-1f);
  p = p * t + splat(2.879032609e-1f);
  p = p * t + splat(-3.606932681e-1f);
  p = p * t + splat(4.809107535e-1f);
  p = p * t + splat(-7.213474682e-1f);
  p = p * t + splat(1.442695004f);
  return __builtin_convertvector(n, Vec) + t * p;
}

HEADSCORE_INLINE bool finite(float x) { return x - x == 0.0f; }

// tanh with a relative error below 3e-7, also near 0 (Cephes' tanhf: polynomial below 0.625).
HEADSCORE_INLINE Vec tanh_of(Vec x) {
  const IntVec sign = bits(x) & static_cast<int32_t>(0x80000000);
  const Vec a = floats(bits(x) ^ sign);
  const Vec z = x * x;
  Vec p = splat(-5.70498872745e-3f);
  p = p * z + splat(2.06390887954e-2f);
  p = p * z + splat(-5.37397155531e-2f);
  p = p * z + splat(1.33314422036e-1f);
  p = p * z + splat(-3.33332819422e-1f);
  const Vec near = x + x * z * p;
  const Vec e = exp2_nonpositive(at_least_exponent(a * (-2.0f * kLog2E)));
  const Vec far = floats(bits((1.0f - e) / (1.0f + e)) | sign);
  return choose(a < splat(0.625f), near, far);
}

// Without a branch, so that loops over it become vectors: the exponent is moved by a product with
// 2^112, which is exact for subnormals too; the largest exponent becomes Inf or NaN again.
HEADSCORE_INLINE float from_half(uint16_t h) {
  const uint32_t magnitude = static_cast<uint32_t>(h & 0x7fffu) << 13;
  float value;
  __builtin_memcpy(&value, &magnitude, sizeof value);
  value *= 5.192296858534828e33f;
  uint32_t word;
  __builtin_memcpy(&word, &value, sizeof word);
  word |= (h & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  word |= static_cast<uint32_t>(h & 0x8000u) << 16;
  __builtin_memcpy(&value, &word, sizeof value);
  return value;
}

HEADSCORE_INLINE float from_bfloat16(uint16_t h) {
  const uint32_t word = static_cast<uint32_t>(h) << 16;
  float value;
  __builtin_memcpy(&value, &word, sizeof value);
  return value;
}

}  // namespace
}  // namespace headscore

#endif  // HEADSCORE_CPU_VECTORS_INL_
