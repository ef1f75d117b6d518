// Rows of tensors as float32, packed panels of them, and the products of register tiles.
#ifndef HEADSCORE_CPU_PANELS_INL_
#define HEADSCORE_CPU_PANELS_INL_

#include "vectors.inl"

namespace headscore {
namespace {

constexpr int kTileRows = HEADSCORE_TILE_ROWS;
constexpr int kPanel = 2 * kLanes;
constexpr int64_t kDepth = 64;           // columns of a query that lie together in a tile
constexpr int64_t kChunk = 512;          // columns of a strip
constexpr int64_t kStrip = kChunk + 16;  // its stride: rows fall into different cache sets

static_assert(kBlockRows % kTileRows == 0, "a block holds whole tiles");
static_assert(kChunk % kPanel == 0, "a chunk holds whole panels");

// The dtypes that tensors come in, a vector at a time.
struct Float32 {
  typedef float Type;
  HEADSCORE_INLINE Vec load(const float* from) { return headscore::load(from); }
  HEADSCORE_INLINE float one(float x) { return x; }
};

struct BFloat16 {
  typedef uint16_t Type;
  HEADSCORE_INLINE Vec load(const uint16_t* from) {
    return from_bfloat16(*reinterpret_cast<const HalfVec*>(from));
  }
  HEADSCORE_INLINE float one(uint16_t x) { return from_bfloat16(x - HalfVec{})[0]; }
};

struct Float16 {
  typedef uint16_t Type;
  HEADSCORE_INLINE Vec load(const uint16_t* from) {
    return from_half(*reinterpret_cast<const HalfVec*>(from));
  }
  HEADSCORE_INLINE float one(uint16_t x) { return from_half(x - HalfVec{})[0]; }
};

// Up to a vector of elements, the rest of the lanes 0.
template <typename Element>
HEADSCORE_INLINE Vec load_part(const typename Element::Type* from, int64_t count) {
#if defined(__aarch64__)
  const HalfVec part = load_first(from, count);
  return Element::load(reinterpret_cast<const typename Element::Type*>(&part));
#else
  typename Element::Type part[kLanes] = {};
  __builtin_memcpy(part, from, count * sizeof part[0]);
  return Element::load(part);
#endif
}

template <>
HEADSCORE_ALWAYS_INLINE Vec load_part<Float32>(const float* from, int64_t count) {
  return load_first(from, count);
}

// Copies `count` elements as float32, multiplied by `scale`.
template <typename Element>
HEADSCORE_INLINE void copy_scaled(const typename Element::Type* from, int64_t count, float scale,
                                  float* to) {
  int64_t c = 0;
  for (; c + kLanes <= count; c += kLanes) store(to + c, Element::load(from + c) * scale);
  if (c == count) return;
  float part[kLanes];
  store(part, load_part<Element>(from + c, count - c) * scale);
  __builtin_memcpy(to + c, part, (count - c) * sizeof(float));
}

// Copies `count` elements from element `offset` of the tensor on.
void load_row(const Tensor4& tensor, int64_t offset, int64_t count, float scale, float* to) {
  const uint16_t* half = static_cast<const uint16_t*>(tensor.data) + offset;
  if (tensor.dtype == Dtype::kFloat32) {
    copy_scaled<Float32>(static_cast<const float*>(tensor.data) + offset, count, scale, to);
  } else if (tensor.dtype == Dtype::kBfloat16) {
    copy_scaled<BFloat16>(half, count, scale, to);
  } else {
    copy_scaled<Float16>(half, count, scale, to);
  }
}

HEADSCORE_INLINE int64_t row_offset(const Tensor4& tensor, int64_t b, int64_t h, int64_t row) {
  return b * tensor.batch_stride + h * tensor.head_stride + row * tensor.row_stride;
}

typedef float Quad __attribute__((vector_size(16), aligned(4), may_alias));
#if defined(__clang__)
#define HEADSCORE_MIX(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int32_t QuadIndex __attribute__((vector_size(16)));
#define HEADSCORE_MIX(a, b, i, j, k, l) __builtin_shuffle(a, b, QuadIndex{i, j, k, l})
#endif

// Columns c .. c + 3 of four rows -> rows of four, `stride` apart.
HEADSCORE_INLINE void transpose4(const float* const rows[4], int64_t c, int64_t stride, float* to) {
  Quad row[4];
  for (int j = 0; j < 4; ++j) row[j] = *reinterpret_cast<const Quad*>(rows[j] + c);
  const Quad low01 = HEADSCORE_MIX(row[0], row[1], 0, 4, 1, 5);
  const Quad low23 = HEADSCORE_MIX(row[2], row[3], 0, 4, 1, 5);
  const Quad high01 = HEADSCORE_MIX(row[0], row[1], 2, 6, 3, 7);
  const Quad high23 = HEADSCORE_MIX(row[2], row[3], 2, 6, 3, 7);
  *reinterpret_cast<Quad*>(to) = HEADSCORE_MIX(low01, low23, 0, 1, 4, 5);
  *reinterpret_cast<Quad*>(to + stride) = HEADSCORE_MIX(low01, low23, 2, 3, 6, 7);
  *reinterpret_cast<Quad*>(to + 2 * stride) = HEADSCORE_MIX(high01, high23, 0, 1, 4, 5);
  *reinterpret_cast<Quad*>(to + 3 * stride) = HEADSCORE_MIX(high01, high23, 2, 3, 6, 7);
}

constexpr int64_t kPart = 256;  // columns that are packed together

// Four keys from key `first` on, beyond `length` zeros, into columns j .. j + 3 of a panel.
HEADSCORE_INLINE void pack_four_keys(const Tensor4& key, int64_t from, int64_t present,
                                     int64_t count, float* panel) {
  float converted[4][kPart];
  const float* rows[4];
  for (int64_t j = 0; j < 4; ++j) {
    const int64_t offset = from + j * key.row_stride;
    rows[j] = converted[j];
    if (j >= present) {
      __builtin_memset(converted[j], 0, count * sizeof(float));
    } else if (key.dtype == Dtype::kFloat32) {
      rows[j] = static_cast<const float*>(key.data) + offset;
    } else {
      load_row(key, offset, count, 1.0f, converted[j]);
    }
  }
  int64_t c = 0;
  for (; c + 4 <= count; c += 4) transpose4(rows, c, kPanel, panel + c * kPanel);
  for (; c < count; ++c) {
    for (int64_t j = 0; j < 4; ++j) panel[c * kPanel + j] = rows[j][c];
  }
}

void pack_keys(const Tensor4& key, int64_t sequence, int64_t head, int64_t length,
               int64_t head_size, float* packed) {
  for (int64_t j = 0; j < rounded_up(length, kPanel); j += 4) {
    float* panel = packed + j / kPanel * kPanel * head_size + j % kPanel;
    const int64_t from = row_offset(key, sequence, head, j);
    for (int64_t c = 0; c < head_size; c += kPart) {
      pack_four_keys(key, from + c, length - j, smaller(kPart, head_size - c), panel + c * kPanel);
    }
  }
}

template <typename Element>
void pack_values_of(const typename Element::Type* from, int64_t row_stride, int64_t length,
                    int64_t value_size, float* packed) {
  for (int64_t c = 0; c < value_size; c += kPanel) {
    const bool whole = value_size - c >= kPanel;
    for (int64_t j = 0; j < length; ++j, packed += kPanel) {
      const typename Element::Type* row = from + j * row_stride + c;
      if (!whole) __builtin_memset(packed, 0, sizeof(float) * kPanel);
      copy_scaled<Element>(row, whole ? kPanel : value_size - c, 1.0f, packed);
    }
  }
}

void pack_values(const Tensor4& value, int64_t sequence, int64_t head, int64_t length,
                 int64_t value_size, float* packed) {
  const int64_t offset = row_offset(value, sequence, head, 0);
  const uint16_t* half = static_cast<const uint16_t*>(value.data) + offset;
  if (value.dtype == Dtype::kFloat32) {
    pack_values_of<Float32>(static_cast<const float*>(value.data) + offset, value.row_stride,
                            length, value_size, packed);
  } else if (value.dtype == Dtype::kBfloat16) {
    pack_values_of<BFloat16>(half, value.row_stride, length, value_size, packed);
  } else {
    pack_values_of<Float16>(half, value.row_stride, length, value_size, packed);
  }
}

// Writes one query, scaled, as row r of its tile [head_size / kDepth][kTileRows][kDepth].
HEADSCORE_INLINE void pack_query(const Tensor4& query, int64_t from, int64_t head_size, float scale,
                                 int64_t r, float* tile) {
  for (int64_t c = 0; c < head_size; c += kDepth) {
    const int64_t count = smaller(kDepth, head_size - c);
    load_row(query, from + c, count, scale, tile + c * kTileRows + r * kDepth);
  }
}

// The sums of a register tile.
struct Tile {
  Vec row[kTileRows][2];
};

// Adds the products of column c of kTileRows rows, kStride apart, with a row of a panel.
template <int64_t kStride>
HEADSCORE_INLINE void add_column(const float* rows, int64_t c, const float* panel, Tile* tile) {
  const Vec first = load(panel);
  const Vec second = load(panel + kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) {
    const Vec x = splat(rows[r * kStride + c]);
    tile->row[r][0] += x * first;
    tile->row[r][1] += x * second;
  }
}

#if defined(__aarch64__)
// Four columns at a time: a product names a lane of a register that holds four columns of a row.
// 16 sums, 8 rows and 8 halves of the panel's rows fill the 32 registers.
template <int kLane>
HEADSCORE_INLINE void add_lane(const Vec rows[kTileRows], const float* panel, Tile* tile) {
  const Vec first = load(panel + kLane * kPanel);
  const Vec second = load(panel + kLane * kPanel + kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) {
    tile->row[r][0] = vfmaq_laneq_f32(tile->row[r][0], first, rows[r], kLane);
    tile->row[r][1] = vfmaq_laneq_f32(tile->row[r][1], second, rows[r], kLane);
  }
}

template <int64_t kStride>
HEADSCORE_INLINE void add_four_columns(const float* rows, const float* panel, Tile* tile) {
  Vec four[kTileRows];
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) {
    four[r] = load(rows + r * kStride);
    asm("" : "+w"(four[r]));  // or GCC loads lane by lane
  }
  add_lane<0>(four, panel, tile);
  add_lane<1>(four, panel, tile);
  add_lane<2>(four, panel, tile);
  add_lane<3>(four, panel, tile);
}
#endif

// Adds the products of `count` columns of kTileRows rows with as many rows of a panel; returns the
// panel's next row.
template <int64_t kStride>
HEADSCORE_INLINE const float* add_columns(const float* rows, const float* panel, int64_t count,
                                          Tile* tile) {
  int64_t c = 0;
#if defined(__aarch64__)
  for (; c + 4 <= count; c += 4, panel += 4 * kPanel) {
    add_four_columns<kStride>(rows + c, panel, tile);
  }
#endif
  for (; c < count; ++c, panel += kPanel) add_column<kStride>(rows, c, panel, tile);
  return panel;
}

HEADSCORE_INLINE void store_tile(const Tile& tile, int64_t stride, float* to) {
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) {
    store(to + r * stride, tile.row[r][0]);
    store(to + r * stride + kLanes, tile.row[r][1]);
  }
}

