// What rows of attention add to the roles: label roles chunk by chunk, pair entries at the end.
//
// Arrays of a block hold kBlockRows rows; sums of label roles are [label role][kBlockRows].
#ifndef HEADSCORE_CPU_ROLES_INL_
#define HEADSCORE_CPU_ROLES_INL_

#include "panels.inl"

namespace headscore {
namespace {

constexpr float kLn2 = 0.693147180559945309417f;

static_assert(kBlockRows % kLanes == 0, "a block's rows fill vectors");

struct Interval {
  int64_t begin, end;

  bool empty() const { return begin >= end; }
};

HEADSCORE_INLINE Interval common(Interval a, Interval b) {
  return {larger(a.begin, b.begin), smaller(a.end, b.end)};
}

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

// What all rows of a block share.
struct Sieves {
  const SievePlan& plan;
  const Block& block;
  const LabelRole* label_roles;
  const int64_t* pair_offsets;  // of the block's rows

  Sieves(const SievePlan& plan, const Block& block, const LabelRole* all)
      : plan(plan),
        block(block),
        label_roles(all + block.sequence * plan.label_roles),
        pair_offsets(plan.pair_offsets + block.sequence * plan.tokens + block.first_row) {}

  // Pair entries of the block's rows before row r.
  int64_t entries_before(int64_t r) const { return pair_offsets[r] - pair_offsets[0]; }
};

// Some keys of some rows of a block: p[0] is row `rows.begin` at key `first`, the next row lies
// `stride` elements on; `keys` holds what each row of the block sees of them.
template <typename Element>
struct Part {
  Interval rows;
  const Interval* keys;
  int64_t first;
  int64_t stride;
  const typename Element::Type* p;

  const typename Element::Type* row(int64_t r) const {
    return p + (r - rows.begin) * stride - first;
  }
};

template <typename Element>
HEADSCORE_INLINE float sum_range(const typename Element::Type* p, int64_t count) {
  if (count <= kLanes / 4) {
    float total = 0.0f;
    for (int64_t j = 0; j < count; ++j) total += Element::one(p[j]);
    return total;
  }
  Vec even = Vec{}, odd = Vec{};
  for (; count >= 2 * kLanes; count -= 2 * kLanes, p += 2 * kLanes) {
    even += Element::load(p);
    odd += Element::load(p + kLanes);
  }
  if (count >= kLanes) {
    even += Element::load(p);
    count -= kLanes, p += kLanes;
  }
  if (count > 0) odd += load_part<Element>(p, count);
  return sum(even + odd);
}

template <typename Element>
HEADSCORE_INLINE float sum_equal(const typename Element::Type* p, const int32_t* labels,
                                 int32_t label, int64_t count) {
  const IntVec wanted = label - IntVec{};
  Vec total = Vec{};
  int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    total += keep(load(labels + j) == wanted, Element::load(p + j));
  }
  if (j < count) {
    const IntVec last = load_first(labels + j, count - j) == wanted;
    total += keep(last, load_part<Element>(p + j, count - j));
  }
  return sum(total);
}

// A label role whose keys lie in few runs of one label: rows meet run by run.
template <typename Element>
void add_runs(const LabelRole& one, int64_t first_row, const Part<Element>& part, float* sums) {
  for (int64_t n = 0; n < one.n_runs; ++n) {
    const LabelRun run = one.runs[n];
    for (int64_t r = part.rows.begin; r < part.rows.end; ++r) {
      const int64_t row = first_row + r;
      if (one.query_label[row] != run.label) continue;
      const Interval band = {row + one.low, row + one.high + 1};
      const Interval keys = common(common({run.begin, run.end}, band), part.keys[r]);
      if (!keys.empty()) {
        sums[r] += sum_range<Element>(part.row(r) + keys.begin, keys.end - keys.begin);
      }
    }
  }
}

template <typename Element>
void add_labels(const LabelRole& one, int64_t first_row, const Part<Element>& part, float* sums) {
  for (int64_t r = part.rows.begin; r < part.rows.end; ++r) {
    const int64_t row = first_row + r;
    const int32_t label = one.query_label[row];
    const Interval keys = common({row + one.low, row + one.high + 1}, part.keys[r]);
    if (label < 0 || keys.empty()) continue;
    sums[r] += sum_equal<Element>(part.row(r) + keys.begin, one.key_label + keys.begin, label,
                                  keys.end - keys.begin);
  }
}

// Adds some keys' probabilities to the label roles' sums of their rows.
template <typename Element>
void add_label_roles(const Sieves& sieves, const Part<Element>& part, float* sums) {
  for (int64_t l = 0; l < sieves.plan.label_roles; ++l) {
    const LabelRole& one = sieves.label_roles[l];
    float* of_role = sums + l * kBlockRows;
    if (one.runs != nullptr) {
      add_runs(one, sieves.block.first_row, part, of_role);
    } else {
      add_labels(one, sieves.block.first_row, part, of_role);
    }
  }
}

// What the rows of a block come to. Probabilities are unnormalised.
struct RowSums {
  float mass[kBlockRows];     // sum of the probabilities; 1 beyond the block's rows
  float entropy[kBlockRows];  // sum of p log2 p, up to a constant times the mass
};

// What each row's sums are multiplied by to be shares of a score: by 1 / mass, and where the role
// meets the entropy also by that, in nats.
struct Factors {
  float of[2][kBlockRows];

