// The kernel for AVX2 with FMA.
#include "rows.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif
#define HEADSCORE_LANES 8
#define HEADSCORE_TILE_ROWS 6
#define HEADSCORE_UNIT kAvx2
#define HEADSCORE_UNIT_NAME "avx2"
#include "rows.inl"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