// Logits of a tile of queries against one packed panel of keys.
HEADSCORE_INLINE void tile_logits(const float* queries, const float* panel, int64_t head_size,
                                  float* strip) {
  Tile tile;
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) tile.row[r][0] = tile.row[r][1] = Vec{};
  for (int64_t first = 0; first < head_size; first += kDepth, queries += kTileRows * kDepth) {
    panel = add_columns<kDepth>(queries, panel, smaller(kDepth, head_size - first), &tile);
  }
  store_tile(tile, kStrip, strip);
}

// Adds the products of a strip's probabilities with `keys` rows of a panel of values to a tile
// of outputs.
HEADSCORE_INLINE void tile_outputs(const float* strip, const float* panel, int64_t keys,
                                   int64_t stride, float* outputs) {
  Tile tile;
#pragma GCC unroll 16
  for (int r = 0; r < kTileRows; ++r) {
    tile.row[r][0] = load(outputs + r * stride);
    tile.row[r][1] = load(outputs + r * stride + kLanes);
  }
  add_columns<kStrip>(strip, panel, keys, &tile);
  store_tile(tile, stride, outputs);
}

int64_t products(const float* queries, const float* packed, int64_t panels, int64_t head_size,
                 float* strip) {
  for (int64_t n = 0; n < panels; ++n) {
    tile_logits(queries, packed + n * kPanel * head_size, head_size, strip + n * kPanel % kChunk);
  }
  return kTileRows;
}

}  // namespace
}  // namespace headscore

#endif  // HEADSCORE_CPU_PANELS_INL_
