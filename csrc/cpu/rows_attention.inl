// Rows from given attention, each entry read from memory once.
#ifndef HEADSCORE_CPU_ROWS_ATTENTION_INL_
#define HEADSCORE_CPU_ROWS_ATTENTION_INL_

#include "roles.inl"

namespace headscore {
namespace {

constexpr int64_t kAhead = 4096;  // bytes between reading attention and asking for more
constexpr int64_t kNear = 16384;  // bytes of rows that are gone through twice: in the L1 cache

// A block of rows at work.
template <typename Element>
struct AttentionRows {
  typedef typename Element::Type Type;

  const AttentionProblem& problem;
  const Block& block;
  const Sieves sieves;
  const int64_t length;   // real keys
  const Type* attention;  // row 0 of the block at key 0

  Interval keys[kBlockRows];
  RowSums rows;
  IntVec signs;   // all sign bits seen
  float* sums;    // [label role][kBlockRows]
  float* listed;  // attention at the block's pair entries

  AttentionRows(const AttentionProblem& problem, const LabelRole* label_roles, const Block& block,
                float* scratch)
      : problem(problem),
        block(block),
        sieves(problem.plan, block, label_roles),
        length(problem.plan.key_lengths[block.sequence]),
        attention(static_cast<const Type*>(problem.attention.data) +
                  row_offset(problem.attention, block.sequence, block.head, block.first_row)),
        signs(IntVec{}),
        sums(scratch),
        listed(scratch + kBlockRows * problem.plan.label_roles) {
    __builtin_memset(sums, 0, sizeof(float) * kBlockRows * problem.plan.label_roles);
  }

  const Type* row_at(int64_t r) const { return attention + r * problem.attention.row_stride; }

  void fold_rows() {
    for (int64_t r = 0; r < kBlockRows; ++r) {
      keys[r] = visible_keys(problem.visibility, block.first_row + r, length);
      rows.mass[r] = 1.0f, rows.entropy[r] = 0.0f;
    }
    bool with_entropy = false;
    for (int64_t r = 0; r < problem.plan.roles; ++r) with_entropy |= problem.plan.times_entropy[r];
    const int64_t row_bytes = length * static_cast<int64_t>(sizeof(Type));
    const int64_t group = larger(1, kNear / row_bytes);
    for (int64_t r = 0; r < block.rows; r += group) {
      const Interval near = {r, smaller(r + group, block.rows)};
      for (int64_t n = near.begin; n < near.end; ++n) {
        with_entropy ? fold_row<true>(n) : fold_row<false>(n);
      }
      add_label_roles<Element>(
          sieves, {near, keys, 0, problem.attention.row_stride, row_at(near.begin)}, sums);
    }
  }

  template <bool kEntropy>
  HEADSCORE_ALWAYS_INLINE void fold_row(int64_t r) {
    const Type* p = row_at(r) + keys[r].begin;
    const int64_t count = keys[r].end - keys[r].begin;
    Vec mass = Vec{}, entropy = Vec{};
    IntVec own_signs = IntVec{};
    const auto add = [&](Vec a) __attribute__((always_inline)) {
      mass += a;
      own_signs |= bits(a);
      if (kEntropy) entropy += a * log2_nonnegative(a);
    };
    int64_t j = 0;
    for (; j + kLanes <= count; j += kLanes) {
      __builtin_prefetch(reinterpret_cast<const char*>(p + j) + kAhead);
      add(Element::load(p + j));
    }
    if (j < count) add(load_part<Element>(p + j, count - j));
    signs |= own_signs;
    rows.mass[r] = sum(mass);
    rows.entropy[r] = sum(entropy);
  }

  void note_faults() {
    for (int64_t r = 0; r < block.rows; ++r) {
      const float excess = rows.mass[r] - 1.0f;
      if (!finite(excess)) *block.fault |= kNotFinite;
      if (excess > problem.tolerance || -excess > problem.tolerance) *block.fault |= kSumNotOne;
    }
    bool negative = false;
    for (int lane = 0; lane < kLanes; ++lane) negative |= signs[lane] < 0;
    if (negative) note_negative();
  }

  // Some sign bit is set: that of a zero, perhaps.
  void note_negative() {
    for (int64_t r = 0; r < block.rows; ++r) {
      for (int64_t j = keys[r].begin; j < keys[r].end; ++j) {
        if (Element::one(row_at(r)[j]) < 0.0f) *block.fault |= kNegative;
      }
    }
  }

  // Pair entries; what a row does not see is not read.
  void read_listed() {
    const int64_t first = sieves.pair_offsets[0];
    for (int64_t r = 0; r < block.rows; ++r) {
      for (int64_t n = sieves.entries_before(r); n < sieves.entries_before(r + 1); ++n) {
        const bool seen = problem.plan.pair_weight[first + n] != 0.0f;
        listed[n] = seen ? Element::one(row_at(r)[problem.plan.pair_key[first + n]]) : 0.0f;
      }
    }
  }

  void finish() {
    note_faults();
    const Factors factors(rows);
    const Results results = {block, problem.heads * problem.plan.tokens};
    finish_label_roles(sieves, results, factors, sums);
    read_listed();
    finish_listed(sieves, results, factors, listed);
  }
};

template <typename Element>
void rows_attention_of(const AttentionProblem& problem, const LabelRole* label_roles,
                       const Block& block, float* scratch) {
  AttentionRows<Element> rows(problem, label_roles, block, scratch);
  rows.fold_rows();
  rows.finish();
}

void rows_attention(const AttentionProblem& problem, const LabelRole* label_roles,
                    const Block& block, float* scratch) {
  if (problem.attention.dtype == Dtype::kFloat32) {
    rows_attention_of<Float32>(problem, label_roles, block, scratch);
  } else if (problem.attention.dtype == Dtype::kBfloat16) {
    rows_attention_of<BFloat16>(problem, label_roles, block, scratch);
  } else {
    rows_attention_of<Float16>(problem, label_roles, block, scratch);
  }
}

}  // namespace
}  // namespace headscore

#endif  // HEADSCORE_CPU_ROWS_ATTENTION_INL_
