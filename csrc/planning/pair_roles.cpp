#include "planning/pair_roles.h"

#include <cmath>

namespace headscore {

void PairRoles::add(int64_t sequence, const Sight& sight, const Places& places,
                    const LabelRoles& labels) {
  for (int64_t r = 0; r < sieves_.roles; ++r) {
    int64_t unit = r * sieves_.batch + sequence;
    if (units_[unit] < units_[unit + 1]) weigh(r, sequence, sight);
  }
  add_best(sequence, sight, places);
  if (arrays_.overlap != nullptr) count_overlap(sequence, sight, places, labels);
}

// Entries are sorted by role, sequence, group, query and key, so each level of the hierarchy is a
// run: the visible keys of a row, the rows of a group that have such a key, the groups of a
// sequence that have such a row.
void PairRoles::weigh(int64_t role, int64_t sequence, const Sight& sight) {
  const int32_t *group = sieves_.entry_group, *query = sieves_.entry_query;
  int64_t first = units_[role * sieves_.batch + sequence];
  int64_t last = units_[role * sieves_.batch + sequence + 1];
  keys_.resize(last - first);
  rows_.resize(last - first);
  int64_t groups = 0;
  for (int64_t g = first, end = first; g < last; g = end) {
    int64_t rows = 0;
    while (end < last && group[end] == group[g]) {
      int64_t row = end, keys = 0;
      for (; end < last && group[end] == group[g] && query[end] == query[row]; ++end) {
        keys += visible(end, sight);
      }
      std::fill(keys_.begin() + (row - first), keys_.begin() + (end - first), keys);
      rows += keys > 0;
    }
    std::fill(rows_.begin() + (g - first), rows_.begin() + (end - first), rows);
    groups += rows > 0;
  }
  uint8_t* token_part =
      arrays_.token_takes_part + (sequence * sieves_.roles + role) * sieves_.tokens;
  for (int64_t e = first; e < last; ++e) {
    weight_[e] = 0;
    if (!visible(e, sight)) continue;
    weight_[e] = static_cast<double>(sight.count(query[e])) /
                 static_cast<double>(keys_[e - first] * rows_[e - first] * groups);
    token_part[query[e]] = 1;
  }
  bool takes_part = groups > 0;
  int64_t unit = sequence * sieves_.roles + role;
  arrays_.takes_part[unit] = takes_part;
  if (arrays_.invisible != nullptr) arrays_.invisible[unit] = !takes_part;
}

// A row adds most when all its attention lies on the key of the largest total weight: a place may
// be in several groups, which multiply the same attention. With the entropy factor that weight
// times ln |V(i)|, the largest entropy of the row, is an upper bound.
void PairRoles::add_best(int64_t sequence, const Sight& sight, const Places& places) {
  for (Best& each : best_) each = {-1, 0, 0};
  const std::vector<Item>& items = places.items();
  for (size_t first = 0, last = 0; first < items.size(); first = last) {
    double total = 0;
    for (; last < items.size() && items[last].at == items[first].at; ++last) {
      total += weight_[items[last].entry];
    }
    int64_t role = places.role_of(items[first]);
    int64_t query = sieves_.entry_query[items[first].entry];
    if (sieves_.times_entropy[role]) {
      total *= std::log(static_cast<double>(std::max<int64_t>(sight.count(query), 1)));
    }
    Best& best = best_[role];
    if (best.query != query) best = {query, 0, best.before + best.row};
    best.row = std::max(best.row, total);
  }
  for (int64_t r = 0; r < sieves_.roles; ++r) {
    int64_t unit = sequence * sieves_.roles + r;
    // Label roles have written theirs. Any other role without a visible entry takes no part.
    if (best_[r].query < 0 && arrays_.takes_part[unit]) continue;
    double best = best_[r].before + best_[r].row;
    arrays_.attainable[unit] = arrays_.takes_part[unit] ? static_cast<float>(best) : std::nanf("");
  }
}

void PairRoles::count_overlap(int64_t sequence, const Sight& sight, const Places& places,
                              const LabelRoles& labels) {
  int64_t* overlap = arrays_.overlap + sequence * sieves_.roles * sieves_.roles;
  const std::vector<Item>& items = places.items();
  for (const Place& place : places.places()) {
    if (place.first == place.last || !sight.allows(place.key - place.query)) continue;
    here_.clear();  // the roles that hold this place, pair roles first
    for (int32_t n = place.first; n < place.last; ++n) {
      int32_t role = places.role_of(items[n]);
      if (here_.empty() || here_.back() != role) here_.push_back(role);
    }
    size_t pair_roles = here_.size();
    for (int64_t l = 0; l < sieves_.label_roles; ++l) {
      if (labels.holds(l, place.query, place.key)) here_.push_back(sieves_.label_role[l]);
    }
    for (size_t m = 0; m < pair_roles; ++m) {
      ++overlap[here_[m] * sieves_.roles + here_[m]];
      for (size_t n = m + 1; n < here_.size(); ++n) {
        ++overlap[here_[m] * sieves_.roles + here_[n]];
        ++overlap[here_[n] * sieves_.roles + here_[m]];
      }
    }
  }
}

void PairRoles::append(int64_t sequence, const Sight& sight, const Places& places,
                       GrownArrays* grown) {
  const std::vector<int32_t>&by_offset = places.by_offset(), &free_query = places.free_query();
  // Entries of each row, then where the next one of each row goes.
  cursor_.assign(sight.n, 0);
  for (const Place& place : places.places()) {
    cursor_[place.query] += place.last - place.first + (place.column >= 0);
  }
  for (int32_t query : free_query) ++cursor_[query];
  int64_t end = static_cast<int64_t>(grown->pair_role.size());
  int64_t* pair_offsets = arrays_.pair_offsets + sequence * sieves_.tokens;
  for (int64_t i = 0; i < sight.n; ++i) {
    pair_offsets[i] = end;
    end += cursor_[i];
    cursor_[i] = pair_offsets[i];
  }
  std::fill(pair_offsets + sight.n, pair_offsets + sieves_.tokens + 1, end);
  // As many for each sequence as for those before, and a bit.
  size_t expected = end * sieves_.batch / (sequence + 1) * 9 / 8;
  int32_t* role = grown->pair_role.resize(end, expected);
  int32_t* keys = grown->pair_key.resize(end, expected);
  float* weight = grown->pair_weight.resize(end, expected);
  // In a row a higher offset is a higher key: offset by offset, every row fills in order of its
  // keys. At one place roles come before the further column, whose number is higher.
  for (const Offset& offset : places.offsets()) {
    float seen = sight.allows(offset.value) ? 1.0f : 0.0f;
    for (int64_t p = offset.first_place; p < offset.last_place; ++p) {
      const Place& place = places.places()[by_offset[p]];
      int64_t& at = cursor_[place.query];
      for (int32_t n = place.first; n < place.last; ++n, ++at) {
        int32_t entry = places.items()[n].entry;
        role[at] = sieves_.entry_role[entry];
        keys[at] = place.key;
        weight[at] = static_cast<float>(weight_[entry]);
      }
      if (place.column >= 0) {
        role[at] = place.column;
        keys[at] = place.key;
        weight[at++] = seen;
      }
    }
    for (int64_t f = offset.first_free; f < offset.last_free; ++f) {
      int32_t query = free_query[f];
      int64_t at = cursor_[query]++;
      role[at] = offset.column;
      keys[at] = query + offset.value;
      weight[at] = seen;
    }
  }
}

}  // namespace headscore
