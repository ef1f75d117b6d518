// Rows from given attention, each entry read once.
#ifndef HEADSCORE_CPU_ROWS_ATTENTION_INL_
#define HEADSCORE_CPU_ROWS_ATTENTION_INL_

#include "panels.inl"
#include "roles.inl"

namespace headscore {
namespace {

constexpr int64_t kAhead = 1024;  // floats between reading given attention and asking for more

// Sums over entries of given attention, in registers. a log2 a is 0 at 0, by way of the least
// float.
struct EntrySums {
  Vec mass, entropy, least;

  template <bool kEntropy>
  HEADSCORE_ALWAYS_INLINE void add(Vec a) {
    mass += a;
    least = a < least ? a : least;
    if (kEntropy) entropy += a * log2_positive(larger_of(splat(1.17549435e-38f), a));
  }
};

// Attention of one row at some keys -> sums, label roles; attention[0] is key keys.begin.
void fold_attention(const Sieves& sieves, int64_t row, Interval keys, bool with_entropy,
                    const float* attention, RowState* state, float* label_sums) {
  const int64_t count = keys.end - keys.begin;
  const int64_t whole = count / kLanes * kLanes;
  EntrySums sums = {state->mass, state->entropy, Vec{}};
  if (with_entropy) {
    for (int64_t j = 0; j < whole; j += kLanes) {
      __builtin_prefetch(attention + j + kAhead);
      sums.add<true>(load(attention + j));
    }
  } else {
    for (int64_t j = 0; j < whole; j += kLanes) {
      __builtin_prefetch(attention + j + kAhead);
      sums.add<false>(load(attention + j));
    }
  }
  if (whole < count) {
    float tail[kLanes] = {};
    __builtin_memcpy(tail, attention + whole, (count - whole) * sizeof(float));
    sums.add<true>(load(tail));
  }
  state->mass = sums.mass;
  state->entropy = sums.entropy;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (sums.least[lane] < 0.0f) state->fault |= kNegative;
  }
  add_label_roles(sieves, row, keys, keys.begin, attention, label_sums);
}

// Attention at the pair entries of a row; what the row does not see is not read.
void read_listed(const AttentionProblem& problem, const Sieves& sieves, int64_t row, int64_t from,
                 float* listed) {
  const int64_t begin = sieves.pair_offsets[row], end = sieves.pair_offsets[row + 1];
  for (int64_t n = begin; n < end; ++n) {
    listed[n - begin] = 0.0f;
    if (problem.plan.pair_weight[n] == 0.0f) continue;
    load_row(problem.attention, from + problem.plan.pair_key[n], 1, listed + n - begin);
  }
}

void rows_attention(const AttentionProblem& problem, const LabelRole* label_roles,
                    const Block& block, float* scratch) {
  const SievePlan& plan = problem.plan;
  const Sieves sieves(plan, label_roles, block.sequence);
  const Results results = {plan, block, problem.heads * plan.tokens};
  float* strip = scratch;
  float* label_sums = strip + kChunk;
  float* listed = label_sums + plan.label_roles;
  bool with_entropy = false;
  for (int64_t r = 0; r < plan.roles; ++r) with_entropy |= plan.times_entropy[r] != 0;

  for (int64_t row = block.first_row; row < block.first_row + block.rows; ++row) {
    const Interval visible = visible_keys(problem.visibility, row, plan.lengths[block.sequence]);
    const int64_t from = row_offset(problem.attention, block.sequence, block.head, row);
    RowState state = {Vec{}, Vec{}, 0.0f, 0, 0};
    __builtin_memset(label_sums, 0, sizeof(float) * plan.label_roles);
    if (problem.attention.dtype == Dtype::kFloat32) {  // read where it lies
      const float* row_at = static_cast<const float*>(problem.attention.data) + from;
      fold_attention(sieves, row, visible, with_entropy, row_at + visible.begin, &state,
                     label_sums);
    } else {
      for (int64_t first = visible.begin; first < visible.end; first += kChunk) {
        const Interval keys = {first, smaller(first + kChunk, visible.end)};
        load_row(problem.attention, from + first, keys.end - first, strip);
        fold_attention(sieves, row, keys, with_entropy, strip, &state, label_sums);
      }
    }
    const float mass = sum(state.mass), weighted = sum(state.entropy);
    if (!finite(mass)) state.fault |= kNotFinite;
    const float excess = mass - 1.0f;
    if (excess > problem.tolerance || -excess > problem.tolerance) state.fault |= kSumNotOne;
    *block.fault |= state.fault;
    const Factors factors(mass, weighted);
    finish_label_roles(sieves, results, row, factors, label_sums);
    read_listed(problem, sieves, row, from, listed);
    finish_listed(sieves, results, row, factors, listed);
  }
}

}  // namespace
}  // namespace headscore

#endif  // HEADSCORE_CPU_ROWS_ATTENTION_INL_
