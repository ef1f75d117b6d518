#include "planning/plan.h"

#include "planning/comparing.h"
#include "planning/label_roles.h"
#include "planning/pair_roles.h"
#include "planning/places.h"

namespace headscore {

namespace {

// The first entry of each (role, sequence); entries are sorted by these.
std::vector<int64_t> first_entries(const Sieves& sieves) {
  std::vector<int64_t> units(sieves.roles * sieves.batch + 1, 0);
  for (int64_t e = 0; e < sieves.entries; ++e) {
    ++units[sieves.entry_role[e] * sieves.batch + sieves.entry_sequence[e] + 1];
  }
  for (size_t unit = 1; unit < units.size(); ++unit) units[unit] += units[unit - 1];
  return units;
}

}  // namespace

void plan_batch(const Sieves& sieves, const Texts& texts, const Visibility& visibility,
                bool compared, const RoleArrays& arrays, GrownArrays* grown) {
  std::vector<int64_t> units = first_entries(sieves);
  LabelRoles labels(sieves, arrays);
  PairRoles pairs(sieves, arrays, units);
  Places places(sieves, texts, compared);
  Comparing comparing(sieves, units);
  for (auto* offsets : {&grown->pair_offsets, &grown->mean_offsets, &grown->unit_offsets}) {
    offsets->assign(1, 0);
  }
  int64_t start = 0;
  for (int64_t s = 0; s < sieves.batch; ++s) {
    Sight sight(visibility, sieves.lengths[s], sieves.key_lengths[s]);
    labels.add(s, sight);
    places.find(s, start, units);
    pairs.add(s, sight, places, labels);
    pairs.append(s, sight, places, grown);
    if (compared) comparing.append(s, sight, places, grown);
    grown->further = std::max(grown->further, places.further());
    start += sieves.lengths[s];
  }
  comparing.finish(grown);
}

}  // namespace headscore
