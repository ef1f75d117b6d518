// Adds up what blocks of rows and pieces of pairs have left, in double and in a fixed order.
#ifndef HEADSCORE_CUDA_TOTALS_CUH_
#define HEADSCORE_CUDA_TOTALS_CUH_

#include "cuda/rows.cuh"

namespace headscore::cuda {

__device__ inline double block_total(const Problem& problem, int64_t head_of_batch, int blocks,
                                     int label_role) {
  const int64_t roles = problem.sieves.plan.label_roles;
  const float* sums =
      problem.workspace.block_sums + head_of_batch * problem.workspace.blocks * roles;
  double sum = 0.0;
  for (int n = threadIdx.x; n < blocks; n += kWarpLanes) sum += sums[n * roles + label_role];
  return sum;
}

__device__ inline double piece_total(const Problem& problem, int head, int64_t unit) {
  const DevicePlan& sieves = problem.sieves;
  const float* sums = problem.workspace.piece_sums + head * sieves.pieces;
  double sum = 0.0;
  for (int64_t n = sieves.unit_piece[unit] + threadIdx.x; n < sieves.unit_piece[unit + 1];
       n += kWarpLanes) {
    sum += sums[n];
  }
  return sum;
}

__device__ inline void put_faults(const Problem& problem, int64_t head_of_batch, int blocks) {
  const uint8_t* of_block =
      problem.workspace.block_faults + head_of_batch * problem.workspace.blocks;
  int faults = 0;
  for (int n = threadIdx.x; n < blocks; n += kWarpLanes) faults |= of_block[n];
  for (int half = kWarpLanes / 2; half > 0; half /= 2) {
    faults |= __shfl_xor_sync(kAllLanes, faults, half);
  }
  if (threadIdx.x == 0) problem.output.faults[head_of_batch] = static_cast<uint8_t>(faults);
}

// Block (x, y, z), one warp: role x, head y, sequence z.
__global__ void __launch_bounds__(kWarpLanes)
    totals(const __grid_constant__ Problem problem, int block_rows) {
  const int role = blockIdx.x, head = blockIdx.y, sequence = blockIdx.z;
  const DevicePlan& sieves = problem.sieves;
  const int64_t head_of_batch = sequence * problem.heads + head;
  const int64_t unit = sequence * sieves.plan.roles + role;
  const int blocks = (sieves.plan.lengths[sequence] + block_rows - 1) / block_rows;
  const int label_role = sieves.role_label[role];
  double sum = label_role < 0 ? 0.0 : block_total(problem, head_of_batch, blocks, label_role);
  if (sieves.pieces > 0) sum += piece_total(problem, head, unit);
  sum = warp_sum(sum);
  if (threadIdx.x == 0) {
    problem.output.scores[unit * problem.heads + head] = static_cast<float>(sum);
  }
  if (role == 0) put_faults(problem, head_of_batch, blocks);
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_TOTALS_CUH_
