// The kernel for every processor of the target (x86-64: SSE2; aarch64: NEON).
#include "rows.h"

#define HEADSCORE_LANES 4
#define HEADSCORE_TILE_ROWS 6
#define HEADSCORE_UNIT kBaseline
#define HEADSCORE_UNIT_NAME "baseline"
#include "rows.inl"
