// What a plan is computed from: the sieves of a batch, its texts and arcs, and the visible keys.
#ifndef HEADSCORE_PLANNING_SIEVES_H_
#define HEADSCORE_PLANNING_SIEVES_H_

#include <algorithm>
#include <cstdint>

#include "sieve_plan.h"

namespace headscore {

// The arrays of headscore.sieves.compile.CompiledSieves, under the same names.
struct Sieves {
  int64_t batch;
  int64_t tokens;
  int64_t key_tokens;
  int64_t roles;
  int64_t label_roles;
  int64_t entries;
  const int32_t* lengths;
  const int32_t* key_lengths;
  const uint8_t* times_entropy;
  const int32_t* label_role;
  const int32_t* query_label;
  const int32_t* key_label;
  const int32_t* band;
  const uint8_t* listed;
  const int32_t* entry_role;
  const int32_t* entry_sequence;
  const int32_t* entry_group;
  const int32_t* entry_query;
  const int32_t* entry_key;
};

// Of the real tokens of all sequences, one after the other: the text, -1 for special tokens; and
// the keys to which an arc of the parse leads, in either direction, sorted and each once.
struct Texts {
  const int32_t* text;
  const int64_t* arc_offsets;
  const int32_t* arc_key;
};

// V(i) = [begin, end) of the queries of a sequence of n tokens. Every supported pattern makes it
// one interval of keys. With n = 5 = keys and window 2:
//
//     i                0      1      2      3      4
//     causal           [0,1)  [0,2)  [1,3)  [2,4)  [3,5)     window counts query i itself
//     not causal       [0,3)  [0,4)  [0,5)  [1,5)  [2,5)     window counts keys on each side
//
// Both ends never fall as i rises, and whether i sees j depends on j - i alone. Keys of another
// text than the queries' are all visible.
struct Sight {
  int64_t n, keys;          // real queries, and real keys
  int64_t lowest, highest;  // offsets j - i that are visible

  Sight(const Visibility& visibility, int64_t queries, int64_t keys)
      : n(queries), keys(keys), lowest(-std::max(queries, keys)), highest(-lowest) {
    if (visibility.window >= 0) {
      int64_t window = std::min(visibility.window, highest);
      lowest = visibility.causal ? 1 - window : -window;
      highest = window;
    }
    if (visibility.causal) highest = 0;
  }

  int64_t begin(int64_t i) const { return std::max<int64_t>(0, i + lowest); }
  int64_t end(int64_t i) const { return std::min(keys, i + highest + 1); }
  int64_t count(int64_t i) const { return end(i) - begin(i); }
  bool allows(int64_t offset) const { return lowest <= offset && offset <= highest; }
};

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_SIEVES_H_
