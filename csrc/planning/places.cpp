#include "planning/places.h"

namespace headscore {

Places::Places(const Sieves& sieves, const Texts& texts, bool compared)
    : sieves_(sieves),
      texts_(texts),
      compared_(compared),
      offset_at_(sieves.tokens + sieves.key_tokens + 1, -1),
      query_text_(sieves.tokens),
      key_text_(sieves.tokens),
      found_(sieves.tokens),
      place_at_(sieves.tokens, -1) {}

void Places::find(int64_t sequence, int64_t start, const std::vector<int64_t>& units) {
  n_ = sieves_.lengths[sequence], n_keys_ = sieves_.key_lengths[sequence];
  start_ = start;
  free_query_.clear();
  sort_items(sequence, units);
  find_offsets();
  find_places();
  group_by_offset();
  sample();
  number_columns();
  for (const Offset& each : offsets_) offset_at(each.value) = -1;
}

void Places::sort_items(int64_t sequence, const std::vector<int64_t>& units) {
  items_.clear();
  for (int64_t r = 0; r < sieves_.roles; ++r) {
    int64_t unit = r * sieves_.batch + sequence;
    for (int64_t e = units[unit]; e < units[unit + 1]; ++e) {
      uint64_t place =
          static_cast<uint64_t>(sieves_.entry_query[e]) * n_keys_ + sieves_.entry_key[e];
      items_.push_back({place * sieves_.roles + r, static_cast<int32_t>(e)});
    }
  }
  auto before = [](const Item& a, const Item& b) {
    return a.at != b.at ? a.at < b.at : a.entry < b.entry;
  };
  if (!std::is_sorted(items_.begin(), items_.end(), before)) {
    std::sort(items_.begin(), items_.end(), before);
  }
}

void Places::find_offsets() {
  offsets_.clear();
  for (const Item& item : items_) {
    int32_t value = sieves_.entry_key[item.entry] - sieves_.entry_query[item.entry];
    int32_t& index = offset_at(value);
    if (index < 0) {
      index = static_cast<int32_t>(offsets_.size());
      offsets_.push_back({value, -1, 0, 0, 0, 0});
    }
    // Bool masks have entries but no word pairs. Any column but -1 stands for "compared" until
    // columns are numbered.
    if (compared_ && sieves_.listed[role_of(item)]) offsets_[index].column = 0;
  }
  std::sort(offsets_.begin(), offsets_.end(),
            [](const Offset& a, const Offset& b) { return a.value < b.value; });
  for (size_t x = 0; x < offsets_.size(); ++x) {
    offset_at(offsets_[x].value) = static_cast<int32_t>(x);
  }
}

void Places::find_places() {
  // Runs of items at one place, merged with the reverses of word pairs that may be sampled.
  places_.clear();
  reverses_.clear();
  for (size_t first = 0, last = 0; first < items_.size(); first = last) {
    int32_t entry = items_[first].entry;
    int32_t query = sieves_.entry_query[entry], key = sieves_.entry_key[entry];
    bool member = false;
    uint64_t end = (static_cast<uint64_t>(query) * n_keys_ + key + 1) * sieves_.roles;
    for (; last < items_.size() && items_[last].at < end; ++last) {
      member |= compared_ && sieves_.listed[role_of(items_[last])];
    }
    places_.push_back({query, key, static_cast<int32_t>(first), static_cast<int32_t>(last),
                       offset_at(key - query), -1, member, false, false});
    int32_t opposite = offset_at(query - key);
    if (member && opposite >= 0 && offsets_[opposite].column >= 0 && free_of_arcs(query, key)) {
      reverses_.push_back(static_cast<uint64_t>(key) * n_ + query);
    }
  }
  if (reverses_.empty()) return;
  std::sort(reverses_.begin(), reverses_.end());
  int32_t none = static_cast<int32_t>(items_.size());
  size_t held = places_.size();
  for (uint64_t place : reverses_) {
    int32_t query = static_cast<int32_t>(place / n_), key = static_cast<int32_t>(place % n_);
    auto before = [=](const Place& each, uint64_t number) {
      return static_cast<uint64_t>(each.query) * n_ + each.key < number;
    };
    auto at = std::lower_bound(places_.begin(), places_.begin() + held, place, before);
    if (at != places_.begin() + held && at->query == query && at->key == key) {
      at->reverse = true;
    } else {
      places_.push_back({query, key, none, none, offset_at(key - query), -1, false, true, false});
    }
  }
  std::inplace_merge(places_.begin(), places_.begin() + held, places_.end(),
                     [](const Place& a, const Place& b) {
                       return a.query != b.query ? a.query < b.query : a.key < b.key;
                     });
}

void Places::group_by_offset() {
  // Places of an offset follow each other; a counting sort keeps them in the order of the queries.
  for (const Place& place : places_) ++offsets_[place.offset].last_place;
  int64_t end = 0;
  for (Offset& each : offsets_) {
    each.first_place = end;
    end += each.last_place;
    each.last_place = each.first_place;
  }
  by_offset_.resize(places_.size());
  for (size_t p = 0; p < places_.size(); ++p) {
    by_offset_[offsets_[places_[p].offset].last_place++] = static_cast<int32_t>(p);
  }
}

void Places::sample() {
  if (!compared_) return;
  // Texts of queries and keys; special tokens differ from every other.
  for (int64_t i = 0; i < n_; ++i) {
    int32_t text = texts_.text[start_ + i];
    query_text_[i] = text < 0 ? -1 : text;
    key_text_[i] = text < 0 ? -2 : text;
  }
  // A counting sort of the arcs by offset: bucket x + 1 has those of offset x, bucket 0 the rest.
  int64_t first_arc = texts_.arc_offsets[start_];
  int64_t arcs = texts_.arc_offsets[start_ + n_] - first_arc;
  arc_bucket_.resize(arcs);
  arc_queries_.resize(arcs);
  arc_offsets_.assign(offsets_.size() + 2, 0);
  for (int64_t i = 0, a = 0; i < n_; ++i) {
    for (; a < texts_.arc_offsets[start_ + i + 1] - first_arc; ++a) {
      arc_bucket_[a] = offset_at(texts_.arc_key[first_arc + a] - i) + 1;
      ++arc_offsets_[arc_bucket_[a] + 1];
    }
  }
  for (size_t x = 1; x < arc_offsets_.size(); ++x) arc_offsets_[x] += arc_offsets_[x - 1];
  next_.assign(arc_offsets_.begin(), arc_offsets_.end());
  for (int64_t i = 0, a = 0; i < n_; ++i) {
    for (; a < texts_.arc_offsets[start_ + i + 1] - first_arc; ++a) {
      arc_queries_[next_[arc_bucket_[a]]++] = static_cast<int32_t>(i);
    }
  }
  for (Offset& each : offsets_) {
    each.first_free = static_cast<int64_t>(free_query_.size());
    if (each.column >= 0) sample_at(&each);
    each.last_free = static_cast<int64_t>(free_query_.size());
  }
}

void Places::sample_at(Offset* offset) {
  // A query with an arc gets the text of no key for the time of this offset.
  constexpr int32_t kArc = -3;
  int64_t bucket = offset - offsets_.data() + 1, o = offset->value;
  int64_t first_arc = arc_offsets_[bucket], last_arc = arc_offsets_[bucket + 1];
  for (int64_t a = first_arc; a < last_arc; ++a) query_text_[arc_queries_[a]] = kArc;
  const int32_t *query_text = query_text_.data(), *key_text = key_text_.data();
  int32_t* found = found_.data();
  int64_t m = 0, last = std::min(n_, n_ - o);
  for (int64_t i = std::max<int64_t>(0, -o); i < last; ++i) {
    found[m] = static_cast<int32_t>(i);
    m += query_text[i] == key_text[i + o];
  }
  for (int64_t a = first_arc; a < last_arc; ++a) {
    int64_t i = arc_queries_[a];
    int32_t text = texts_.text[start_ + i];
    query_text_[i] = text < 0 ? -1 : text;
  }
  for (int64_t p = offset->first_place; p < offset->last_place; ++p) {
    const Place& place = places_[by_offset_[p]];
    if (place.member || place.reverse) place_at_[place.query] = by_offset_[p];
  }
  // Of m > kMost places the k-th one kept is number k m / kMost, rounded down. Place number r is
  // one of these where r kMost is a multiple of m or less than kMost below one. With kMost 4 and m
  // 10:
  //
  //     number              0   1   2   3   4   5   6   7   8   9
  //     -4 * number % 10    0   6   2   8   4   0   6   2   8   4     kept where below 4
  //     kept                0       2           5       7
  //
  // The numbers count places of one text only, so that the sample does not depend on padding.
  for (int64_t r = 0; r < m; ++r) {
    if (m > kMost && (m - r * kMost % m) % m >= kMost) continue;
    int32_t at = place_at_[found[r]];
    if (at >= 0) {
      places_[at].sampled = true;
    } else {
      free_query_.push_back(found[r]);
    }
  }
  for (int64_t p = offset->first_place; p < offset->last_place; ++p) {
    place_at_[places_[by_offset_[p]].query] = -1;
  }
}

void Places::number_columns() {
  int32_t column = static_cast<int32_t>(sieves_.roles);
  for (Place& place : places_) {
    if (place.member || (place.reverse && place.sampled)) place.column = column++;
  }
  for (Offset& each : offsets_) {
    if (each.column >= 0) each.column = column++;
  }
  further_ = column - sieves_.roles;
}

bool Places::free_of_arcs(int64_t query, int64_t key) const {
  const int32_t* first = texts_.arc_key + texts_.arc_offsets[start_ + query];
  const int32_t* last = texts_.arc_key + texts_.arc_offsets[start_ + query + 1];
  return !std::binary_search(first, last, static_cast<int32_t>(key));
}

const Place* Places::reverse_of(const Place& place) const {
  auto at = std::lower_bound(
      places_.begin(), places_.end(), place, [](const Place& each, const Place& wanted) {
        return each.query != wanted.key ? each.query < wanted.key : each.key < wanted.query;
      });
  bool there = at != places_.end() && at->query == place.key && at->key == place.query;
  return there ? &*at : nullptr;
}

}  // namespace headscore
