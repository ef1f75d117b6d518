#include "planning/labels.h"

namespace headscore {

namespace {

constexpr int64_t kDirect = 1 << 14;  // numbers that index a table of counts as they are

}  // namespace

void Numbering::clear(int64_t most) {
  uint64_t slots = 16;
  while (slots < 2 * static_cast<uint64_t>(most)) slots *= 2;
  mask_ = slots - 1;
  values_.resize(slots);
  numbers_.assign(slots, -1);
  size_ = 0;
}

int64_t Numbering::slot(uint64_t value) const {
  uint64_t at = (value * 0x9E3779B97F4A7C15u >> 32) & mask_;
  while (numbers_[at] >= 0 && values_[at] != value) at = (at + 1) & mask_;
  return at;
}

int32_t Numbering::add(uint64_t value) {
  int64_t at = slot(value);
  if (numbers_[at] < 0) {
    values_[at] = value;
    numbers_[at] = size_++;
  }
  return numbers_[at];
}

int32_t Numbering::find(uint64_t value) const { return numbers_[slot(value)]; }

Labels::Labels(const Sieves& sieves)
    : sieves_(sieves),
      most_(sieves.label_roles),
      rows_(sieves.label_roles),
      own_(sieves.label_roles * (sieves.tokens + sieves.key_tokens)),
      common_(sieves.tokens + sieves.key_tokens) {
  int64_t queries = sieves.batch * sieves.tokens, keys = sieves.batch * sieves.key_tokens;
  for (int64_t l = 0; l < sieves.label_roles; ++l) {
    int32_t largest = 0;
    for (int64_t n = 0; n < queries; ++n) {
      largest = std::max(largest, sieves.query_label[l * queries + n]);
    }
    for (int64_t n = 0; n < keys; ++n) {
      largest = std::max(largest, sieves.key_label[l * keys + n]);
    }
    most_[l] = int64_t{largest} + 1;
  }
}

void Labels::read(int64_t sequence) {
  n_ = sieves_.lengths[sequence], n_keys_ = sieves_.key_lengths[sequence];
  for (int64_t l = 0; l < sieves_.label_roles; ++l) {
    int64_t at = l * sieves_.batch + sequence;
    const int32_t* query = sieves_.query_label + at * sieves_.tokens;
    const int32_t* key = sieves_.key_label + at * sieves_.key_tokens;
    rows_[l] = {query, key, most_[l]};
    if (most_[l] > kDirect) {
      rows_[l] = numbered([=](int64_t i) -> int64_t { return query[i]; },
                          [=](int64_t j) -> int64_t { return key[j]; },
                          own_.data() + l * (sieves_.tokens + sieves_.key_tokens));
    }
  }
}

LabelRow Labels::both(int64_t one, int64_t other) {
  const LabelRow a = rows_[one], b = rows_[other];
  // Two numbers become one, which is equal for query and key where both numbers are.
  auto together = [=](int32_t first, int32_t second) -> int64_t {
    return first < 0 || second < 0 ? -1 : first * b.numbers + second;
  };
  auto query = [&](int64_t i) { return together(a.query[i], b.query[i]); };
  auto key = [&](int64_t j) { return together(a.key[j], b.key[j]); };
  bool any = false;
  for (int64_t j = 0; j < n_keys_; ++j) any |= a.key[j] >= 0 && b.key[j] >= 0;
  if (!any) return {nullptr, nullptr, 0};
  if (a.numbers * b.numbers > kDirect) return numbered(query, key, common_.data());
  int32_t *queries = common_.data(), *keys = queries + sieves_.tokens;
  for (int64_t i = 0; i < n_; ++i) queries[i] = static_cast<int32_t>(query(i));
  for (int64_t j = 0; j < n_keys_; ++j) keys[j] = static_cast<int32_t>(key(j));
  return {queries, keys, a.numbers * b.numbers};
}

template <class Query, class Key>
LabelRow Labels::numbered(Query query, Key key, int32_t* into) {
  int32_t *queries = into, *keys = into + sieves_.tokens;
  numbering_.clear(n_keys_);
  for (int64_t j = 0; j < n_keys_; ++j) keys[j] = key(j) < 0 ? -1 : numbering_.add(key(j));
  for (int64_t i = 0; i < n_; ++i) queries[i] = query(i) < 0 ? -1 : numbering_.find(query(i));
  return {queries, keys, numbering_.size()};
}

}  // namespace headscore
