// Rows of tensors as float32, packed panels of them, and the products of register tiles.
#ifndef HEADSCORE_CPU_PANELS_INL_
#define HEADSCORE_CPU_PANELS_INL_

#include "vectors.inl"

namespace headscore {
namespace {

constexpr int kTileRows = HEADSCORE_TILE_ROWS;
constexpr int kPanel = 2 * kLanes;
constexpr int64_t kChunk = 512;  // columns of a strip

static_assert(kBlockRows % kTileRows == 0, "a block holds whole tiles");
static_assert(kChunk % kPanel == 0, "a chunk holds whole panels");

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

}  // namespace
}  // namespace headscore

#endif  // HEADSCORE_CPU_PANELS_INL_
