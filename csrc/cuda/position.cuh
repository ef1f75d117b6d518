// Position control: the loop of the host, planning/position.h, with a thread for each unit and
// head.
#ifndef HEADSCORE_CUDA_POSITION_CUH_
#define HEADSCORE_CUDA_POSITION_CUH_

#include "cuda/rows.cuh"
#include "planning/position.h"

namespace headscore::cuda {

// Block (x, y), one warp: unit x, the heads from 32 y on. Units of a role add to the same sums,
// which are integers, so that their order does not matter.
__global__ void __launch_bounds__(kWarpLanes)
    position(const __grid_constant__ PositionProblem problem) {
  const Comparison& comparison = problem.comparison;
  const int64_t unit = blockIdx.x;
  const int64_t head = static_cast<int64_t>(blockIdx.y) * kWarpLanes + threadIdx.x;
  const int64_t sequence = comparison.unit_sequence[unit], role = comparison.unit_role[unit];
  if (head >= problem.heads || !problem.counted[sequence]) return;
  double excess[1], means[kPositionRows][1];
  compare_unit<1>(comparison, unit, problem.scores + head, problem.heads, excess, means);
  problem.excess[(sequence * problem.roles + role) * problem.heads + head] =
      static_cast<float>(excess[0]);
  for (int row = 0; row < kPositionRows; ++row) {
    if (!adds(row, means[row][0], excess[0])) continue;
    int64_t* sum = problem.sums + (row * problem.roles + role) * problem.heads + head;
    add_whole(sum, round_to_whole(means[row][0] / kUnit));
  }
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_POSITION_CUH_
