// Sums of a row's probabilities over label roles while they are in registers.
//
// Most tiles of keys touch few roles: a delimiter lies in few, a band in those about the diagonal.
// And where all keys of a tile carry the same label (the text of a block), the sum is all or
// nothing: the mass of the tile tells it.
#ifndef HEADSCORE_CUDA_LABEL_SUMS_CUH_
#define HEADSCORE_CUDA_LABEL_SUMS_CUH_

#include "cuda/row_sums.cuh"

namespace headscore::cuda {

// A row's sum in the scale 2^-top, as of the last tiles that touched it.
struct Sum {
  float value;
  float top;
};

constexpr int kLongestRun = 16;  // tiles

template <int kTiles>
class LabelSums {
 public:
  static constexpr int kRows = 2 * kTiles;  // rows of a lane
  static constexpr int kWarpRows = 16 * kTiles;

  // `room` holds a band for each thread, then a Sum for each role and row of the block.
  __device__ LabelSums(const Sieves& sieves, int first_row, float least_top, unsigned char* room)
      : sieves_(sieves),
        first_row_(first_row + static_cast<int>(threadIdx.x) / kWarpLanes * kWarpRows),
        own_row_(first_row_ + lane() / 4 + 8 * (lane() % kRows)),
        owner_(lane() % 4 < kRows),
        band_(reinterpret_cast<int2*>(room)[threadIdx.x]),
        sums_(reinterpret_cast<Sum*>(room + kBandsBytes) + own_row_ - first_row) {
    band_ = {0, 0};
    if (lane() < sieves.count) band_ = {sieves.low(lane()), sieves.high(lane())};
    if (owner_) {
      for (int n = 0; n < sieves_.count; ++n) sums_[n * kStride] = {0.0f, least_top};
    }
  }

  __host__ __device__ static size_t room_bytes(int roles) {
    return kBandsBytes + sizeof(Sum) * kStride * roles;
  }

  __device__ int first_row() const { return first_row_; }
  __device__ int own_row() const { return own_row_; }
  __device__ bool owns_real_row() const { return owner_ && own_row_ < sieves_.length; }

  // Turns to the next tile: which roles take all or nothing of it, and which must look at each
  // key. While the former are the same and look at the same label, their mass waits in a run of
  // tiles; not for longer than kLongestRun, as sums in float32 lose digits. `end_run(tile)` ends
  // the run before, of which that tile is the last.
  template <typename EndRun>
  __device__ void turn_to(int tile, TileRoles here, const EndRun& end_run) {
    const int nearest = tile * kTileKeys - (first_row_ + kWarpRows - 1);
    const int farthest = tile * kTileKeys + kTileKeys - 1 - first_row_;
    const int low = band_.x, high = band_.y;
    const unsigned touched = __ballot_sync(kAllLanes, low <= farthest && nearest <= high);
    const unsigned inside = __ballot_sync(kAllLanes, low <= nearest && farthest <= high);
    const unsigned whole = here.one & inside;
    if (whole != whole_ || (whole & here.fresh) != 0 || tile % kLongestRun == 0) end_run(tile - 1);
    whole_ = whole;
    parts_ = here.present() & touched & ~whole;
  }

  __device__ bool has_parts() const { return parts_ != 0; }

  // Takes the probabilities of a strip into account, in the scale 2^-top of each row.
  __device__ void add_strip(int first_key, const Strip<kTiles>& p, const float (&top)[kRows]) {
    for (unsigned roles = parts_; roles != 0; roles &= roles - 1) {
      const int n = __ffs(roles) - 1;
      put(n, share_rows_of(n, first_key, p), own_of(top));
    }
  }

  // Takes a run that ends with this tile into account: the mass of the lane's own row.
  __device__ void add_run(int tile, float own_mass, float own_top) {
    for (unsigned roles = whole_; roles != 0; roles &= roles - 1) {
      const int n = __ffs(roles) - 1;
      const bool all = sieves_.query_label(n, own_row_) == sieves_.tile_label(tile, n);
      if (all) put(n, own_mass, own_top);
    }
  }

  // The part of the row's mass inside role n's sieves, in the scale 2^-top.
  __device__ float inside(int n, float top) const {
    const Sum sum = sums_[n * kStride];
    return sum.value * exp2_fast(sum.top - top);
  }

 private:
  static constexpr int kStride = kWarpRows * kWarps;
  static constexpr size_t kBandsBytes = kThreads * sizeof(int2);

  __device__ static int lane() { return threadIdx.x % kWarpLanes; }

  __device__ float share_rows_of(int n, int first_key, const Strip<kTiles>& p) const {
    const int low = sieves_.low(n);
    const unsigned width = static_cast<unsigned>(sieves_.high(n)) - static_cast<unsigned>(low);
    const int key = first_key + lane() % 4 * 2, row = first_row_ + lane() / 4;
    const int2* labels = reinterpret_cast<const int2*>(sieves_.key_labels(n) + key);
    float inside[kRows];
#pragma unroll
    for (int k = 0; k < kRows; ++k) {
      const int wanted = sieves_.query_label(n, row + 8 * k);
      const unsigned nearest = static_cast<unsigned>(key - row - 8 * k - low);
      inside[k] = 0.0f;
#pragma unroll
      for (int column = 0; column < kColumns; ++column) {
        const int2 label = __ldg(labels + 4 * column);
        const float* two = &p[k / 2][column][k % 2 * 2];
        const unsigned distance = nearest + 8 * column;
        inside[k] += label.x == wanted && distance <= width ? two[0] : 0.0f;
        inside[k] += label.y == wanted && distance + 1 <= width ? two[1] : 0.0f;
      }
    }
    return share_rows(inside);
  }

  __device__ void put(int n, float inside, float top) {
    if (!owner_) return;
    Sum& sum = sums_[n * kStride];
    sum = {sum.value * exp2_fast(sum.top - top) + inside, top};
  }

  const Sieves& sieves_;
  int first_row_;
  int own_row_;
  bool owner_;
  int2& band_;  // of role number lane(): once a tile, so not in registers
  Sum* sums_;
  unsigned whole_ = 0, parts_ = 0;
};

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_LABEL_SUMS_CUH_
