// Rows from queries and keys.
//
// Keys come in chunks of kChunk columns; for each group of tile rows the chunk's logits go through
// a strip that stays in the L1 cache:
//
//            panel 0   panel 1   ...                 strip: kTileRows x kChunk logits
//          +---------+---------+---------+             -> running maximum, exp2, sums, entropy
//   rows   | q.k     |         |         |             -> role sums of this chunk's entries
//          +---------+---------+---------+
//
// Sums of earlier chunks are rescaled when the running maximum moves (online softmax), so one
// pass suffices, with one exponential per entry and no row longer than a chunk in memory.
#ifndef HEADSCORE_CPU_ROWS_QK_INL_
#define HEADSCORE_CPU_ROWS_QK_INL_

#include "panels.inl"
#include "roles.inl"

namespace headscore {
namespace {

constexpr float kHidden = -1e30f;  // logit of a key that is not visible: exp2 gives exactly 0
constexpr int64_t kTiles = kBlockRows / kTileRows;

// A block of rows at work. Logits are in bits: multiplied by log2(e).
struct QkRows {
  const QkProblem& problem;
  const Sieves sieves;
  const Block& block;
  const float* packed;
  int64_t length;

  RowState states[kBlockRows];
  float* queries;  // [head_size][kTileRows] per tile
  float* strip;    // [kTileRows][kChunk]
  float* bias;     // [kChunk] of one row
  float* sums;     // [kBlockRows][label role]
  float* listed;   // logits of the block's pair entries, then their probabilities

  QkRows(const QkProblem& problem, const LabelRole* label_roles, const float* packed,
         const Block& block, float* scratch)
      : problem(problem),
        sieves(problem.plan, label_roles, block.sequence),
        block(block),
        packed(packed),
        length(problem.plan.lengths[block.sequence]) {
    queries = scratch;
    strip = queries + kBlockRows * problem.head_size;
    bias = strip + kTileRows * kChunk;
    sums = bias + kChunk;
    listed = sums + kBlockRows * problem.plan.label_roles;
  }

  static int64_t scratch_floats(const SievePlan& plan, int64_t head_size, int64_t entries) {
    return kBlockRows * (head_size + plan.label_roles) + (kTileRows + 1) * kChunk +
           (entries + kLanes - 1) / kLanes * kLanes;
  }

  int64_t entries_before(int64_t row) const {
    return sieves.pair_offsets[row] - sieves.pair_offsets[block.first_row];
  }

  Interval visible(int64_t row) const { return visible_keys(problem.visibility, row, length); }

  void start() {
    const float scale = problem.scale * kLog2E;
    for (int64_t r = 0; r < kBlockRows; ++r) {
      const int64_t row = block.first_row + r;
      float* column = queries + (r / kTileRows) * kTileRows * problem.head_size + r % kTileRows;
      if (r < block.rows) {
        const int64_t from = row_offset(problem.query, block.sequence, block.head, row);
        pack_query(problem.query, from, problem.head_size, scale, strip, column);
        states[r] = {Vec{}, Vec{}, kHidden, 0, sieves.pair_offsets[row]};
      } else {
        for (int64_t c = 0; c < problem.head_size; ++c) column[c * kTileRows] = 0.0f;
      }
    }
    __builtin_memset(sums, 0, sizeof(float) * kBlockRows * problem.plan.label_roles);
    const int64_t entries = entries_before(block.first_row + block.rows);
    for (int64_t n = 0; n < entries; ++n) listed[n] = kHidden;
  }

  // All keys that some row of the block sees, chunk by chunk.
  void fold_keys() {
    const int64_t begin = visible(block.first_row).begin;
    const int64_t end = visible(block.first_row + block.rows - 1).end;
    for (int64_t first = begin / kChunk * kChunk; first < end; first += kChunk) {
      for (int64_t r = 0; r < block.rows; r += kTileRows) fold_tile(r, first);
    }
  }

  void fold_tile(int64_t first_row, int64_t first) {
    const int64_t after = smaller(first_row + kTileRows, block.rows);
    const int64_t chunk_end = smaller(first + kChunk, length);
    const Interval keys = {larger(visible(block.first_row + first_row).begin, first),
                           smaller(visible(block.first_row + after - 1).end, chunk_end)};
    const float* tile_queries = queries + first_row * problem.head_size;
    for (int64_t j = (keys.begin - first) / kPanel * kPanel; j < keys.end - first; j += kPanel) {
      tile(tile_queries, packed + (first + j) * problem.head_size, problem.head_size, strip + j);
    }
    for (int64_t r = first_row; r < after; ++r) {
      const Interval seen = visible(block.first_row + r);
      const Interval row_keys = {larger(seen.begin, first), smaller(seen.end, chunk_end)};
      if (row_keys.begin < row_keys.end) {
        fold_row(r, row_keys, first, strip + (r - first_row) * kChunk);
      }
    }
  }

