// What the word pairs of a sequence are compared with.
#ifndef HEADSCORE_PLANNING_COMPARING_H_
#define HEADSCORE_PLANNING_COMPARING_H_

#include <cstdint>
#include <vector>

#include "planning/places.h"
#include "planning/plan.h"

namespace headscore {

class Comparing {
 public:
  Comparing(const Sieves& sieves, const std::vector<int64_t>& units)
      : sieves_(sieves), units_(units), place_(sieves.entries) {}

  // Appends the units of a sequence. Columns are numbers within the sequence, see `finish`.
  void append(int64_t sequence, const Sight& sight, const Places& places, GrownArrays* grown);

  // Turns columns into flat indices, when the number of columns is known.
  void finish(GrownArrays* grown) const;

 private:
  // What a role is compared with at an offset.
  struct Mean {
    int64_t count = -1;   // comparison entries, -1: not counted yet
    int32_t number = -1;  // -1: no member refers to it
  };

  void append_unit(int64_t role, int64_t sequence, const Sight& sight, const Places& places,
                   GrownArrays* grown);
  int64_t append_pair(int64_t first, int64_t last, int64_t role, const Sight& sight,
                      const Places& places, GrownArrays* grown);
  Mean& mean_at(int32_t offset, int64_t role, const Sight& sight, const Places& places);
  int32_t number_of(Mean* mean, int32_t offset, int64_t role, const Places& places,
                    GrownArrays* grown);
  bool other(const Place& place, int64_t role, const Places& places) const;

  const Sieves& sieves_;
  const std::vector<int64_t>& units_;
  std::vector<int32_t> place_;  // of each entry
  std::vector<Mean> means_;     // of the current unit, by offset
  std::vector<int64_t> chosen_;
};

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_COMPARING_H_
