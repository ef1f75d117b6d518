// The largest share of attention in a sieve times the entropy of its row.
#ifndef HEADSCORE_PLANNING_ENTROPY_H_
#define HEADSCORE_PLANNING_ENTROPY_H_

#include <cstdint>

namespace headscore {

// Returns the largest m * H over rows of `visible` keys with the share m of attention on `inside`.
double best_with_entropy(int64_t inside, int64_t visible);

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_ENTROPY_H_
