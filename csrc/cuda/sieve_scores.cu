// Launches the kernels: rows with their label roles, then pair roles, then the totals.
#include <algorithm>

#include "cuda/hardware.cuh"
#include "cuda/pairs.cuh"
#include "cuda/position.cuh"
#include "cuda/rows_attention.cuh"
#include "cuda/rows_qk.cuh"
#include "cuda/sieve_scores.h"
#include "cuda/totals.cuh"

namespace headscore::cuda {
namespace {

unsigned blocks_of(int64_t rows, int64_t block) {
  return static_cast<unsigned>((rows + block - 1) / block);
}

dim3 grid_of(const Problem& problem, int64_t first) {
  return dim3(static_cast<unsigned>(first), static_cast<unsigned>(problem.heads),
              static_cast<unsigned>(problem.sieves.plan.batch));
}

// Runs `pass(first, count)` for each pass over the keys: once without any label role.
template <typename Pass>
std::string for_each_pass(const Problem& problem, const Pass& pass) {
  const int roles = static_cast<int>(problem.sieves.plan.label_roles);
  int first = 0;
  do {
    const std::string fault = pass(first, std::min(kRolesAtOnce, roles - first));
    if (!fault.empty()) return fault;
    first += kRolesAtOnce;
  } while (first < roles);
  return "";
}

template <typename Source>
std::string finish(const typename Source::Problem& problem, int block_rows, uintptr_t stream) {
  const Problem& common = problem.common;
  if (common.sieves.pieces > 0) {
    const dim3 grid(static_cast<unsigned>(common.sieves.pieces),
                    static_cast<unsigned>(common.heads));
    const std::string fault =
        launch(pairs<Source>, grid, kThreads, kGroups * sizeof(float), stream, problem);
    if (!fault.empty()) return fault;
  }
  return launch(totals, grid_of(common, common.sieves.plan.roles), kWarpLanes, 0, stream, common,
                block_rows);
}

template <typename Number, typename Products, int kBlocksPerProcessor>
std::string score_qk(const QkProblem& problem, uintptr_t stream) {
  const Problem& common = problem.common;
  const dim3 grid = grid_of(common, blocks_of(common.sieves.plan.tokens, Products::kRows));
  const std::string fault = for_each_pass(common, [&](int first, int count) {
    return launch(rows_qk<Number, Products, kBlocksPerProcessor>, grid, kThreads,
                  rows_qk_bytes<Products>(count), stream, problem, LogitScale(problem), first);
  });
  return fault.empty() ? finish<FromProducts<Number>>(problem, Products::kRows, stream) : fault;
}

template <typename Half>
std::string score_half(const QkProblem& problem, uintptr_t stream) {
  const int64_t size = problem.head_size;
  if (size <= 16) return score_qk<Half, HalfProducts<Half, 16>, 3>(problem, stream);
  if (size <= 32) return score_qk<Half, HalfProducts<Half, 32>, 3>(problem, stream);
  if (size <= 64) return score_qk<Half, HalfProducts<Half, 64>, 3>(problem, stream);
  if (size <= 96) return score_qk<Half, HalfProducts<Half, 96>, 2>(problem, stream);
  if (size <= 128) return score_qk<Half, HalfProducts<Half, 128>, 2>(problem, stream);
  if (size <= 192) return score_qk<Half, HalfProducts<Half, 192>, 2>(problem, stream);
  return score_qk<Half, HalfProducts<Half, 256>, 2>(problem, stream);
}

template <typename Number>
std::string score_attention(const AttentionProblem& problem, uintptr_t stream) {
  const Problem& common = problem.common;
  const dim3 grid = grid_of(common, blocks_of(common.sieves.plan.tokens, kLeastRows));
  const std::string fault = for_each_pass(common, [&](int first, int count) {
    return launch(rows_attention<Number>, grid, kThreads, rows_attention_bytes(count), stream,
                  problem, first);
  });
  return fault.empty() ? finish<FromAttention<Number>>(problem, kLeastRows, stream) : fault;
}

}  // namespace

std::string why_not(int device) {
  int count = 0, major = 0;
  std::string fault = problem_with("cudaGetDeviceCount", cudaGetDeviceCount(&count));
  if (!fault.empty()) return fault;
  if (device >= count) return "there is no CUDA device " + std::to_string(device);
  fault = problem_with("cudaDeviceGetAttribute",
                       cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  if (!fault.empty()) return fault;
  return major >= 8 ? "" : "the device's compute capability is below 8.0";
}

std::string sieve_scores_qk(const QkProblem& problem, int device, uintptr_t stream) {
  const DeviceGuard guard(device);
  if (!guard.problem().empty()) return guard.problem();
  switch (problem.query.dtype) {
    case Dtype::kBfloat16:
      return score_half<Bfloat16>(problem, stream);
    case Dtype::kFloat16:
      return score_half<Float16>(problem, stream);
    default:
      return score_qk<float, FloatProducts, 2>(problem, stream);
  }
}

std::string sieve_scores_attention(const AttentionProblem& problem, int device, uintptr_t stream) {
  const DeviceGuard guard(device);
  if (!guard.problem().empty()) return guard.problem();
  switch (problem.attention.dtype) {
    case Dtype::kBfloat16:
      return score_attention<Bfloat16>(problem, stream);
    case Dtype::kFloat16:
      return score_attention<Float16>(problem, stream);
    default:
      return score_attention<float>(problem, stream);
  }
}

std::string control_position(const PositionProblem& problem, int device, uintptr_t stream) {
  const DeviceGuard guard(device);
  if (!guard.problem().empty()) return guard.problem();
  const dim3 grid(static_cast<unsigned>(problem.comparison.units),
                  blocks_of(problem.heads, kWarpLanes));
  return launch(position, grid, kWarpLanes, 0, stream, problem);
}

}  // namespace headscore::cuda
