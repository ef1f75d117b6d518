#include "planning/entries.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace headscore {

int64_t append_entries(const GivenEntries& given, int32_t role, int64_t batch,
                       const int32_t* lengths, const int32_t* key_lengths, SortedEntries* entries) {
  auto inside = [&](int64_t e) {
    if (given.sequence[e] < 0 || given.sequence[e] >= batch) return false;
    if (given.group[e] != static_cast<int32_t>(given.group[e])) return false;
    int64_t n = lengths[given.sequence[e]], keys = key_lengths[given.sequence[e]];
    return given.query[e] >= 0 && given.query[e] < n && given.key[e] >= 0 && given.key[e] < keys;
  };
  for (int64_t e = 0; e < given.count; ++e) {
    if (!inside(e)) return e;
  }
  auto place = [&](int64_t e) {
    return std::make_tuple(given.sequence[e], given.group[e], given.query[e], given.key[e]);
  };
  auto append = [&](int64_t e) {
    entries->role.push_back(role);
    entries->sequence.push_back(static_cast<int32_t>(given.sequence[e]));
    entries->group.push_back(static_cast<int32_t>(given.group[e]));
    entries->query.push_back(static_cast<int32_t>(given.query[e]));
    entries->key.push_back(static_cast<int32_t>(given.key[e]));
  };
  bool ascending = true;
  for (int64_t e = 1; e < given.count && ascending; ++e) ascending = place(e - 1) < place(e);
  if (ascending) {
    for (int64_t e = 0; e < given.count; ++e) append(e);
    return -1;
  }
  std::vector<int64_t> order(given.count);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return place(a) < place(b); });
  for (int64_t n = 0; n < given.count; ++n) {
    // An entry that is listed twice counts once.
    if (n == 0 || place(order[n - 1]) != place(order[n])) append(order[n]);
  }
  return -1;
}

void list_arcs(const Words& words, const int64_t* token_offsets, std::vector<int64_t>* arc_offsets,
               std::vector<int32_t>* arc_key) {
  // Calls found(token, key) for both directions of every arc.
  auto each_arc = [&](auto found) {
    for (int64_t s = 0; s < words.sequences; ++s) {
      for (int64_t p = words.offsets[s]; p < words.offsets[s + 1]; ++p) {
        for (int64_t d = words.dependent_offsets[p]; d < words.dependent_offsets[p + 1]; ++d) {
          for (int64_t h = words.head_offsets[p]; h < words.head_offsets[p + 1]; ++h) {
            int32_t one = words.dependents[d], other = words.heads[h];
            if (one == other) continue;  // a piece of both words, as of "don't"
            found(token_offsets[s] + one, other);
            found(token_offsets[s] + other, one);
          }
        }
      }
    }
  };
  // A counting sort by token, then each token's keys are sorted and made unique.
  int64_t tokens = token_offsets[words.sequences];
  arc_offsets->assign(tokens + 1, 0);
  each_arc([&](int64_t token, int32_t) { ++(*arc_offsets)[token + 1]; });
  for (int64_t t = 0; t < tokens; ++t) (*arc_offsets)[t + 1] += (*arc_offsets)[t];
  std::vector<int64_t> next(arc_offsets->begin(), arc_offsets->end());
  arc_key->resize(arc_offsets->back());
  each_arc([&](int64_t token, int32_t key) { (*arc_key)[next[token]++] = key; });
  int64_t kept = 0;
  for (int64_t t = 0; t < tokens; ++t) {
    auto first = arc_key->begin() + (t == 0 ? 0 : next[t - 1]), last = arc_key->begin() + next[t];
    std::sort(first, last);
    last = std::unique(first, last);
    (*arc_offsets)[t] = kept;
    kept = std::copy(first, last, arc_key->begin() + kept) - arc_key->begin();
  }
  (*arc_offsets)[tokens] = kept;
  arc_key->resize(kept);
}

}  // namespace headscore
