// The kernel for every processor of the target (x86-64: SSE2; aarch64: NEON).
#include "rows.h"

#define HEADSCORE_LANES 4
#if defined(__aarch64__)
#define HEADSCORE_TILE_ROWS 8  // 32 registers
#else
#define HEADSCORE_TILE_ROWS 6
#endif
#define HEADSCORE_UNIT kBaseline
#define HEADSCORE_UNIT_NAME "baseline"
#include "rows.inl"
