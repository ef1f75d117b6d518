// Rows from queries and keys, and with values also attention's own output.
//
// Keys come in chunks of kChunk columns; for each group of tile rows the chunk's logits go through
// a strip that stays in the L1 cache:
//
//            panel 0   panel 1   ...                 strip: kTileRows x kChunk logits
//          +---------+---------+---------+             -> running maximum, exp2, sums, entropy
//   rows   | q.k     |         |         |             -> role sums of this chunk's entries
//          +---------+---------+---------+             -> products with the values
//
// Sums of earlier chunks are rescaled when the running maximum moves (online softmax), so one
// pass suffices, with one exponential per entry and no row longer than a chunk in memory.
#ifndef HEADSCORE_CPU_ROWS_QK_INL_
#define HEADSCORE_CPU_ROWS_QK_INL_

#include "roles.inl"

namespace headscore {
namespace {

// Logits of keys that are not visible, the least of those that are (a whole row may be biased by
// the lowest float), and a step below which nothing is left. Differences to them are finite.
constexpr float kHidden = -3.3e38f, kLowest = -3e38f, kVanishes = -1e4f;
constexpr float kPeaked = 1.0625f;  // up to this mass the largest probability is kept apart

// What is known of a row after the chunks seen so far. Probabilities are exp2(logit - maximum), and
// all sums follow them in this scale.
struct RowState {
  Vec mass;     // sum of the probabilities, lane by lane; without the largest where it is apart
  float apart;  // the largest, 1, where the others are so few that beside it they lose digits
  Vec entropy;  // sum of p * (logit - maximum)
  float maximum;
  int64_t entry;  // the row's first pair entry in or after the chunks to come
};

// A block of rows at work. Logits are in bits: multiplied by log2(e).
struct QkRows {
  const QkProblem& problem;
  const Block& block;
  const PackedHead& packed;
  const Sieves sieves;
  const int64_t length;        // real keys
  const int64_t value_stride;  // columns of values in whole panels; 0: no output

  RowState states[kBlockRows];
  Interval keys[kBlockRows];  // that each row sees of the chunk
  float* queries;             // [tile][head_size / kDepth][kTileRows][kDepth]
  float* strip;               // [kTileRows][kStrip]
  float* bias;                // [kChunk] of one row
  float* outputs;             // [kBlockRows][value_stride]
  float* sums;                // [label role][kBlockRows]
  float* listed;              // logits of the block's pair entries, then their probabilities

  QkRows(const QkProblem& problem, const LabelRole* label_roles, const PackedHead& packed,
         const Block& block, float* scratch)
      : problem(problem),
        block(block),
        packed(packed),
        sieves(problem.plan, block, label_roles),
        length(problem.plan.key_lengths[block.sequence]),
        value_stride(block.attended == nullptr ? 0 : rounded_up(problem.value_size, kPanel)) {
    queries = scratch;
    strip = queries + kBlockRows * rounded_up(problem.head_size, kDepth);
    bias = strip + kTileRows * kStrip;
    outputs = bias + kChunk;
    sums = outputs + kBlockRows * value_stride;
    listed = sums + kBlockRows * problem.plan.label_roles;
  }

  static int64_t scratch_floats(const SievePlan& plan, int64_t head_size, int64_t value_size,
                                int64_t entries) {
    const int64_t columns =
        rounded_up(head_size, kDepth) + rounded_up(value_size, kPanel) + plan.label_roles;
    return kBlockRows * columns + kTileRows * kStrip + kChunk + rounded_up(entries, kLanes);
  }

  Interval visible(int64_t r) const {
    return visible_keys(problem.visibility, block.first_row + r, length);
  }

  float* tile_queries(int64_t r) const {
    return queries + r / kTileRows * kTileRows * rounded_up(problem.head_size, kDepth);
  }

  void start() {
    const float scale = problem.softcap > 0.0f ? problem.scale : problem.scale * kLog2E;
    for (int64_t r = 0; r < rounded_up(block.rows, kTileRows); ++r) {
      // beyond the block's rows the last one again: its results go nowhere
      const int64_t row = block.first_row + smaller(r, block.rows - 1);
      const int64_t from = row_offset(problem.query, block.sequence, block.head, row);
      pack_query(problem.query, from, problem.head_size, scale, r % kTileRows, tile_queries(r));
    }
    for (int64_t r = 0; r < block.rows; ++r) {
      states[r] = {Vec{}, 0.0f, Vec{}, kHidden, sieves.entries_before(r)};
    }
    __builtin_memset(outputs, 0, sizeof(float) * kBlockRows * value_stride);
    __builtin_memset(sums, 0, sizeof(float) * kBlockRows * problem.plan.label_roles);
    const int64_t entries = rounded_up(sieves.entries_before(block.rows), kLanes);
    for (int64_t n = 0; n < entries; ++n) listed[n] = kHidden;
  }

