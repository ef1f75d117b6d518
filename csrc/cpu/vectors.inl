// Vectors of one instruction set, and what is done to their lanes: sums, powers, logarithms.
#ifndef HEADSCORE_CPU_VECTORS_INL_
#define HEADSCORE_CPU_VECTORS_INL_

#if HEADSCORE_LANES > 4
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "rows.h"

namespace headscore {
namespace {

constexpr int kLanes = HEADSCORE_LANES;
constexpr float kLog2E = 1.44269504088896340736f;

typedef float Vec __attribute__((vector_size(sizeof(float) * kLanes), aligned(4), may_alias));
typedef int32_t IntVec __attribute__((vector_size(sizeof(float) * kLanes), aligned(4), may_alias));
typedef uint16_t HalfVec __attribute__((vector_size(2 * kLanes), aligned(2), may_alias));

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

// What an instruction set does best in its own way: the first lanes from memory, the others 0, and
// nothing else read; the larger of two, NaN where b is; the sum and the largest of all lanes,
// halves folded onto one another (a fixed order, part of the promise of identical bits); float16 to
// float32.
#if HEADSCORE_LANES == 16
HEADSCORE_INLINE Vec load_first(const float* from, int64_t count) {
  return _mm512_maskz_loadu_ps((1u << count) - 1, from);
}
HEADSCORE_INLINE IntVec load_first(const int32_t* from, int64_t count) {
  return reinterpret_cast<IntVec>(_mm512_maskz_loadu_epi32((1u << count) - 1, from));
}
HEADSCORE_INLINE Vec larger_of(Vec a, Vec b) { return _mm512_max_ps(a, b); }
HEADSCORE_INLINE float sum(Vec v) { return _mm512_reduce_add_ps(v); }
HEADSCORE_INLINE float largest(Vec v) { return _mm512_reduce_max_ps(v); }
HEADSCORE_INLINE Vec from_half(HalfVec h) {
  return _mm512_cvtph_ps(reinterpret_cast<const __m256i_u&>(h));
}
#elif HEADSCORE_LANES == 8
HEADSCORE_INLINE Vec larger_of(Vec a, Vec b) { return _mm256_max_ps(a, b); }
HEADSCORE_INLINE float sum(Vec v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
HEADSCORE_INLINE float largest(Vec v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
HEADSCORE_INLINE __m256i first_lanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
HEADSCORE_INLINE Vec load_first(const float* from, int64_t count) {
  return _mm256_maskload_ps(from, first_lanes(count));
}
HEADSCORE_INLINE IntVec load_first(const int32_t* from, int64_t count) {
  return reinterpret_cast<IntVec>(_mm256_maskload_epi32(from, first_lanes(count)));
}
HEADSCORE_INLINE Vec from_half(HalfVec h) {
  return _mm256_cvtph_ps(reinterpret_cast<const __m128i_u&>(h));
}
#elif defined(__aarch64__)
HEADSCORE_INLINE Vec load_first(const float* from, int64_t count) {  // of 1 to 3
  float32x4_t v = vld1q_lane_f32(from, vdupq_n_f32(0.0f), 0);
  if (count > 1) v = vld1q_lane_f32(from + 1, v, 1);
  return count > 2 ? vld1q_lane_f32(from + 2, v, 2) : v;
}
HEADSCORE_INLINE IntVec load_first(const int32_t* from, int64_t count) {
  return bits(load_first(reinterpret_cast<const float*>(from), count));
}
HEADSCORE_INLINE HalfVec load_first(const uint16_t* from, int64_t count) {
  uint16x4_t v = vld1_lane_u16(from, vdup_n_u16(0), 0);
  if (count > 1) v = vld1_lane_u16(from + 1, v, 1);
  return count > 2 ? vld1_lane_u16(from + 2, v, 2) : v;
}
HEADSCORE_INLINE Vec larger_of(Vec a, Vec b) { return vmaxq_f32(a, b); }
HEADSCORE_INLINE float sum(Vec v) {
  return vpadds_f32(vadd_f32(vget_low_f32(v), vget_high_f32(v)));
}
HEADSCORE_INLINE float largest(Vec v) { return vmaxvq_f32(v); }
HEADSCORE_INLINE Vec from_half(HalfVec h) { return vcvt_f32_f16(vreinterpret_f16_u16(h)); }
#else
HEADSCORE_INLINE Vec load_first(const float* from, int64_t count) {
  Vec v = {};
  for (int64_t j = 0; j < count; ++j) v[j] = from[j];
  return v;
}
HEADSCORE_INLINE IntVec load_first(const int32_t* from, int64_t count) {
  IntVec v = {};
  for (int64_t j = 0; j < count; ++j) v[j] = from[j];
  return v;
}
HEADSCORE_INLINE Vec larger_of(Vec a, Vec b) { return choose(a > b, a, b); }
HEADSCORE_INLINE float sum(Vec v) { return (v[0] + v[2]) + (v[1] + v[3]); }
HEADSCORE_INLINE float largest(Vec v) {
  const float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
  return a > b ? a : b;
}
// The exponent is moved by a product with 2^112, which is exact for subnormals too; the largest
// exponent becomes Inf or NaN again.
HEADSCORE_INLINE Vec from_half(HalfVec h) {
  const IntVec word = __builtin_convertvector(h, IntVec);
  const IntVec magnitude = bits(floats((word & 0x7fff) << 13) * 5.192296858534828e33f);
  const IntVec special = ((word & 0x7c00) == 0x7c00) & 0x7f800000;
  return floats(magnitude | special | ((word & 0x8000) << 16));
}
#endif

HEADSCORE_INLINE Vec from_bfloat16(HalfVec h) {
#if defined(__aarch64__)
  return vreinterpretq_f32_u32(vshll_n_u16(h, 16));
#else
  return floats(__builtin_convertvector(h, IntVec) << 16);
#endif
}

HEADSCORE_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
HEADSCORE_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
HEADSCORE_INLINE int64_t rounded_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
HEADSCORE_INLINE bool finite(float x) { return x - x == 0.0f; }

// 2^f - 1 for f in [-1/2, 1/2] over f: minimax of degree 4, so that 2^f is exactly 1 at 0 (a row
// with one visible key has entropy 0); relative error of 2^f 9e-8.
HEADSCORE_INLINE Vec exp2_fraction(Vec f) {
  Vec p = splat(1.32647273e-3f);
  p = p * f + splat(9.67151273e-3f);
  p = p * f + splat(5.55073374e-2f);
  p = p * f + splat(2.40222421e-1f);
  p = p * f + splat(6.93146978e-1f);
  return p * f + splat(1.0f);
}

// 2^x for x <= 0. NaN stays NaN; x is first raised to what the power can still tell from 0.
#if HEADSCORE_LANES == 16
HEADSCORE_INLINE Vec raised(Vec x) { return x; }
HEADSCORE_INLINE Vec exp2_raised(Vec x) {
  const Vec n = _mm512_roundscale_ps(x, 0);
  return _mm512_scalef_ps(exp2_fraction(x - n), n);
}
#else
HEADSCORE_INLINE Vec raised(Vec x) { return larger_of(splat(-125.0f), x); }
HEADSCORE_INLINE Vec exp2_raised(Vec x) {
  const Vec magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = x + magic;
  const Vec p = exp2_fraction(x - (shifted - magic));
  return floats(bits(p) + (bits(shifted) << 23));
}
#endif
HEADSCORE_INLINE Vec exp2_nonpositive(Vec x) { return exp2_raised(raised(x)); }

// log2(x) for finite x >= 0, finite at 0 (so that x log2(x) is 0 there), exactly 0 at 1 and
// relatively exact about it. x = 2^e (1 + k/n)(1 + t) with the nearest k of n: with tables the
// reciprocal of 1 + k/n is multiplied into 2^-e and its logarithm looked up; then t times a
// minimax polynomial. The mantissa is rounded to k with carry into e, so that 1 has k = 0 on
// either side.
#if HEADSCORE_LANES == 16 || HEADSCORE_LANES == 8
struct Log2Tables {
  IntVec reciprocal;  // bits of 1 / (1 + k/n), plus k in the place where e and k meet
  Vec logarithm;      // log2(1 + k/n) - k/n
};
#endif
#if HEADSCORE_LANES == 16
constexpr int kLog2Bits = 4;
const Log2Tables kLog2 = {
    {0x3f800000, 0x3f78f0f1, 0x3f738e39, 0x3f6f9436, 0x3f6ccccd, 0x3f6b0c31, 0x3f6a2e8c, 0x3f6a1643,
     0x3f6aaaab, 0x3f6bd70a, 0x3f6d89d9, 0x3f6fb426, 0x3f724925, 0x3f753dcb, 0x3f788889,
     0x3f7c2108},
    {0.0f, 2.49628359e-2f, 4.49249907e-2f, 6.04275027e-2f, 7.19280734e-2f, 7.98173959e-2f,
     8.44315756e-2f, 8.60619292e-2f, 8.49624577e-2f, 8.1356222e-2f, 7.54396644e-2f, 6.73874914e-2f,
     5.73548576e-2f, 4.54810005e-2f, 3.18905204e-2f, 1.66963534e-2f}};
HEADSCORE_INLINE IntVec look_up(IntVec table, IntVec k) {
  return reinterpret_cast<IntVec>(
      _mm512_permutexvar_epi32(reinterpret_cast<__m512i>(k), reinterpret_cast<__m512i>(table)));
}
HEADSCORE_INLINE Vec log2_polynomial(Vec t) {  // |t| <= 1/32: absolute error 9e-8, relative 2e-6
  return (splat(4.81162682e-1f) * t + splat(-7.21611828e-1f)) * t + splat(1.44269502f);
}
#elif HEADSCORE_LANES == 8
constexpr int kLog2Bits = 3;
const Log2Tables kLog2 = {{0x3f800000, 0x3f738e39, 0x3f6ccccd, 0x3f6a2e8c, 0x3f6aaaab, 0x3f6d89d9,
                           0x3f724925, 0x3f788889},
                          {0.0f, 4.49249907e-2f, 7.19280734e-2f, 8.44315756e-2f, 8.49624577e-2f,
                           7.54396644e-2f, 5.73548576e-2f, 3.18905204e-2f}};
HEADSCORE_INLINE IntVec look_up(IntVec table, IntVec k) {
  return reinterpret_cast<IntVec>(
      _mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(table), reinterpret_cast<__m256i>(k)));
}
HEADSCORE_INLINE Vec log2_polynomial(Vec t) {  // |t| <= 1/16: absolute error 3e-8, relative 4e-7
  const Vec p = splat(-3.618043e-1f) * t + splat(4.82028395e-1f);
  return (p * t + splat(-7.21346507e-1f)) * t + splat(1.44269449f);
}
#endif
#if HEADSCORE_LANES == 16 || HEADSCORE_LANES == 8
HEADSCORE_INLINE Vec log2_nonnegative(Vec x) {
  constexpr int kShift = 23 - kLog2Bits;
  const IntVec rounded = bits(x) + ((1 << (kShift - 1)) - 0x3f800000);
  const IntVec k = rounded >> kShift;  // n * e + k; the tables look at the low bits only
  const IntVec reciprocal = look_up(kLog2.reciprocal, k) - (rounded & -(1 << kShift));
  const Vec t = x * floats(reciprocal) - 1.0f;
  const Vec whole = __builtin_convertvector(k, Vec) * (1.0f / (1 << kLog2Bits)) +
                    floats(look_up(bits(kLog2.logarithm), k));
  return t * log2_polynomial(t) + whole;
}
#else
// Without tables: 1 + t in [sqrt(1/2), sqrt(2)), degree 8, error 6e-8.
HEADSCORE_INLINE Vec log2_nonnegative(Vec x) {
  x = larger_of(splat(1.17549435e-38f), x);
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
#endif

// tanh with a relative error below 2e-7, also near 0 (Cephes' tanhf: polynomial below 0.625).
// Beyond, the exponential makes what is missing from 1, so that its error counts the less the
// nearer to 1.
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
  const Vec e = exp2_nonpositive(a * (-2.0f * kLog2E));
  const Vec far = floats(bits(1.0f - 2.0f * e / (1.0f + e)) | sign);
  return choose(a < splat(0.625f), near, far);
}

}  // namespace
}  // namespace headscore

#endif  // HEADSCORE_CPU_VECTORS_INL_
