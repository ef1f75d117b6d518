// Checks and sorts the entries of pair roles, and lists the arcs of the parse.
#ifndef HEADSCORE_PLANNING_ENTRIES_H_
#define HEADSCORE_PLANNING_ENTRIES_H_

#include <cstdint>
#include <vector>

namespace headscore {

// The entries of one role, as it gives them.
struct GivenEntries {
  int64_t count;
  const int64_t* sequence;
  const int64_t* group;
  const int64_t* query;
  const int64_t* key;
};

// Entries of all roles, sorted by role, sequence, group, query and key, each once.
struct SortedEntries {
  std::vector<int32_t> role, sequence, group, query, key;
};

// Appends the entries of a role, whose number is higher than those before it. Returns -1, or the
// first entry whose positions lie outside its sequence, or whose group outside int32; then nothing
// is appended.
int64_t append_entries(const GivenEntries& given, int32_t role, int64_t batch,
                       const int32_t* lengths, const int32_t* key_lengths, SortedEntries* entries);

// The columns of headscore.encoding.encoded.WordPairs, under the same names.
struct Words {
  int64_t sequences;
  const int64_t* offsets;
  const int64_t* dependent_offsets;
  const int32_t* dependents;
  const int64_t* head_offsets;
  const int32_t* heads;
};

// The keys that arcs lead to from each real token, in either direction, sorted and each once.
// `token_offsets` are the first tokens of the sequences.
void list_arcs(const Words& words, const int64_t* token_offsets, std::vector<int64_t>* arc_offsets,
               std::vector<int32_t>* arc_key);

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_ENTRIES_H_
