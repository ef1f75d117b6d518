// Numbers of names in order of first appearance.
#ifndef HEADSCORE_SENTENCES_NAMES_H_
#define HEADSCORE_SENTENCES_NAMES_H_

#include <string_view>
#include <unordered_map>

#include "utf8.h"

namespace headscore {

class Names {
 public:
  // The number of a name, whose bytes must stay where they are; the next number where it is new.
  int64_t number_of(Slice name) {
    // A treebank has few names, so that nearly all are found among the last ones.
    Entry& recent = recent_[slot_of(name)];
    if (recent.number < 0 || !(recent.name == name)) {
      const std::string_view key(name.begin, name.size());
      recent = {name, numbers_.try_emplace(key, numbers_.size()).first->second};
    }
    return recent.number;
  }

 private:
  struct Entry {
    Slice name;
    int64_t number = -1;
  };
  static constexpr int64_t kSlots = 256;

  static int64_t slot_of(Slice name) {
    const int64_t size = name.size();
    return size == 0 ? 0
                     : (size + name.begin[0] * 7 + name.begin[size / 2] * 31 + name.end[-1] * 101) &
                           (kSlots - 1);
  }

  Entry recent_[kSlots];
  std::unordered_map<std::string_view, int64_t> numbers_;
};

}  // namespace headscore

#endif  // HEADSCORE_SENTENCES_NAMES_H_
