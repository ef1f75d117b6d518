// Launches the kernels: rows with their label roles, then pair roles, then the totals.
#include <algorithm>
#include <utility>

#include "cuda/hardware.cuh"
#include "cuda/pairs.cuh"
#include "cuda/parts.h"
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

// Rows: `start(problem, part, first)` launches a pass over the keys, with the label roles from
// `first` on; there is one without any, too. Then pair roles, then the totals.
template <typename Source, typename Start>
std::string score(const typename Source::Problem& problem, int block_rows, uintptr_t stream,
                  const Start& start) {
  const Problem& common = problem.common;
  const SievePlan& plan = common.sieves.plan;
  const int64_t group = group_of(problem);
  std::string fault = for_each_part(plan.batch, common.heads, group, [&](const Part& part) {
    const auto of_part = part_of(problem, part);
    std::string failed;
    int64_t first = 0;
    do {
      failed = start(of_part, part, static_cast<int>(first));
      first += kRolesAtOnce;
    } while (failed.empty() && first < plan.label_roles);
    return failed;
  });
  if (!fault.empty()) return fault;
  if (common.sieves.pieces > 0) {
    fault = for_each_part(1, common.heads, group, [&](const Part& part) {
      return launch(pairs<Source>, part.grid(common.sieves.pieces), kThreads,
                    kGroups * sizeof(float), stream, part_of(problem, part));
    });
    if (!fault.empty()) return fault;
  }
  return for_each_part(plan.batch, common.heads, 1, [&](const Part& part) {
    return launch(totals, part.grid(plan.roles), kWarpLanes, 0, stream, part_of(common, part),
                  block_rows);
  });
}

int roles_of_pass(const Problem& problem, int first) {
  return std::min(kRolesAtOnce, static_cast<int>(problem.sieves.plan.label_roles) - first);
}

template <typename Number, typename Products, int kBlocksPerProcessor>
std::string score_qk(const QkProblem& problem, uintptr_t stream) {
  const auto start = [&](const QkProblem& of_part, const Part& part, int first) {
    return launch(rows_qk<Number, Products, kBlocksPerProcessor>,
                  part.grid(blocks_of(of_part.common.sieves.plan.tokens, Products::kRows)),
                  kThreads, rows_qk_bytes<Products>(roles_of_pass(of_part.common, first)), stream,
                  of_part, LogitScale(of_part), first);
  };
  return score<FromProducts<Number>>(problem, Products::kRows, stream, start);
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
  const auto start = [&](const AttentionProblem& of_part, const Part& part, int first) {
    return launch(rows_attention<Number>,
                  part.grid(blocks_of(of_part.common.sieves.plan.tokens, kLeastRows)), kThreads,
                  rows_attention_bytes(roles_of_pass(of_part.common, first)), stream, of_part,
                  first);
  };
  return score<FromAttention<Number>>(problem, kLeastRows, stream, start);
}

// Whether the module holds machine code for a compute capability such as 900, or PTX for it: that
// of the newest target.
bool has_code_for(int capability) {
  constexpr int kTargets[] = {__CUDA_ARCH_LIST__};
  int newest = 0;
  for (int each : kTargets) {
    if (each / 100 == capability / 100 && each <= capability) return true;
    newest = std::max(newest, each);
  }
  return newest <= capability;
}

}  // namespace

std::string why_not(int device) {
  int count = 0, major = 0, minor = 0;
  std::string fault = problem_with("cudaGetDeviceCount", cudaGetDeviceCount(&count));
  if (!fault.empty()) return fault;
  if (device >= count) return "there is no CUDA device " + std::to_string(device);
  for (auto [attribute, value] : {std::pair{cudaDevAttrComputeCapabilityMajor, &major},
                                  std::pair{cudaDevAttrComputeCapabilityMinor, &minor}}) {
    fault =
        problem_with("cudaDeviceGetAttribute", cudaDeviceGetAttribute(value, attribute, device));
    if (!fault.empty()) return fault;
  }
  if (has_code_for(100 * major + 10 * minor)) return "";
  return "the kernels are not compiled for its compute capability, " + std::to_string(major) + "." +
         std::to_string(minor);
}

std::string sieve_scores_qk(const QkProblem& problem, uintptr_t stream) {
  switch (problem.query.dtype) {
    case Dtype::kBfloat16:
      return score_half<Bfloat16>(problem, stream);
    case Dtype::kFloat16:
      return score_half<Float16>(problem, stream);
    default:
      return score_qk<float, FloatProducts, 3>(problem, stream);
  }
}

std::string sieve_scores_attention(const AttentionProblem& problem, uintptr_t stream) {
  switch (problem.attention.dtype) {
    case Dtype::kBfloat16:
      return score_attention<Bfloat16>(problem, stream);
    case Dtype::kFloat16:
      return score_attention<Float16>(problem, stream);
    default:
      return score_attention<float>(problem, stream);
  }
}

std::string control_position(const PositionProblem& problem, uintptr_t stream) {
  const dim3 grid(static_cast<unsigned>(problem.comparison.units),
                  blocks_of(problem.heads, kWarpLanes));
  return launch(position, grid, kWarpLanes, 0, stream, problem);
}

}  // namespace headscore::cuda
