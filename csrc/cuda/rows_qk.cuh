// Rows of attention from queries and keys: one pass over the keys, one exponential per entry.
#ifndef HEADSCORE_CUDA_ROWS_QK_CUH_
#define HEADSCORE_CUDA_ROWS_QK_CUH_

#include "cuda/label_sums.cuh"
#include "cuda/logits.cuh"
#include "cuda/row_sums.cuh"

namespace headscore::cuda {

constexpr int kStrips = kTileKeys / kStripKeys;

// The rows of a warp, and what they have seen so far.
template <typename Products>
class WarpRows {
 public:
  static constexpr int kTiles = Products::kTiles;
  static constexpr bool kApart = Products::kSlack == 0.0f;  // no p exceeds 1
  using Total = RowTotal<kApart>;

  __device__ WarpRows(const QkProblem& problem, const Sieves& sieves, const LogitScale& scale,
                      int first_row, unsigned char* room)
      : problem_(problem),
        sieves_(sieves),
        scale_(scale),
        labels_(sieves, first_row, scale.least_top, room + kThreads * sizeof(Total)),
        sums_(scale.least_top),
        total_(reinterpret_cast<Total*>(room)[threadIdx.x]) {
    const Visibility& visibility = problem.common.visibility;
    const int first = labels_.first_row();
    const int last = min(first + LabelSums<kTiles>::kWarpRows, sieves.length) - 1;
    view_ = {visible_keys(visibility, first, sieves.keys),
             visible_keys(visibility, last, sieves.keys)};
    total_ = {scale.least_top, 0.0f, 0.0f, 0.0f};
  }

  // Of the block's rows, in bytes.
  __host__ __device__ static size_t room_bytes(int roles) {
    return kThreads * sizeof(Total) + LabelSums<kTiles>::room_bytes(roles);
  }

  __device__ bool real() const { return labels_.first_row() < sieves_.length; }
  __device__ bool sees(int first_key) const { return real() && view_.sees(first_key); }
  __device__ const LabelSums<kTiles>& labels() const { return labels_; }
  __device__ const Total& total() const { return total_; }

  __device__ void turn_to(int tile, TileRoles here) {
    labels_.turn_to(tile, here, [&](int last_tile) { end_run(last_tile); });
  }

  // After which the totals are up to date.
  __device__ void end_run(int tile) {
    const float mass = share_rows(sums_.mass), top = own_of(sums_.top);
    const float apart = kApart ? share_rows(sums_.apart) : 0.0f;
    total_.add(top, mass, apart, share_rows(sums_.entropy));
    labels_.add_run(tile, mass + apart, top);
    sums_.start_run();
  }

  // Takes the products of a strip into account; see RowSums for `beside`.
  template <typename Beside>
  __device__ void add(int first_key, Strip<kTiles>& p, const Beside& beside) {
    const int first_row = labels_.first_row();
    if (scale_.into_cap > 0.0f) cap<kTiles>(scale_, p);
    if (problem_.bias.data != nullptr) {
      add_bias<kTiles>(sieves_, problem_.bias, scale_, first_row, first_key, p);
    }
    if (!view_.sees_all(first_key)) {
      const Visibility& visibility = problem_.common.visibility;
      hide<kTiles>(visibility, first_row, sieves_.keys, first_key, scale_.hidden, p);
    }
    sums_.rise(scale_.factor, Products::kSlack, p);
    sums_.add(scale_.factor, p, beside);
    if (labels_.has_parts()) labels_.add_strip(first_key, p, sums_.top);
  }

