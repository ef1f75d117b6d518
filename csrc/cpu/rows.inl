// The kernel: one source, compiled once per instruction set. The including unit defines
//   HEADSCORE_LANES  floats of a vector,  HEADSCORE_TILE_ROWS  rows of a register tile,
//   HEADSCORE_UNIT   the name of its InstructionSet,  HEADSCORE_UNIT_NAME  the same as text.
//
// A task takes kBlockRows queries of one head. Keys come in chunks of kChunk columns; for each
// group of tile rows the chunk's logits go through a strip that stays in the L1 cache:
//
//            panel 0   panel 1   ...                 strip: kTileRows x kChunk logits
//          +---------+---------+---------+             -> running maximum, exp2, sums, entropy
//   rows   | q.k     |         |         |             -> role sums of this chunk's entries
//          +---------+---------+---------+
//
// Sums of earlier chunks are rescaled when the running maximum moves (online softmax), so one
// pass suffices, with one exponential per entry and no row longer than a chunk in memory.
//
// No standard-library templates here: the linker may keep this unit's copy for everyone.

namespace headscore {
namespace {

constexpr int kLanes = HEADSCORE_LANES;
constexpr int kTileRows = HEADSCORE_TILE_ROWS;
constexpr int kPanel = 2 * kLanes;
constexpr int64_t kChunk = 512;
constexpr int64_t kAhead = 1024;   // floats between reading given attention and asking for more
constexpr float kHidden = -1e30f;  // logit of a key that is not visible: exp2 gives exactly 0
constexpr double kLn2 = 0.69314718055994530942;
constexpr float kLog2E = 1.44269504088896340736f;

static_assert(kBlockRows % kTileRows == 0, "a block holds whole tiles");
static_assert(kChunk % kPanel == 0, "a chunk holds whole panels");

typedef float Vec __attribute__((vector_size(sizeof(float) * kLanes), aligned(4), may_alias));
typedef int32_t IntVec __attribute__((vector_size(sizeof(float) * kLanes), aligned(4), may_alias));

#define HEADSCORE_ALWAYS_INLINE inline __attribute__((always_inline))
#define HEADSCORE_INLINE static HEADSCORE_ALWAYS_INLINE

HEADSCORE_INLINE Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
HEADSCORE_INLINE IntVec load(const int32_t* from) { return *reinterpret_cast<const IntVec*>(from); }
HEADSCORE_INLINE void store(float* to, Vec v) { *reinterpret_cast<Vec*>(to) = v; }
HEADSCORE_INLINE Vec splat(float x) { return x - Vec{}; }
HEADSCORE_INLINE IntVec bits(Vec v) { return reinterpret_cast<IntVec&>(v); }
HEADSCORE_INLINE Vec floats(IntVec v) { return reinterpret_cast<Vec&>(v); }
HEADSCORE_INLINE Vec keep(IntVec mask, Vec v) { return floats(mask & bits(v)); }
HEADSCORE_INLINE Vec choose(IntVec mask, Vec yes, Vec no) {
  return floats((mask & bits(yes)) | (~mask & bits(no)));
}

HEADSCORE_INLINE Vec larger_of(Vec a, Vec b) { return a > b ? a : b; }  // b where one is NaN

// Halves are folded onto one another: a fixed order, part of the promise of identical bits.
HEADSCORE_INLINE float sum(Vec v) {
  float lanes[kLanes];
  store(lanes, v);
#pragma GCC unroll 4
  for (int half = kLanes / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

HEADSCORE_INLINE float largest(Vec v) {
  float lanes[kLanes];
  store(lanes, v);
#pragma GCC unroll 4
  for (int half = kLanes / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int lane = 0; lane < half; ++lane) {
      lanes[lane] = lanes[lane] > lanes[lane + half] ? lanes[lane] : lanes[lane + half];
    }
  }
  return lanes[0];
}

HEADSCORE_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
HEADSCORE_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// 2^x for x <= 0: n = round(x), then a minimax polynomial of degree 6 on [-1/2, 1/2] (error 2e-9);
// exactly 1 for x = 0, so that a row with one visible key has entropy 0.
HEADSCORE_INLINE Vec exp2_nonpositive(Vec x) {
  x = larger_of(splat(-127.0f), x);      // NaN stays
  const Vec magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = x + magic;
  const Vec f = x - (shifted - magic);
  Vec p = splat(1.5461444698569137e-4f);
  p = p * f + splat(1.3400428177615838e-3f);
  p = p * f + splat(9.618056678524637e-3f);
  p = p * f + splat(5.550327226670302e-2f);
  p = p * f + splat(2.4022650922288757e-1f);
  p = p * f + splat(6.931472067028326e-1f);
  p = p * f + splat(1.0f);
  const IntVec n = bits(shifted) - bits(magic);
  return p * floats((n + 127) << 23);  // n = -127: times 0
}

// log2(x) for finite x > 0: x = 2^n (1 + t) with 1 + t in [sqrt(1/2), sqrt(2)), then t times a
// minimax polynomial of degree 8 (error 6e-8).
HEADSCORE_INLINE Vec log2_positive(Vec x) {
  const IntVec offset = bits(x) - 0x3f3504f3;
  const IntVec n = offset >> 23;
  const Vec t = floats(bits(x) - (n << 23)) - 1.0f;
  Vec p = splat(1.231096847e-1f);
  p = p * t + splat(-2.058618805e-1f);
  p = p * t + splat(2.160782255e-1f);
  p = p * t + splat(-2.391698814e-1f);
  p = p * t + splat(2.879032609e-1f);
  p = p * t + splat(-3.606932681e-1f);
  p = p * t + splat(4.809107535e-1f);
  p = p * t + splat(-7.213474682e-1f);
  p = p * t + splat(1.442695004f);
  return __builtin_convertvector(n, Vec) + t * p;
}

// tanh with a relative error below 3e-7, also near 0 (Cephes' tanhf: polynomial below 0.625).
HEADSCORE_INLINE Vec tanh_of(Vec x) {
  const IntVec sign = bits(x) & static_cast<int32_t>(0x80000000);
  const Vec a = floats(bits(x) ^ sign);
  const Vec z = x * x;
  Vec p = splat(-5.70498872745e-3f);
  p = p * z + splat(2.06390887954e-2f);
  p = p * z + splat(-5.37397155531e-2f);
  p = p * z + splat(1.33314422036e-1f);
  p = p * z + splat(-3.33332819422e-1f);
  const Vec near = x + x * z * p;
  const Vec e = exp2_nonpositive(a * (-2.0f * kLog2E));
  const Vec far = floats(bits((1.0f - e) / (1.0f + e)) | sign);
  return choose(a < splat(0.625f), near, far);
}

// Without a branch, so that loops over it become vectors: the exponent is moved by a product with
// 2^112, which is exact for subnormals too; the largest exponent becomes Inf or NaN again.
HEADSCORE_INLINE float from_half(uint16_t h) {
  const uint32_t magnitude = static_cast<uint32_t>(h & 0x7fffu) << 13;
  float value;
  __builtin_memcpy(&value, &magnitude, sizeof value);
  value *= 5.192296858534828e33f;
  uint32_t word;
  __builtin_memcpy(&word, &value, sizeof word);
  word |= (h & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  word |= static_cast<uint32_t>(h & 0x8000u) << 16;
  __builtin_memcpy(&value, &word, sizeof value);
  return value;
}

HEADSCORE_INLINE float from_bfloat16(uint16_t h) {
  const uint32_t word = static_cast<uint32_t>(h) << 16;
  float value;
  __builtin_memcpy(&value, &word, sizeof value);
  return value;
}

// Copies `count` elements from element `offset` of the tensor on, as float32.
void load_row(const Tensor4& tensor, int64_t offset, int64_t count, float* to) {
  if (tensor.dtype == Dtype::kFloat32) {
    __builtin_memcpy(to, static_cast<const float*>(tensor.data) + offset, count * sizeof(float));
    return;
  }
  const uint16_t* from = static_cast<const uint16_t*>(tensor.data) + offset;
  if (tensor.dtype == Dtype::kBfloat16) {
    for (int64_t c = 0; c < count; ++c) to[c] = from_bfloat16(from[c]);
  } else {
    for (int64_t c = 0; c < count; ++c) to[c] = from_half(from[c]);
  }
}

HEADSCORE_INLINE int64_t row_offset(const Tensor4& tensor, int64_t b, int64_t h, int64_t row) {
  return b * tensor.batch_stride + h * tensor.head_stride + row * tensor.row_stride;
}

void pack_keys(const Tensor4& key, int64_t sequence, int64_t head, int64_t length,
               int64_t head_size, float* packed) {
  float row[256];
  for (int64_t start = 0; start < length; start += kPanel) {
    float* panel = packed + start * head_size;
    for (int64_t j = 0; j < kPanel; ++j) {
      const int64_t from = row_offset(key, sequence, head, start + j);
      for (int64_t c0 = 0; c0 < head_size; c0 += 256) {
        const int64_t count = smaller(256, head_size - c0);
        if (start + j < length) {
          load_row(key, from + c0, count, row);
        } else {
          __builtin_memset(row, 0, sizeof row);
        }
        for (int64_t c = 0; c < count; ++c) panel[(c0 + c) * kPanel + j] = row[c];
      }
    }
  }
}

// Writes one query, scaled, as a column of its tile; `room` holds kChunk floats.
HEADSCORE_INLINE void pack_query(const Tensor4& query, int64_t from, int64_t head_size, float scale,
                                 float* room, float* column) {
  for (int64_t c0 = 0; c0 < head_size; c0 += kChunk) {
    const int64_t part = smaller(kChunk, head_size - c0);
    const float* row = room;
    if (query.dtype == Dtype::kFloat32) {
      row = static_cast<const float*>(query.data) + from + c0;
    } else {
      load_row(query, from + c0, part, room);
    }
    for (int64_t c = 0; c < part; ++c) column[(c0 + c) * kTileRows] = row[c] * scale;
  }
}

// Logits of kTileRows queries (queries[c][row], already scaled) against one packed panel.
HEADSCORE_INLINE void tile(const float* queries, const float* panel, int64_t head_size,
                           float* strip) {
  Vec acc[kTileRows][2];
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) acc[r][0] = acc[r][1] = Vec{};
  for (int64_t c = 0; c < head_size; ++c) {
    const Vec k0 = load(panel + c * kPanel);
    const Vec k1 = load(panel + c * kPanel + kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kTileRows; ++r) {
      const Vec q = splat(queries[c * kTileRows + r]);
      acc[r][0] += q * k0;
      acc[r][1] += q * k1;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) {
    store(strip + r * kChunk, acc[r][0]);
    store(strip + r * kChunk + kLanes, acc[r][1]);
  }
}

int64_t products(const float* queries, const float* packed, int64_t panels, int64_t head_size,
                 float* strip) {
  for (int64_t n = 0; n < panels; ++n) {
    tile(queries, packed + n * kPanel * head_size, head_size, strip + n * kPanel % kChunk);
  }
  return kTileRows;
}

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
// or the attention itself; `role` sums follow them in the same scale. Lanes are added up at the
// end.
struct RowState {
  Vec mass;     // sum of the probabilities
  Vec entropy;  // sum of p * (logit - maximum), or of p * log2 p
  float maximum;
  uint8_t fault;
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

// Adds the probabilities of some keys to every role of one row; p points at key `first`.
void add_roles(const Sieves& sieves, int64_t row, Interval keys, int64_t first, const float* p,
               float* role) {
  const SievePlan& plan = sieves.plan;
  for (int64_t l = 0; l < plan.label_roles; ++l) {
    const LabelRole& one = sieves.label_roles[l];
    const int64_t begin = larger(keys.begin, row + one.low);
    const int64_t end = smaller(keys.end, row + one.high + 1);
    if (begin >= end || one.weight[row] == 0.0f) continue;
    const int32_t label = one.query_label[row];
    role[one.role] += one.listed != nullptr ? sum_listed(one, label, begin, end, first, p)
                                            : sum_equal(p + (begin - first), one.key_label + begin,
                                                        label, end - begin);
  }
  for (int64_t n = sieves.pair_offsets[row]; n < sieves.pair_offsets[row + 1]; ++n) {
    const int64_t j = plan.pair_key[n];
    if (j < keys.begin || j >= keys.end) continue;
    role[plan.pair_role[n]] += plan.pair_weight[n] * p[j - first];
  }
}

// Turns a finished row's sums into its share of the sequence scores. `entropy` is that of the
// unnormalised row in bits: sum of p * log2 p.
void finish_row(const Sieves& sieves, const Block& block, int64_t heads, int64_t row, float mass,
                float entropy, float* role) {
  const SievePlan& plan = sieves.plan;
  for (int64_t l = 0; l < plan.label_roles; ++l) {
    role[sieves.label_roles[l].role] *= sieves.label_roles[l].weight[row];
  }
  const double per_mass = 1.0 / mass;
  const double log_mass = log2_positive(splat(mass))[0];
  const double factor[2] = {per_mass, per_mass * kLn2 * (log_mass - entropy * per_mass)};
  for (int64_t r = 0; r < plan.roles; ++r) {
    const double value = role[r] * factor[plan.times_entropy[r]];
    block.partial[r] += value;
    if (block.token_values) {
      block.token_values[r * heads * plan.tokens + row] = static_cast<float>(value);
    }
  }
}

// One chunk of logits of one row -> probabilities in place, sums, roles.
void fold_logits(const Sieves& sieves, int64_t row, Interval visible, int64_t first, int64_t count,
                 float softcap, float* logits, RowState* state, float* role) {
  const Interval keys = {larger(visible.begin, first), smaller(visible.end, first + count)};
  if (keys.begin >= keys.end) return;
  const Interval lanes = whole_vectors(keys, first);
  if (softcap > 0.0f) {
    const Vec inverse = splat(1.0f / (softcap * kLog2E));
    for (int64_t j = lanes.begin; j < lanes.end; j += kLanes) {
      store(logits + j, tanh_of(load(logits + j) * inverse) * (softcap * kLog2E));
    }
  }
  for (int64_t j = lanes.begin; j < keys.begin - first; ++j) logits[j] = kHidden;
  for (int64_t j = keys.end - first; j < lanes.end; ++j) logits[j] = kHidden;

  Vec top = load(logits + lanes.begin);
  for (int64_t j = lanes.begin + kLanes; j < lanes.end; j += kLanes) {
    top = larger_of(load(logits + j), top);
  }
  const float chunk_maximum = largest(top);
  if (chunk_maximum > state->maximum) {
    const float step = state->maximum - chunk_maximum;
    const float shrink = exp2_nonpositive(splat(step))[0];
    state->entropy = shrink * (state->entropy + step * state->mass);
    state->mass *= shrink;
    for (int64_t r = 0; r < sieves.plan.roles; ++r) role[r] *= shrink;
    state->maximum = chunk_maximum;
  }
  const float maximum = state->maximum;
  Vec mass = state->mass, entropy = state->entropy;
  for (int64_t j = lanes.begin; j < lanes.end; j += kLanes) {
    const Vec x = load(logits + j) - maximum;
    const Vec p = exp2_nonpositive(x);
    store(logits + j, p);
    mass += p;
    entropy += p * x;
  }
  state->mass = mass;
  state->entropy = entropy;
  add_roles(sieves, row, keys, first, logits, role);
}

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

// Given attention of one row at the keys `keys` -> sums, roles; attention[0] is key keys.begin.
void fold_attention(const Sieves& sieves, int64_t row, Interval keys, bool with_entropy,
                    const float* attention, RowState* state, float* role) {
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
  add_roles(sieves, row, keys, keys.begin, attention, role);
}

HEADSCORE_INLINE bool finite(float x) { return x - x == 0.0f; }

// Scratch: queries [head_size][kTileRows] per tile, strip [kTileRows][kChunk], then the rows'
// roles.
constexpr int64_t kTiles = kBlockRows / kTileRows;

int64_t scratch_floats(int64_t roles, int64_t head_size) {
  return kBlockRows * head_size + kTileRows * kChunk + kBlockRows * roles;
}

void rows_qk(const QkProblem& problem, const LabelRole* label_roles, const float* packed,
             const Block& block, float* scratch) {
  const SievePlan& plan = problem.plan;
  const Sieves sieves(plan, label_roles, block.sequence);
  const int64_t length = plan.lengths[block.sequence];
  const int64_t head_size = problem.head_size;
  float* queries = scratch;
  float* strip = queries + kBlockRows * head_size;
  float* roles = strip + kTileRows * kChunk;
  __builtin_memset(roles, 0, sizeof(float) * kBlockRows * plan.roles);
  RowState states[kBlockRows];
  const float scale = problem.scale * kLog2E;
  const float natural = problem.softcap > 0.0f ? problem.softcap : 0.0f;

  for (int64_t r = 0; r < kBlockRows; ++r) {
    states[r] = {Vec{}, Vec{}, kHidden, 0};
    float* column = queries + (r / kTileRows) * kTileRows * head_size + r % kTileRows;
    if (r < block.rows) {
      const int64_t from =
          row_offset(problem.query, block.sequence, block.head, block.first_row + r);
      pack_query(problem.query, from, head_size, scale, strip, column);
    } else {
      for (int64_t c = 0; c < head_size; ++c) column[c * kTileRows] = 0.0f;
    }
  }

  const int64_t last_row = block.first_row + block.rows - 1;
  const int64_t begin = visible_keys(problem.visibility, block.first_row, length).begin;
  const int64_t end = visible_keys(problem.visibility, last_row, length).end;
  for (int64_t first = begin / kChunk * kChunk; first < end; first += kChunk) {
    const int64_t count = smaller(kChunk, length - first);
    for (int64_t t = 0; t < kTiles && t * kTileRows < block.rows; ++t) {
      const int64_t tile_row = block.first_row + t * kTileRows;
      const int64_t tile_last = smaller(tile_row + kTileRows - 1, last_row);
      const int64_t tile_begin = visible_keys(problem.visibility, tile_row, length).begin - first;
      const int64_t tile_end = visible_keys(problem.visibility, tile_last, length).end - first;
      for (int64_t j = larger(0, tile_begin) / kPanel * kPanel; j < smaller(count, tile_end);
           j += kPanel) {
        tile(queries + t * kTileRows * head_size, packed + (first + j) * head_size, head_size,
             strip + j);
      }
      for (int64_t r = t * kTileRows; r < smaller((t + 1) * kTileRows, block.rows); ++r) {
        const int64_t row = block.first_row + r;
        fold_logits(sieves, row, visible_keys(problem.visibility, row, length), first, count,
                    natural, strip + (r - t * kTileRows) * kChunk, &states[r],
                    roles + r * plan.roles);
      }
    }
  }

  for (int64_t r = 0; r < block.rows; ++r) {
    const float mass = sum(states[r].mass), weighted = sum(states[r].entropy);
    if (!finite(mass) || !finite(weighted)) *block.fault |= kNotFinite;
    finish_row(sieves, block, problem.heads, block.first_row + r, mass, weighted,
               roles + r * plan.roles);
  }
}

void rows_attention(const AttentionProblem& problem, const LabelRole* label_roles,
                    const Block& block, float* scratch) {
  const SievePlan& plan = problem.plan;
  const Sieves sieves(plan, label_roles, block.sequence);
  const int64_t length = plan.lengths[block.sequence];
  float* strip = scratch;
  float* role = strip + kTileRows * kChunk;
  bool with_entropy = false;
  for (int64_t r = 0; r < plan.roles; ++r) with_entropy |= plan.times_entropy[r] != 0;

  for (int64_t row = block.first_row; row < block.first_row + block.rows; ++row) {
    const Interval visible = visible_keys(problem.visibility, row, length);
    const int64_t from = row_offset(problem.attention, block.sequence, block.head, row);
    RowState state = {Vec{}, Vec{}, kHidden, 0};
    __builtin_memset(role, 0, sizeof(float) * plan.roles);
    if (problem.attention.dtype == Dtype::kFloat32) {  // read where it lies
      const float* row_at = static_cast<const float*>(problem.attention.data) + from;
      fold_attention(sieves, row, visible, with_entropy, row_at + visible.begin, &state, role);
    } else {
      for (int64_t first = visible.begin; first < visible.end; first += kChunk) {
        const Interval keys = {first, smaller(first + kChunk, visible.end)};
        load_row(problem.attention, from + first, keys.end - first, strip);
        fold_attention(sieves, row, keys, with_entropy, strip, &state, role);
      }
    }
    const float mass = sum(state.mass), weighted = sum(state.entropy);
    if (!finite(mass)) state.fault |= kNotFinite;
    const float excess = mass - 1.0f;
    if (excess > problem.tolerance || -excess > problem.tolerance) state.fault |= kSumNotOne;
    *block.fault |= state.fault;
    finish_row(sieves, block, problem.heads, row, mass, weighted, role);
  }
}

}  // namespace

extern const InstructionSet HEADSCORE_UNIT = {
    HEADSCORE_UNIT_NAME, kPanel, scratch_floats, pack_keys, rows_qk, products, rows_attention};

}  // namespace headscore