  // All keys that some row of the block sees, chunk by chunk.
  void fold_keys() {
    const Interval seen = {visible(0).begin, visible(block.rows - 1).end};
    for (int64_t first = seen.begin / kChunk * kChunk; first < seen.end; first += kChunk) {
      for (int64_t r = 0; r < block.rows; r += kTileRows) {
        fold_tile({r, smaller(r + kTileRows, block.rows)}, first);
      }
    }
  }

  void fold_tile(Interval rows, int64_t first) {
    const Interval chunk = {first, smaller(first + kChunk, length)};
    const Interval seen =
        common({visible(rows.begin).begin, visible(rows.end - 1).end}, chunk);  // by any row
    if (seen.empty()) return;
    const Interval columns = {(seen.begin - first) / kPanel * kPanel, seen.end - first};
    for (int64_t j = columns.begin; j < columns.end; j += kPanel) {
      tile_logits(tile_queries(rows.begin), packed.keys + (first + j) * problem.head_size,
                  problem.head_size, strip + j);
    }
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      keys[r] = common(visible(r), chunk);
      fold_row(r, columns, first, strip + (r - rows.begin) * kStrip);
    }
    add_label_roles<Float32>(sieves, {rows, keys, first, kStrip, strip}, sums);
    if (value_stride > 0) add_outputs(rows.begin, columns, first);
  }

  // One chunk of logits of one row -> probabilities in place, sums, listed logits.
  HEADSCORE_ALWAYS_INLINE void fold_row(int64_t r, Interval columns, int64_t first, float* logits) {
    const Interval own = {keys[r].begin - first, keys[r].end - first};
    const Interval lanes = {columns.begin, rounded_up(columns.end, kLanes)};
    if (problem.softcap > 0.0f) cap_logits(lanes, problem.softcap, logits);
    if (problem.bias.data != nullptr && !own.empty()) add_bias(r, own, logits);
    for (int64_t j = lanes.begin; j < smaller(own.begin, lanes.end); ++j) logits[j] = kHidden;
    for (int64_t j = larger(own.end, lanes.begin); j < lanes.end; ++j) logits[j] = kHidden;
    keep_listed(r, first, logits);
    const bool rises = raise_maximum(r, lanes, logits);
    if (states[r].maximum > kHidden) {
      const Vec before = states[r].mass;
      exponentiate(lanes, logits, states + r);
      if (rises && sum(states[r].mass) < kPeaked) set_apart(lanes, logits, before, states + r);
    } else {
      clear(lanes, logits, states + r);
    }
  }

  // A product with 1 / softcap or softcap * log2(e) would put the rounding of these numbers into
  // all logits alike, where it does not average out.
  static void cap_logits(Interval lanes, float softcap, float* logits) {
    for (int64_t j = lanes.begin; j < lanes.end; j += kLanes) {
      store(logits + j, tanh_of(load(logits + j) / softcap) * softcap * kLog2E);
    }
  }

  void add_bias(int64_t r, Interval own, float* logits) {
    const int64_t from =
        row_offset(problem.bias, block.sequence, block.head, block.first_row + r) + keys[r].begin;
    const int64_t count = own.end - own.begin;
    load_row(problem.bias, from, count, 1.0f, bias);
    logits += own.begin;
    for (int64_t j = 0; j < count; ++j) {  // NaN stays
      const float logit = logits[j] + bias[j] * kLog2E;
      const float least = bias[j] < -__FLT_MAX__ ? kHidden : kLowest;
      logits[j] = logit < kLowest ? least : logit;
    }
  }

  // Keeps the logits of a row's pair entries. Entries are sorted by key: each is looked at once.
  HEADSCORE_ALWAYS_INLINE void keep_listed(int64_t r, int64_t first, const float* logits) {
    const int32_t* key = problem.plan.pair_key + sieves.pair_offsets[0];
    const int64_t end = sieves.entries_before(r + 1);
    int64_t n = states[r].entry;
    for (; n < end && key[n] < keys[r].end; ++n) {
      if (key[n] >= keys[r].begin) listed[n] = logits[key[n] - first];
    }
    states[r].entry = n;
  }

  // Says whether the maximum lies in these logits.
  HEADSCORE_ALWAYS_INLINE bool raise_maximum(int64_t r, Interval lanes, const float* logits) {
    Vec top = load(logits + lanes.begin), other = top;  // two chains: each step waits for its last
    int64_t j = lanes.begin;
    for (; j + 2 * kLanes <= lanes.end; j += 2 * kLanes) {
      top = larger_of(load(logits + j), top);
      other = larger_of(load(logits + j + kLanes), other);
    }
    if (j < lanes.end) top = larger_of(load(logits + j), top);
    top = larger_of(top, other);
    const float maximum = largest(top);
    RowState* state = states + r;
    if (!(maximum > state->maximum)) return false;
    if (state->maximum > kHidden) shrink(r, state->maximum - maximum);
    state->maximum = maximum;
    return true;
  }

