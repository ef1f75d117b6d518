// Numbers of names in order of first appearance.
#ifndef HEADSCORE_SENTENCES_NAMES_H_
#define HEADSCORE_SENTENCES_NAMES_H_

#include <string_view>
#include <unordered_map>

#include "utf8.h"

namespace headscore {

class Names {
 public:
  // The number of a name, which must stay where it is; the next one where it is new.
  int64_t number_of(Slice name) {
    const std::string_view key(name.begin, name.size());
    return numbers_.try_emplace(key, numbers_.size()).first->second;
  }

 private:
  std::unordered_map<std::string_view, int64_t> numbers_;
};

}  // namespace headscore

#endif  // HEADSCORE_SENTENCES_NAMES_H_
