#include "planning/label_roles.h"

#include <cmath>

#include "planning/entropy.h"

namespace headscore {

void LabelRoles::add(int64_t sequence, const Sight& sight) {
  labels_.read(sequence);
  for (int64_t l = 0; l < sieves_.label_roles; ++l) weigh(l, sequence, sight);
  if (arrays_.overlap != nullptr) count_overlap(sequence, sight);
}

bool LabelRoles::holds(int64_t l, int64_t query, int64_t key) const {
  const LabelRow& row = labels_.of(l);
  int64_t offset = key - query;
  return sieves_.band[2 * l] <= offset && offset <= sieves_.band[2 * l + 1] &&
         row.query[query] >= 0 && row.query[query] == row.key[key];
}

void LabelRoles::weigh(int64_t l, int64_t sequence, const Sight& sight) {
  int64_t role = sieves_.label_role[l], unit = sequence * sieves_.roles + role;
  n_sieve_.resize(sieves_.tokens);
  int64_t rows = 0, entries = 0;
  labels_.count(labels_.of(l), sieves_.band[2 * l], sieves_.band[2 * l + 1], sight,
                [&](int64_t i, int32_t count) {
                  n_sieve_[i] = count;
                  rows += count > 0;
                  entries += count;
                });
  if (arrays_.overlap != nullptr) arrays_.overlap[unit * sieves_.roles + role] = entries;
  if (rows == 0) {
    arrays_.attainable[unit] = std::nanf("");
    if (arrays_.invisible != nullptr) arrays_.invisible[unit] = has_entry(l, sight);
    return;
  }
  // All attention on S(i) gives r(i) = |V(i)| / |S(i)|, so a row adds at most its weight, times the
  // largest m * H where the role multiplies by the row entropy H.
  float* row_weight = arrays_.row_weight + (l * sieves_.batch + sequence) * sieves_.tokens;
  uint8_t* token_part = arrays_.token_takes_part + unit * sieves_.tokens;
  double attainable = 0, weight = 0, best = 0;
  int64_t inside = 0, visible = 0;  // of the last row; neighbours often have equal numbers
  for (int64_t i = 0; i < sight.n; ++i) {
    if (n_sieve_[i] == 0) continue;
    if (n_sieve_[i] != inside || sight.count(i) != visible) {
      inside = n_sieve_[i];
      visible = sight.count(i);
      weight = static_cast<double>(visible) / static_cast<double>(inside * rows);
      best = sieves_.times_entropy[role] ? weight * best_with_entropy(inside, visible) : weight;
    }
    row_weight[i] = static_cast<float>(weight);
    token_part[i] = 1;
    attainable += best;
  }
  arrays_.takes_part[unit] = 1;
  arrays_.attainable[unit] = static_cast<float>(attainable);
}

bool LabelRoles::has_entry(int64_t l, const Sight& sight) {
  int64_t entries = 0;
  const Sight all({false, -1}, sight.n, sight.keys);
  labels_.count(labels_.of(l), sieves_.band[2 * l], sieves_.band[2 * l + 1], all,
                [&](int64_t, int32_t count) { entries += count; });
  return entries > 0;
}

void LabelRoles::count_overlap(int64_t sequence, const Sight& sight) {
  int64_t* overlap = arrays_.overlap + sequence * sieves_.roles * sieves_.roles;
  // The intersection of two label roles is a label role again, whose label is the pair of labels
  // and whose band is the intersection of the bands. It may be empty, low above high.
  for (int64_t m = 0; m < sieves_.label_roles; ++m) {
    for (int64_t l = m + 1; l < sieves_.label_roles; ++l) {
      int64_t low = std::max(sieves_.band[2 * m], sieves_.band[2 * l]);
      int64_t high = std::min(sieves_.band[2 * m + 1], sieves_.band[2 * l + 1]);
      int64_t entries = 0;
      LabelRow both = labels_.both(m, l);
      if (both.numbers == 0) continue;
      labels_.count(both, low, high, sight, [&](int64_t, int32_t count) { entries += count; });
      int64_t a = sieves_.label_role[m], b = sieves_.label_role[l];
      overlap[a * sieves_.roles + b] = overlap[b * sieves_.roles + a] = entries;
    }
  }
}

}  // namespace headscore
