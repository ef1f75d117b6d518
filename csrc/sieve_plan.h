// The contract between Python and every kernel: the arrays of a compiled sieve plan, who sees whom,
// tensors, and faults.
//
// A kernel sees role number 3, never "syntactic". Axes: r role, l label role, b sequence of the
// batch, t query token (padded to `tokens`), k key token (padded to `key_tokens`). In
// cross-attention the keys are tokens of another text; else both are the same tokens, and the two
// sizes and lengths too. All arrays are C-contiguous and owned by the caller.
#ifndef HEADSCORE_SIEVE_PLAN_H_
#define HEADSCORE_SIEVE_PLAN_H_

#include <cstdint>

namespace headscore {

struct SievePlan {
  int64_t batch;
  int64_t roles;
  int64_t tokens;
  int64_t key_tokens;
  const int32_t* lengths;        // [b] real queries; the rest is padding
  const int32_t* key_lengths;    // [b] real keys
  const uint8_t* times_entropy;  // [r] 1: each row's value is multiplied by the row's entropy

  // Label roles: query i looks at the visible keys j with key_label[j] == query_label[i]
  // (-1 matches nothing) and lo <= j - i <= hi.
  int64_t label_roles;
  const int32_t* label_role;   // [l] the role's number r
  const int32_t* query_label;  // [l][b][t]
  const int32_t* key_label;    // [l][b][k]
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

// V(i): the keys that query i may attend to, within the sequence's real keys. Keys of another text
// than the queries' are all visible.
struct Visibility {
  bool causal;     // keys after the query are hidden
  int64_t window;  // causal: j > i - window; otherwise |i - j| <= window; -1: no window
};

enum class Dtype : int32_t { kFloat32 = 0, kBfloat16 = 1, kFloat16 = 2 };

// A tensor [batch][head][row][column] whose last stride is 1; strides count elements.
struct Tensor4 {
  const void* data;
  Dtype dtype;
  int64_t batch_stride;
  int64_t head_stride;
  int64_t row_stride;
};

// What is wrong with a row of attention, one bit each.
enum RowFault : uint8_t { kNotFinite = 1, kNegative = 2, kSumNotOne = 4 };

}  // namespace headscore

#endif  // HEADSCORE_SIEVE_PLAN_H_
