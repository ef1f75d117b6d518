// Weights and counts of the label roles of a sequence.
#ifndef HEADSCORE_PLANNING_LABEL_ROLES_H_
#define HEADSCORE_PLANNING_LABEL_ROLES_H_

#include <cstdint>
#include <vector>

#include "planning/labels.h"
#include "planning/plan.h"

namespace headscore {

class LabelRoles {
 public:
  LabelRoles(const Sieves& sieves, const RoleArrays& arrays)
      : sieves_(sieves), arrays_(arrays), labels_(sieves) {}

  // Writes the weights of one sequence, and adds its counts.
  void add(int64_t sequence, const Sight& sight);

  // Whether the sieve of a label role holds a place of the sequence that was added last.
  bool holds(int64_t label_role, int64_t query, int64_t key) const;

 private:
  void weigh(int64_t l, int64_t sequence, const Sight& sight);
  void count_overlap(int64_t sequence, const Sight& sight);
  bool has_entry(int64_t l, const Sight& sight);

  const Sieves& sieves_;
  const RoleArrays& arrays_;
  Labels labels_;
  std::vector<int32_t> n_sieve_;
};

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_LABEL_ROLES_H_