  // The maximum of a row moved by -step.
  void shrink(int64_t r, float step) {
    RowState* state = states + r;
    if (step < kVanishes) step = kVanishes;
    const float factor = exp2_nonpositive(splat(step))[0];
    state->mass[0] += state->apart;
    state->apart = 0.0f;
    state->entropy = factor * (state->entropy + step * state->mass);
    state->mass *= factor;
    for (int64_t l = 0; l < problem.plan.label_roles; ++l) sums[l * kBlockRows + r] *= factor;
    float* row = outputs + r * value_stride;
    for (int64_t c = 0; c < value_stride; c += kLanes) store(row + c, load(row + c) * factor);
  }

  HEADSCORE_INLINE void exponentiate(Interval lanes, float* logits, RowState* state) {
    const float maximum = state->maximum;
    Vec mass = state->mass, entropy = state->entropy;
    for (int64_t j = lanes.begin; j < lanes.end; j += kLanes) {
      const Vec x = raised(load(logits + j) - maximum);
      const Vec p = exp2_raised(x);
      store(logits + j, p);
      mass += p;
      entropy += p * x;
    }
    state->mass = mass;
    state->entropy = entropy;
  }

  // The entropy of a row with one large probability hangs on the sum of the small ones.
  static void set_apart(Interval lanes, const float* logits, Vec mass, RowState* state) {
    for (int64_t j = lanes.begin; j < lanes.end; j += kLanes) {
      const Vec p = load(logits + j);
      mass += keep(p < splat(1.0f), p);
    }
    state->mass = mass;
    state->apart = 1.0f;
  }

  // The row has seen no key that gets attention; NaN stays in its mass.
  static void clear(Interval lanes, float* logits, RowState* state) {
    for (int64_t j = lanes.begin; j < lanes.end; j += kLanes) {
      state->mass += load(logits + j) * 0.0f;
      store(logits + j, Vec{});
    }
  }

  void add_outputs(int64_t r, Interval columns, int64_t first) {
    for (int64_t c = 0; c < value_stride; c += kPanel) {
      tile_outputs(strip + columns.begin,
                   packed.values + c * length + (first + columns.begin) * kPanel,
                   columns.end - columns.begin, value_stride, outputs + r * value_stride + c);
    }
  }

  void finish() {
    RowSums rows;
    for (int64_t r = 0; r < kBlockRows; ++r) {
      const bool real = r < block.rows;
      const float others = real ? sum(states[r].mass) : 1.0f;
      const float apart = real ? states[r].apart : 0.0f;
      rows.mass[r] = others + apart;
      const float lost = others - (rows.mass[r] - apart);  // of the mass; to first order of its log
      rows.entropy[r] = (real ? sum(states[r].entropy) : 0.0f) - kLog2E * lost;
      if (!(rows.mass[r] > 0.0f && finite(rows.mass[r]) && finite(rows.entropy[r]))) {
        *block.fault |= kNotFinite;
      }
    }
    exponentiate_listed();
    const Factors factors(rows);
    const Results results = {block, problem.heads * problem.plan.tokens};
    finish_label_roles(sieves, results, factors, sums);
    finish_listed(sieves, results, factors, listed);
    if (value_stride > 0) finish_outputs(factors.of[0]);
  }

  void exponentiate_listed() {
    for (int64_t r = 0; r < block.rows; ++r) {
      for (int64_t n = sieves.entries_before(r); n < sieves.entries_before(r + 1); ++n) {
        listed[n] -= states[r].maximum;
      }
    }
    const int64_t entries = sieves.entries_before(block.rows);
    for (int64_t n = 0; n < entries; n += kLanes) {
      store(listed + n, exp2_nonpositive(load(listed + n)));
    }
  }

  void finish_outputs(const float* per_mass) {
    for (int64_t r = 0; r < block.rows; ++r) {
      const float* row = outputs + r * value_stride;
      float* to = block.attended + (block.first_row + r) * problem.heads * problem.value_size;
      copy_scaled<Float32>(row, problem.value_size, per_mass[r], to);
    }
  }
};

void rows_qk(const QkProblem& problem, const LabelRole* label_roles, const PackedHead& packed,
             const Block& block, float* scratch) {
  QkRows rows(problem, label_roles, packed, block, scratch);
  rows.start();
  rows.fold_keys();
  rows.finish();
}

}  // namespace
}  // namespace headscore

#endif  // HEADSCORE_CPU_ROWS_QK_INL_
