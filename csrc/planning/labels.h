// Counts of visible keys with the label of a query: a window that slides over each sequence.
#ifndef HEADSCORE_PLANNING_LABELS_H_
#define HEADSCORE_PLANNING_LABELS_H_

#include <cstdint>
#include <vector>

#include "planning/sieves.h"

namespace headscore {

// The labels of a role in one sequence, as numbers below `numbers`; negative: matches nothing.
struct LabelRow {
  const int32_t* query;
  const int32_t* key;
  int64_t numbers;
};

// Numbers distinct values 0, 1, ... in the order in which they are added.
class Numbering {
 public:
  void clear(int64_t most);
  int32_t add(uint64_t value);
  int32_t find(uint64_t value) const;  // -1: not added
  int64_t size() const { return size_; }

 private:
  int64_t slot(uint64_t value) const;

  std::vector<uint64_t> values_;
  std::vector<int32_t> numbers_;  // of the value in each slot, -1: empty
  uint64_t mask_ = 0;
  int32_t size_ = 0;
};

// The labels of all roles of a batch, one sequence at a time. Large labels, such as token ids, are
// numbered anew in each sequence, so that a table of counts has a small row for each number.
class Labels {
 public:
  explicit Labels(const Sieves& sieves);

  void read(int64_t sequence);
  const LabelRow& of(int64_t role) const { return rows_[role]; }

  // The role of both: i looks at j where both labels agree. No numbers: no key has both labels.
  // Valid until the next call.
  LabelRow both(int64_t one, int64_t other);

  // Calls each(i, count) with the visible keys of query i that have its label within the band.
  template <class Each>
  void count(const LabelRow& row, int64_t low, int64_t high, const Sight& sight, Each each) {
    if (static_cast<int64_t>(counts_.size()) < row.numbers) counts_.resize(row.numbers, 0);
    int32_t* counts = counts_.data();
    const int32_t *query = row.query, *key = row.key;
    auto add = [=](int64_t j, int32_t change) {
      if (key[j] >= 0) counts[key[j]] += change;
    };
    // The keys of query i are [first, last), whose ends never fall as i rises.
    int64_t n = sight.n, keys = sight.keys, added = 0, removed = 0;
    int64_t lowest = std::max(low, sight.lowest), highest = std::min(high, sight.highest);
    bool all = lowest <= 1 - n && highest >= keys - 1;  // every query sees every key
    for (; all && added < keys; ++added) add(added, 1);
    for (int64_t i = 0; i < n; ++i) {
      if (!all) {
        int64_t first = std::min(keys, std::max<int64_t>(0, i + lowest));
        int64_t last = std::max(first, std::min(keys, i + highest + 1));
        for (; added < last; ++added) add(added, 1);
        for (; removed < first; ++removed) add(removed, -1);
      }
      each(i, query[i] >= 0 ? counts[query[i]] : 0);
    }
    for (; removed < added; ++removed) add(removed, -1);
  }

 private:
  // Numbers the values of a query and a key row; negative ones stay as they are.
  template <class Query, class Key>
  LabelRow numbered(Query query, Key key, int32_t* into);

  const Sieves& sieves_;
  int64_t n_ = 0, n_keys_ = 0;
  std::vector<int64_t> most_;  // labels of each role: the largest and 1
  std::vector<LabelRow> rows_;
  std::vector<int32_t> own_;     // [l][query then key tokens] numbers of roles with large labels
  std::vector<int32_t> common_;  // [query then key tokens] of `both`
  std::vector<int32_t> counts_;  // 0 between calls
  Numbering numbering_;
};

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_LABELS_H_
