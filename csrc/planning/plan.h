// The plan of a batch under one visibility: what kernels read, and what position control compares.
#ifndef HEADSCORE_PLANNING_PLAN_H_
#define HEADSCORE_PLANNING_PLAN_H_

#include <cstdint>
#include <vector>

#include "planning/column.h"
#include "planning/sieves.h"

namespace headscore {

// Arrays of the caller, filled with 0 before the call, as in headscore.backends.contract.PlanArrays
// for the roles alone; and counts of the roles.
struct RoleArrays {
  float* row_weight;          // [l][b][t]
  int64_t* pair_offsets;      // [b * t + 1]
  uint8_t* takes_part;        // [b][r]
  uint8_t* token_takes_part;  // [b][r][t]
  float* attainable;          // [b][r]
  int64_t* overlap;           // [b][r][r] common entries of two sieves; null: not counted
  uint8_t* invisible;         // [b][r] a sieve without a visible entry; null
};

// Arrays that grow with the sequences. The pair arrays hold the entries of the roles and those of
// the further columns. The others are those of headscore.sieves.comparison.Comparison.
struct GrownArrays {
  Column<int32_t> pair_role, pair_key;
  Column<float> pair_weight;
  std::vector<int64_t> pair_offsets, mean_offsets, unit_offsets;
  std::vector<int32_t> member_column, member_mean, mean_column, unit_sequence, unit_role;
  std::vector<double> member_weight, mean_share;
  int64_t further = 0;   // columns behind those of the roles, the most of any sequence
  int64_t left_out = 0;  // visible word pairs without a comparison
};

void plan_batch(const Sieves& sieves, const Texts& texts, const Visibility& visibility,
                bool compared, const RoleArrays& arrays, GrownArrays* grown);

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_PLAN_H_