  // One chunk of logits of one row -> probabilities in place, sums, label roles, listed logits.
  void fold_row(int64_t r, Interval keys, int64_t first, float* logits) {
    const int64_t row = block.first_row + r;
    RowState* state = states + r;
    float* row_sums = sums + r * problem.plan.label_roles;
    const Interval lanes = whole_vectors(keys, first);
    if (problem.softcap > 0.0f) cap_logits(lanes, problem.softcap, logits);
    if (problem.bias.data != nullptr) add_bias(row, keys, first, logits);
    for (int64_t j = lanes.begin; j < keys.begin - first; ++j) logits[j] = kHidden;
    for (int64_t j = keys.end - first; j < lanes.end; ++j) logits[j] = kHidden;
    keep_listed(sieves, row, keys, first, logits, state, listed + entries_before(row));
    raise_maximum(lanes, logits, state, row_sums);
    exponentiate(lanes, logits, state);
    add_label_roles(sieves, row, keys, first, logits, row_sums);
  }

  static void cap_logits(Interval lanes, float softcap, float* logits) {
    const Vec inverse = splat(1.0f / (softcap * kLog2E));
    for (int64_t j = lanes.begin; j < lanes.end; j += kLanes) {
      store(logits + j, tanh_of(load(logits + j) * inverse) * (softcap * kLog2E));
    }
  }

  void add_bias(int64_t row, Interval keys, int64_t first, float* logits) {
    const int64_t from = row_offset(problem.bias, block.sequence, block.head, row);
    const int64_t count = keys.end - keys.begin;
    load_row(problem.bias, from + keys.begin, count, bias);
    logits += keys.begin - first;
    for (int64_t j = 0; j < count; ++j) logits[j] += bias[j] * kLog2E;
  }

  HEADSCORE_ALWAYS_INLINE void raise_maximum(Interval lanes, const float* logits, RowState* state,
                                             float* row_sums) const {
    Vec top = load(logits + lanes.begin);
    for (int64_t j = lanes.begin + kLanes; j < lanes.end; j += kLanes) {
      top = larger_of(load(logits + j), top);
    }
    const float maximum = largest(top);
    if (!(maximum > state->maximum)) return;
    const float step = state->maximum - maximum;
    const float shrink = exp2_nonpositive(at_least_exponent(splat(step)))[0];
    state->entropy = shrink * (state->entropy + step * state->mass);
    state->mass *= shrink;
    for (int64_t l = 0; l < problem.plan.label_roles; ++l) row_sums[l] *= shrink;
    state->maximum = maximum;
  }

  HEADSCORE_INLINE void exponentiate(Interval lanes, float* logits, RowState* state) {
    const float maximum = state->maximum;
    Vec mass = state->mass, entropy = state->entropy;
    for (int64_t j = lanes.begin; j < lanes.end; j += kLanes) {
      const Vec x = at_least_exponent(load(logits + j) - maximum);
      const Vec p = exp2_nonpositive(x);
      store(logits + j, p);
      mass += p;
      entropy += p * x;
    }
    state->mass = mass;
    state->entropy = entropy;
  }

  void finish() {
    exponentiate_listed();
    const Results results = {problem.plan, block, problem.heads * problem.plan.tokens};
    for (int64_t r = 0; r < block.rows; ++r) {
      const int64_t row = block.first_row + r;
      const float mass = sum(states[r].mass), weighted = sum(states[r].entropy);
      if (!(mass > 0.0f) || !finite(mass) || !finite(weighted)) *block.fault |= kNotFinite;
      const Factors factors(mass, weighted);
      finish_label_roles(sieves, results, row, factors, sums + r * problem.plan.label_roles);
      finish_listed(sieves, results, row, factors, listed + entries_before(row));
    }
  }

  void exponentiate_listed() {
    for (int64_t r = 0; r < block.rows; ++r) {
      const int64_t row = block.first_row + r;
      for (int64_t n = entries_before(row); n < entries_before(row + 1); ++n) {
        listed[n] -= states[r].maximum;
      }
    }
    const int64_t entries = entries_before(block.first_row + block.rows);
    for (int64_t n = 0; n < entries; n += kLanes) {
      store(listed + n, exp2_nonpositive(at_least_exponent(load(listed + n))));
    }
  }
};

void rows_qk(const QkProblem& problem, const LabelRole* label_roles, const float* packed,
             const Block& block, float* scratch) {
  QkRows rows(problem, label_roles, packed, block, scratch);
  rows.start();
  rows.fold_keys();
  rows.finish();
}

}  // namespace
}  // namespace headscore

#endif  // HEADSCORE_CPU_ROWS_QK_INL_
