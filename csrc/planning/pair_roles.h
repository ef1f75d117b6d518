// Weights and counts of the pair roles of a sequence, and the entries that kernels read.
#ifndef HEADSCORE_PLANNING_PAIR_ROLES_H_
#define HEADSCORE_PLANNING_PAIR_ROLES_H_

#include <cstdint>
#include <vector>

#include "planning/label_roles.h"
#include "planning/places.h"
#include "planning/plan.h"

namespace headscore {

class PairRoles {
 public:
  PairRoles(const Sieves& sieves, const RoleArrays& arrays, const std::vector<int64_t>& units)
      : sieves_(sieves),
        arrays_(arrays),
        units_(units),
        weight_(sieves.entries),
        best_(sieves.roles) {}

  // Writes the weights and the counts of one sequence.
  void add(int64_t sequence, const Sight& sight, const Places& places, const LabelRoles& labels);

  // Appends the entries of a sequence, of the roles and of the further columns, row by row.
  void append(int64_t sequence, const Sight& sight, const Places& places, GrownArrays* grown);

 private:
  void weigh(int64_t role, int64_t sequence, const Sight& sight);
  void add_best(int64_t sequence, const Sight& sight, const Places& places);
  void count_overlap(int64_t sequence, const Sight& sight, const Places& places,
                     const LabelRoles& labels);
  bool visible(int64_t entry, const Sight& sight) const {
    return sight.allows(sieves_.entry_key[entry] - sieves_.entry_query[entry]);
  }

  // The most that the rows of a role add to its score: of the row `query`, and of those before it.
  struct Best {
    int64_t query;
    double row, before;
  };

  const Sieves& sieves_;
  const RoleArrays& arrays_;
  const std::vector<int64_t>& units_;
  std::vector<double> weight_;  // of each entry
  std::vector<Best> best_;
  std::vector<int64_t> keys_, rows_, cursor_;
  std::vector<int32_t> here_;
};

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_PAIR_ROLES_H_
