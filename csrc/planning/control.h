// Position control of a batch on the host.
#ifndef HEADSCORE_PLANNING_CONTROL_H_
#define HEADSCORE_PLANNING_CONTROL_H_

#include <cstdint>

#include "planning/position.h"

namespace headscore {

// `scores` is (batch, column, heads) and `counted` (batch,). Writes `excess` (batch, role, heads)
// of units whose sequence is counted, and adds to `sums` (row, role, heads).
void control_position(const Comparison& comparison, const float* scores, const uint8_t* counted,
                      int64_t roles, int64_t heads, float* excess, int64_t* sums);

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_CONTROL_H_
