// A batch in parts, where a grid of CUDA is too small for all its sequences or heads.
#ifndef HEADSCORE_CUDA_PARTS_H_
#define HEADSCORE_CUDA_PARTS_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "cuda/hardware.cuh"
#include "cuda/sieve_scores.h"

namespace headscore::cuda {

// The sequences and heads of one launch: a grid may be too small for all of them.
struct Part {
  int64_t sequence, head;  // the first
  int64_t sequences, heads;

  dim3 grid(int64_t first) const {
    return dim3(static_cast<unsigned>(first), static_cast<unsigned>(heads),
                static_cast<unsigned>(sequences));
  }
};

// Runs `each(part)` for the parts of a batch, in which heads stay together that share a key head.
template <typename Each>
std::string for_each_part(int64_t batch, int64_t heads, int64_t group, const Each& each) {
  const int64_t step = std::max<int64_t>(kMostBlocks / group, 1) * group;
  for (int64_t b = 0; b < batch; b += kMostBlocks) {
    for (int64_t h = 0; h < heads; h += step) {
      const std::string fault =
          each(Part{b, h, std::min(kMostBlocks, batch - b), std::min(step, heads - h)});
      if (!fault.empty()) return fault;
    }
  }
  return "";
}

// The problem as the blocks of a part see it, which count sequences and heads from 0: addresses
// move, strides stay.
inline Problem part_of(Problem problem, const Part& part) {
  DevicePlan& sieves = problem.sieves;
  SievePlan& plan = sieves.plan;
  plan.lengths += part.sequence;
  plan.key_lengths += part.sequence;
  plan.row_weight += part.sequence * plan.tokens;
  sieves.query_label += part.sequence * sieves.padded;
  sieves.key_label += part.sequence * sieves.key_padded;
  sieves.tile_label += part.sequence * sieves.tiles * plan.label_roles;
  sieves.tile_roles += 2 * part.sequence * sieves.tiles;
  sieves.unit_piece += part.sequence * plan.roles;

  const int64_t head = part.sequence * problem.heads + part.head;  // of all sequences
  Workspace& room = problem.workspace;
  room.block_sums += head * room.blocks * plan.label_roles;
  room.block_faults += head * room.blocks;
  room.row_top += head * plan.tokens;
  room.row_mass += head * plan.tokens;
  room.row_entropy += head * plan.tokens;
  room.piece_sums += part.head * sieves.pieces;

  const int64_t unit_head = part.sequence * plan.roles * problem.heads + part.head;
  problem.output.scores += unit_head;
  if (problem.output.token_values != nullptr)
    problem.output.token_values += unit_head * plan.tokens;
  problem.output.faults += head;
  return problem;
}

inline Tensor4 part_of(Tensor4 tensor, int64_t sequence, int64_t head) {
  if (tensor.data == nullptr) return tensor;
  const int64_t bytes = tensor.dtype == Dtype::kFloat32 ? 4 : 2;
  tensor.data = static_cast<const char*>(tensor.data) +
                (sequence * tensor.batch_stride + head * tensor.head_stride) * bytes;
  return tensor;
}

// Heads that share a key head.
inline int64_t group_of(const QkProblem& problem) {
  return problem.common.heads / problem.kv_heads;
}
inline int64_t group_of(const AttentionProblem&) { return 1; }

inline QkProblem part_of(QkProblem problem, const Part& part) {
  problem.common = part_of(problem.common, part);
  problem.query = part_of(problem.query, part.sequence, part.head);
  problem.key = part_of(problem.key, part.sequence, part.head / group_of(problem));
  problem.bias = part_of(problem.bias, part.sequence, part.head);
  return problem;
}

inline AttentionProblem part_of(AttentionProblem problem, const Part& part) {
  problem.common = part_of(problem.common, part);
  problem.attention = part_of(problem.attention, part.sequence, part.head);
  return problem;
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_PARTS_H_
