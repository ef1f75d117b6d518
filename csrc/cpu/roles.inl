// What a row's probabilities add to the roles: label roles chunk by chunk, pair entries at its end.
#ifndef HEADSCORE_CPU_ROLES_INL_
#define HEADSCORE_CPU_ROLES_INL_

#include "vectors.inl"

namespace headscore {
namespace {

constexpr double kLn2 = 0.69314718055994530942;

struct Interval {
  int64_t begin, end;
};

HEADSCORE_INLINE Interval visible_keys(const Visibility& visibility, int64_t row, int64_t length) {
  Interval keys = {0, length};
  if (visibility.causal) keys.end = smaller(length, row + 1);
  if (visibility.window >= 0) {
    if (visibility.causal) {
      keys.begin = larger(0, row - visibility.window + 1);
    } else {
      keys.begin = larger(0, row - visibility.window);
      keys.end = smaller(length, row + visibility.window + 1);
    }
  }
  return keys;
}

// The columns of a chunk that starts at key `first`, in whole vectors around `keys`.
HEADSCORE_INLINE Interval whole_vectors(Interval keys, int64_t first) {
  return {(keys.begin - first) / kLanes * kLanes,
          (keys.end - first + kLanes - 1) / kLanes * kLanes};
}

// What is known of a row after the chunks seen so far. Probabilities are exp2(logit - maximum),
// or the attention itself; sums of label roles follow them in the same scale. Lanes are added up
// at the end.
struct RowState {
  Vec mass;     // sum of the probabilities
  Vec entropy;  // sum of p * (logit - maximum), or of p * log2 p
  float maximum;
  uint8_t fault;
  int64_t entry;  // the row's first pair entry in or after the chunks to come
};

HEADSCORE_INLINE float sum_equal(const float* p, const int32_t* labels, int32_t label,
                                 int64_t count) {
  const IntVec wanted = label - IntVec{};
  Vec total = Vec{};
  int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    total += keep(load(labels + j) == wanted, load(p + j));
  }
  float tail = 0.0f;
  for (; j < count; ++j) tail += labels[j] == label ? p[j] : 0.0f;
  return sum(total) + tail;
}

// What all rows of a block share.
struct Sieves {
  const SievePlan& plan;
  const LabelRole* label_roles;
  const int64_t* pair_offsets;  // of the sequence's rows

  Sieves(const SievePlan& plan, const LabelRole* all, int64_t b)
      : plan(plan),
        label_roles(all + b * plan.label_roles),
        pair_offsets(plan.pair_offsets + b * plan.tokens) {}
};

HEADSCORE_INLINE float sum_listed(const LabelRole& one, int32_t label, int64_t begin, int64_t end,
                                  int64_t first, const float* p) {
  float total = 0.0f;
  for (int64_t n = 0; n < one.n_listed; ++n) {
    const int64_t j = one.listed[n];
    if (j >= begin && j < end && one.key_label[j] == label) total += p[j - first];
  }
  return total;
}

// Adds the probabilities of some keys to the label roles' sums of one row; p points at key `first`.
void add_label_roles(const Sieves& sieves, int64_t row, Interval keys, int64_t first,
                     const float* p, float* sums) {
  for (int64_t l = 0; l < sieves.plan.label_roles; ++l) {
    const LabelRole& one = sieves.label_roles[l];
    const int64_t begin = larger(keys.begin, row + one.low);
    const int64_t end = smaller(keys.end, row + one.high + 1);
    if (begin >= end || one.weight[row] == 0.0f) continue;
    const int32_t label = one.query_label[row];
    sums[l] += one.listed != nullptr
                   ? sum_listed(one, label, begin, end, first, p)
                   : sum_equal(p + (begin - first), one.key_label + begin, label, end - begin);
  }
}

// Keeps the logits of a row's pair entries within some keys; logits[0] is key `first`, listed[0]
// the row's first entry. Entries are sorted by key, so each is looked at once.
HEADSCORE_INLINE void keep_listed(const Sieves& sieves, int64_t row, Interval keys, int64_t first,
                                  const float* logits, RowState* state, float* listed) {
  const int64_t begin = sieves.pair_offsets[row], end = sieves.pair_offsets[row + 1];
  const int32_t* key = sieves.plan.pair_key;
  int64_t n = state->entry;
  for (; n < end && key[n] < keys.end; ++n) {
    if (key[n] >= keys.begin) listed[n - begin] = logits[key[n] - first];
  }
  state->entry = n;
}

// What a row's sums and probabilities are multiplied by to be shares of a score, for roles
// without and with entropy. `entropy` is that of the unnormalised row in bits: sum of p * log2 p.
struct Factors {
  double of[2];

  Factors(float mass, float entropy) {
    const double per_mass = 1.0 / mass;
    const double log_mass = log2_positive(splat(mass))[0];
    of[0] = per_mass;
    of[1] = per_mass * kLn2 * (log_mass - entropy * per_mass);
  }
};

// A block's results, as its rows fill them.
struct Results {
  const SievePlan& plan;
  const Block& block;
  int64_t role_stride;  // of token values

  void add(int64_t role, int64_t row, double value) const {
    block.partial[role] += value;
    if (block.token_values) {
      block.token_values[role * role_stride + row] += static_cast<float>(value);
    }
  }
};

void finish_label_roles(const Sieves& sieves, const Results& results, int64_t row,
                        const Factors& factors, const float* sums) {
  for (int64_t l = 0; l < sieves.plan.label_roles; ++l) {
    const LabelRole& one = sieves.label_roles[l];
    const float weighted = sums[l] * one.weight[row];
    results.add(one.role, row, weighted * factors.of[sieves.plan.times_entropy[one.role]]);
  }
}

// The pair entries of a row, whose cost is theirs alone; p[0] is the row's first entry.
void finish_listed(const Sieves& sieves, const Results& results, int64_t row,
                   const Factors& factors, const float* p) {
  const SievePlan& plan = sieves.plan;
  const int64_t begin = sieves.pair_offsets[row], end = sieves.pair_offsets[row + 1];
  for (int64_t n = begin; n < end; ++n) {
    const int32_t role = plan.pair_role[n];
    const float weighted = plan.pair_weight[n] * p[n - begin];
    results.add(role, row, weighted * factors.of[plan.times_entropy[role]]);
  }
}

}  // namespace
}  // namespace headscore

#endif  // HEADSCORE_CPU_ROLES_INL_