 private:
  const QkProblem& problem_;
  const Sieves& sieves_;
  const LogitScale& scale_;
  WarpView view_;
  LabelSums<kTiles> labels_;
  RowSums<kTiles, kApart> sums_;
  Total& total_;
};

// All tiles from the first to the last: one strip after the other.
template <typename Products>
__device__ void walk(const Sieves& sieves, int first_tile, int last_tile, Products& products,
                     WarpRows<Products>& rows) {
  for (int tile = first_tile; tile <= last_tile; ++tile) {
    const TileRoles here = sieves.tile_roles(tile);
    products.turn_to(tile, tile < last_tile);
    if (rows.real()) rows.turn_to(tile, here);
#pragma unroll
    for (int strip = 0; strip < kStrips; ++strip) {
      const int first_key = tile * kTileKeys + strip * kStripKeys;
      const bool sees = rows.sees(first_key);
      Strip<Products::kTiles> p;
      products.multiply(tile, strip, tile < last_tile, sees, p);
      if (sees) rows.add(first_key, p, [](int) {});
    }
  }
}

// The same with the products of the next strip beside the exponentials of this one, so that tensor
// cores do not wait for these; it takes registers for two strips.
template <typename Products>
__device__ void walk_ahead(const Sieves& sieves, int first_tile, int last_tile, Products& products,
                           WarpRows<Products>& rows) {
  static_assert(kStrips % 2 == 0, "a tile begins with the same registers as the one before");
  Strip<Products::kTiles> strips[2];
  TileRoles here = sieves.tile_roles(first_tile);
  products.turn_to(first_tile, first_tile < last_tile);
  if (rows.real()) products.multiply(first_tile, 0, strips[0]);
  for (int tile = first_tile; tile <= last_tile; ++tile) {
    if (rows.real()) rows.turn_to(tile, here);
#pragma unroll
    for (int strip = 0; strip < kStrips; ++strip) {
      const int first_key = tile * kTileKeys + strip * kStripKeys;
      Strip<Products::kTiles>&p = strips[strip % 2], &next = strips[(strip + 1) % 2];
      const int next_strip = (strip + 1) % kStrips, next_tile = tile + (strip + 1) / kStrips;
      if (next_tile > tile && tile < last_tile) {
        here = sieves.tile_roles(next_tile);
        products.turn_to(next_tile, next_tile < last_tile);
      }
      // Behind the last strip this multiplies what happens to be there: nobody looks at it.
      if (rows.sees(first_key)) {
        rows.add(first_key, p, [&](int n) {
          if (n % 2 == 0) products.multiply_columns(next_tile, next_strip, n, next);
        });
      } else if (rows.real()) {
        products.multiply(next_tile, next_strip, next);
      }
    }
  }
}

// Finished rows -> their parts of the scores, added up over the block in a fixed order.
template <bool kApart, int kTiles>
__device__ void finish_rows(const Sieves& sieves, const RowTotal<kApart>& total,
                            const LabelSums<kTiles>& labels, int block, float* warp_sums) {
  const int lane = threadIdx.x % kWarpLanes, warp = threadIdx.x / kWarpLanes;
  const float top = total.top, mass = total.whole();
  const int row = labels.own_row();
  const bool real = labels.owns_real_row();
  const float log2_mass = log2f(mass), per_mass = 1.0f / mass;
  const Interval keys = visible_keys(sieves.problem.visibility, row, sieves.keys);
  const float entropy = entropy_of(keys, log2_mass, total.whole_entropy() * per_mass);
  if (real) sieves.put_row(row, top, mass, entropy);
  for (int n = 0; n < sieves.count; ++n) {
    float value = 0.0f;
    if (real) {
      value = sieves.row_value(n, row, labels.inside(n, top) * per_mass, entropy);
      sieves.put_token_value(n, row, value);
    }
    value = warp_sum(value);
    if (lane == 0) warp_sums[n * kWarps + warp] = value;
  }
  const bool fault = real && !(isfinite(mass) && mass > 0.0f && isfinite(total.entropy));
  const bool any = __syncthreads_or(fault);
  if (threadIdx.x == 0) sieves.put_block_fault(block, any ? kNotFinite : 0);
  if (static_cast<int>(threadIdx.x) < sieves.count) {
    const float* sums = warp_sums + threadIdx.x * kWarps;
    sieves.put_block_sum(block, threadIdx.x, (sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
}

// Shared memory: the products' room, the rows' room, the label roles' sums over warps.
template <typename Products>
size_t rows_qk_bytes(int roles) {
  return Products::kRoomBytes + WarpRows<Products>::room_bytes(roles) +
         roles * kWarps * sizeof(float);
}

// Block (x, y, z): rows x kRows and on, of head y of sequence z; label roles `first_role` and on.
template <typename Number, typename Products, int kBlocksPerProcessor>
__global__ void __launch_bounds__(kThreads, kBlocksPerProcessor)
    rows_qk(const __grid_constant__ QkProblem problem, const __grid_constant__ LogitScale scale,
            int first_role) {
  const Problem& common = problem.common;
  // Causal rows cost the more the later they are: those blocks start first.
  const int block = common.visibility.causal ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
  const int head = blockIdx.y, sequence = blockIdx.z;
  const int first_row = block * Products::kRows;
  const Sieves sieves(common, sequence, head, first_role);
  const int length = sieves.length, keys = sieves.keys;
  if (first_row >= length) return;

  const int last_row = min(first_row + Products::kRows, length) - 1;
  const int first_tile = visible_keys(common.visibility, first_row, keys).begin / kTileKeys;
  const int last_tile = (visible_keys(common.visibility, last_row, keys).end - 1) / kTileKeys;
  const int key_head = head / static_cast<int>(common.heads / problem.kv_heads);
  const Head<Number> query(problem.query, sequence, head, length, problem.head_size);
  const Head<Number> key(problem.key, sequence, key_head, keys, problem.head_size);

  using Rows = WarpRows<Products>;
  unsigned char* rows_room = shared_memory() + Products::kRoomBytes;
  unsigned char* sums_room = rows_room + Rows::room_bytes(sieves.count);
  Products products(problem, query, key, first_row, first_tile * kTileKeys, shared_memory());
  Rows rows(problem, sieves, scale, first_row, rows_room);
  if constexpr (Products::kAhead) {
    walk_ahead(sieves, first_tile, last_tile, products, rows);
  } else {
    walk(sieves, first_tile, last_tile, products, rows);
  }
  if (rows.real()) rows.end_run(last_tile);
  finish_rows(sieves, rows.total(), rows.labels(), block, reinterpret_cast<float*>(sums_room));
}

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_ROWS_QK_CUH_
