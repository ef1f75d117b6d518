// The contract between Python and every kernel: the arrays of a compiled sieve plan.
//
// A kernel sees role number 3, never "syntactic". Axes: r role, l label role, b sequence of the
// batch, t token (padded to `tokens`). All arrays are C-contiguous and owned by the caller.
#ifndef HEADSCORE_SIEVE_PLAN_H_
#define HEADSCORE_SIEVE_PLAN_H_

#include <cstdint>

namespace headscore {

struct SievePlan {
  int64_t batch;
  int64_t roles;
  int64_t tokens;
  const int32_t* lengths;        // [b] real tokens; the rest is padding
  const uint8_t* times_entropy;  // [r] 1: each row's value is multiplied by the row's entropy

  // Label roles: query i looks at the visible keys j with key_label[j] == query_label[i]
  // (-1 matches nothing) and lo <= j - i <= hi.
  int64_t label_roles;
  const int32_t* label_role;   // [l] the role's number r
  const int32_t* query_label;  // [l][b][t]
  const int32_t* key_label;    // [l][b][t]
  const int32_t* band;         // [l][2] lo, hi
  const float* row_weight;     // [l][b][t] |V(i)| / (|S(i)| * rows taking part); 0: takes no part

  // Pair roles: entries sorted by (sequence, query, key); row (b, i) owns the entries
  // pair_offsets[b * tokens + i] .. pair_offsets[b * tokens + i + 1]. Roles may be hundreds, with
  // a few entries each: work goes by entries.
  const int64_t* pair_offsets;  // [b * t + 1]
  const int32_t* pair_role;     // [entry]
  const int32_t* pair_key;      // [entry]
  const float* pair_weight;     // [entry] 0: the key is not visible
};

// V(i): the keys that query i may attend to, within the sequence's real tokens.
struct Visibility {
  bool causal;     // keys after the query are hidden
  int64_t window;  // causal: j > i - window; otherwise |i - j| <= window; -1: no window
};

}  // namespace headscore

#endif  // HEADSCORE_SIEVE_PLAN_H_
