// The places (query, key) of a sequence that hold entries, and those they are compared with.
#ifndef HEADSCORE_PLANNING_PLACES_H_
#define HEADSCORE_PLANNING_PLACES_H_

#include <cstdint>
#include <vector>

#include "planning/sieves.h"

namespace headscore {

constexpr int64_t kMost = 128;  // places sampled of an offset: they grow with T and not T x T

// A place that holds an entry, or whose reverse, the key's place at the query, holds a word pair.
struct Place {
  int32_t query;
  int32_t key;
  int32_t first;  // its entries are items first .. last - 1
  int32_t last;
  int32_t offset;  // index of key - query among the offsets
  int32_t column;  // of its attention, -1: none
  bool member;     // holds a word pair that is compared
  bool reverse;    // its reverse does
  bool sampled;    // in the sample of its offset
};

// An offset, key - query, at which a sequence has entries. Of the sample at a compared offset, the
// queries free_query[first_free .. last_free - 1] are of no word pair and share one column.
struct Offset {
  int32_t value;
  int32_t column;       // of its free places, -1: word pairs have no such offset
  int64_t first_place;  // its places are by_offset()[first_place .. last_place - 1], by query
  int64_t last_place;
  int64_t first_free;
  int64_t last_free;
};

// An entry, and its number by query, key and role.
struct Item {
  uint64_t at;
  int32_t entry;
};

// The places of one sequence after another.
class Places {
 public:
  // `compared` only where queries and keys are the same tokens.
  Places(const Sieves& sieves, const Texts& texts, bool compared);

  // Finds the places of a sequence whose first token has number `start` of all tokens; `units` are
  // the first entries of each (role, sequence).
  void find(int64_t sequence, int64_t start, const std::vector<int64_t>& units);

  const std::vector<Item>& items() const { return items_; }        // by query, key, role, group
  const std::vector<Place>& places() const { return places_; }     // by query, key
  const std::vector<Offset>& offsets() const { return offsets_; }  // from low to high
  const std::vector<int32_t>& by_offset() const { return by_offset_; }
  const std::vector<int32_t>& free_query() const { return free_query_; }
  int64_t further() const { return further_; }  // columns behind those of the roles
  int32_t role_of(const Item& item) const { return sieves_.entry_role[item.entry]; }
  const Place* reverse_of(const Place& place) const;  // null: not there

 private:
  void sort_items(int64_t sequence, const std::vector<int64_t>& units);
  void find_offsets();
  void find_places();
  void group_by_offset();
  void sample();
  void sample_at(Offset* offset);
  void number_columns();
  bool free_of_arcs(int64_t query, int64_t key) const;
  int32_t& offset_at(int64_t offset) { return offset_at_[offset + sieves_.tokens]; }

  const Sieves& sieves_;
  const Texts& texts_;
  bool compared_;
  int64_t n_ = 0, n_keys_ = 0, start_ = 0, further_ = 0;
  std::vector<Item> items_;
  std::vector<Place> places_;
  std::vector<Offset> offsets_;
  std::vector<int32_t> by_offset_, free_query_;
  // Scratch of `find`.
  std::vector<int32_t> offset_at_;                 // index of each offset, -1: none
  std::vector<int32_t> arc_bucket_, arc_queries_;  // queries of the arcs, by offset
  std::vector<int64_t> arc_offsets_, next_;
  std::vector<int32_t> query_text_, key_text_, found_, place_at_;
  std::vector<uint64_t> reverses_;
};

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_PLACES_H_
