#include "planning/comparing.h"

namespace headscore {

namespace {

bool has_role(const Place& place, int64_t role, const Places& places) {
  for (int32_t n = place.first; n < place.last; ++n) {
    if (places.role_of(places.items()[n]) == role) return true;
  }
  return false;
}

}  // namespace

void Comparing::append(int64_t sequence, const Sight& sight, const Places& places,
                       GrownArrays* grown) {
  for (size_t p = 0; p < places.places().size(); ++p) {
    const Place& place = places.places()[p];
    for (int32_t n = place.first; n < place.last; ++n) {
      place_[places.items()[n].entry] = static_cast<int32_t>(p);
    }
  }
  for (int64_t r = 0; r < sieves_.roles; ++r) {
    int64_t unit = r * sieves_.batch + sequence;
    if (sieves_.listed[r] && units_[unit] < units_[unit + 1]) {
      append_unit(r, sequence, sight, places, grown);
    }
  }
}

void Comparing::append_unit(int64_t role, int64_t sequence, const Sight& sight,
                            const Places& places, GrownArrays* grown) {
  means_.assign(places.offsets().size(), Mean());
  int64_t unit = role * sieves_.batch + sequence, pairs = 0;
  for (int64_t first = units_[unit], last = first; first < units_[unit + 1]; first = last) {
    while (last < units_[unit + 1] && sieves_.entry_group[last] == sieves_.entry_group[first]) {
      ++last;
    }
    pairs += append_pair(first, last, role, sight, places, grown);
  }
  if (pairs == 0) return;
  grown->unit_sequence.push_back(static_cast<int32_t>(sequence));
  grown->unit_role.push_back(static_cast<int32_t>(role));
  grown->unit_offsets.push_back(static_cast<int64_t>(grown->pair_offsets.size()) - 1);
}

// Returns 1 for a pair that has a comparison.
int64_t Comparing::append_pair(int64_t first, int64_t last, int64_t role, const Sight& sight,
                               const Places& places, GrownArrays* grown) {
  const int32_t* query = sieves_.entry_query;
  chosen_.clear();
  bool any = false;
  for (int64_t e = first; e < last; ++e) {
    const Place& place = places.places()[place_[e]];
    if (!sight.allows(place.key - place.query)) continue;
    any = true;
    if (mean_at(place.offset, role, sight, places).count > 0) chosen_.push_back(e);
  }
  if (chosen_.empty()) {
    grown->left_out += any;
    return 0;
  }
  int64_t rows = 0;
  for (size_t n = 0; n < chosen_.size(); ++n) {
    rows += n == 0 || query[chosen_[n]] != query[chosen_[n - 1]];
  }
  // w_ij = |V(i)| / (keys of the row * rows of the pair), of those that are compared.
  for (size_t row = 0, end = 0; row < chosen_.size(); row = end) {
    while (end < chosen_.size() && query[chosen_[end]] == query[chosen_[row]]) ++end;
    double weight = static_cast<double>(sight.count(query[chosen_[row]])) /
                    static_cast<double>(static_cast<int64_t>(end - row) * rows);
    for (size_t n = row; n < end; ++n) {
      const Place& place = places.places()[place_[chosen_[n]]];
      Mean& mean = mean_at(place.offset, role, sight, places);
      grown->member_column.push_back(place.column);
      grown->member_mean.push_back(number_of(&mean, place.offset, role, places, grown));
      grown->member_weight.push_back(weight);
    }
  }
  grown->pair_offsets.push_back(static_cast<int64_t>(grown->member_column.size()));
  return 1;
}

// The comparison entries at a visible offset: the free ones, and sampled ones of other roles'
// pairs.
Comparing::Mean& Comparing::mean_at(int32_t offset, int64_t role, const Sight& sight,
                                    const Places& places) {
  Mean& mean = means_[offset];
  if (mean.count >= 0) return mean;
  const Offset& at = places.offsets()[offset];
  mean.count = sight.allows(at.value) ? at.last_free - at.first_free : 0;
  for (int64_t p = at.first_place; p < at.last_place && sight.allows(at.value); ++p) {
    mean.count += other(places.places()[places.by_offset()[p]], role, places);
  }
  return mean;
}

int32_t Comparing::number_of(Mean* mean, int32_t offset, int64_t role, const Places& places,
                             GrownArrays* grown) {
  if (mean->number >= 0) return mean->number;
  mean->number = static_cast<int32_t>(grown->mean_share.size());
  const Offset& at = places.offsets()[offset];
  // The column of the free entries holds their sum.
  if (at.first_free < at.last_free) grown->mean_column.push_back(at.column);
  for (int64_t p = at.first_place; p < at.last_place; ++p) {
    const Place& place = places.places()[places.by_offset()[p]];
    if (other(place, role, places)) grown->mean_column.push_back(place.column);
  }
  grown->mean_offsets.push_back(static_cast<int64_t>(grown->mean_column.size()));
  grown->mean_share.push_back(1.0 / static_cast<double>(mean->count));
  return mean->number;
}

// Whether a place is a comparison entry that belongs to word pairs of other roles only.
bool Comparing::other(const Place& place, int64_t role, const Places& places) const {
  if (!place.sampled || has_role(place, role, places)) return false;
  const Place* reverse = places.reverse_of(place);
  return reverse == nullptr || !has_role(*reverse, role, places);
}

void Comparing::finish(GrownArrays* grown) const {
  int64_t columns = sieves_.roles + grown->further;
  std::vector<int32_t> mean_sequence(grown->mean_share.size());
  for (size_t u = 0; u < grown->unit_role.size(); ++u) {
    int64_t sequence = grown->unit_sequence[u];
    for (int64_t p = grown->unit_offsets[u]; p < grown->unit_offsets[u + 1]; ++p) {
      for (int64_t m = grown->pair_offsets[p]; m < grown->pair_offsets[p + 1]; ++m) {
        grown->member_column[m] += static_cast<int32_t>(sequence * columns);
        mean_sequence[grown->member_mean[m]] = static_cast<int32_t>(sequence);
      }
    }
  }
  for (size_t mean = 0; mean < mean_sequence.size(); ++mean) {
    for (int64_t c = grown->mean_offsets[mean]; c < grown->mean_offsets[mean + 1]; ++c) {
      grown->mean_column[c] += static_cast<int32_t>(mean_sequence[mean] * columns);
    }
  }
}

}  // namespace headscore
