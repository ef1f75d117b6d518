// The kernel for AVX-512F (32 registers: taller tiles).
#include "rows.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx2,fma,f16c")
#endif
#define HEADSCORE_LANES 16
#define HEADSCORE_TILE_ROWS 12
#define HEADSCORE_UNIT kAvx512
#define HEADSCORE_UNIT_NAME "avx512"
#include "rows.inl"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