  explicit Factors(const RowSums& rows) {
    for (int64_t r = 0; r < kBlockRows; r += kLanes) {
      const Vec mass = load(rows.mass + r);
      const Vec per_mass = 1.0f / mass;
      const Vec bits = log2_nonnegative(mass) - load(rows.entropy + r) * per_mass;
      store(of[0] + r, per_mass);
      store(of[1] + r, per_mass * bits * kLn2);
    }
  }
};

// Where the shares of a block go.
struct Results {
  const Block& block;
  int64_t role_stride;  // of token values

  void add_row(int64_t role, int64_t r, float value) const {
    if (block.token_values != nullptr) {
      block.token_values[role * role_stride + block.first_row + r] += value;
    }
  }
};

void finish_label_roles(const Sieves& sieves, const Results& results, const Factors& factors,
                        const float* sums) {
  const Block& block = sieves.block;
  for (int64_t l = 0; l < sieves.plan.label_roles; ++l, sums += kBlockRows) {
    const LabelRole& one = sieves.label_roles[l];
    const float* factor = factors.of[sieves.plan.times_entropy[one.role]];
    const float* weight = one.weight + block.first_row;
    float values[kBlockRows] = {};
    for (int64_t r = 0; r < block.rows; ++r) values[r] = sums[r] * weight[r] * factor[r];
    Vec total = Vec{};
    for (int64_t r = 0; r < kBlockRows; r += kLanes) total += load(values + r);
    block.partial[one.role] += sum(total);
    for (int64_t r = 0; r < block.rows; ++r) results.add_row(one.role, r, values[r]);
  }
}

// The pair entries, whose cost is theirs alone: p[n] belongs to the block's entry n.
void finish_listed(const Sieves& sieves, const Results& results, const Factors& factors,
                   const float* p) {
  const int64_t first = sieves.pair_offsets[0];
  const int32_t* role = sieves.plan.pair_role + first;
  const float* weight = sieves.plan.pair_weight + first;
  for (int64_t r = 0; r < sieves.block.rows; ++r) {
    const float factor[2] = {factors.of[0][r], factors.of[1][r]};
    for (int64_t n = sieves.entries_before(r); n < sieves.entries_before(r + 1); ++n) {
      const float value = weight[n] * p[n] * factor[sieves.plan.times_entropy[role[n]]];
      sieves.block.partial[role[n]] += value;
      results.add_row(role[n], r, value);
    }
  }
}

}  // namespace
}  // namespace headscore

#endif  // HEADSCORE_CPU_ROLES_INL_
