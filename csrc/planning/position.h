// Compares the attention on the word pairs of a unit, a role in a sequence, with what position
// alone gives. For the host and for CUDA: the same operations in the same order give the same bits.
#ifndef HEADSCORE_PLANNING_POSITION_H_
#define HEADSCORE_PLANNING_POSITION_H_

#include <cstdint>

#ifdef __CUDACC__
#define HEADSCORE_DEVICE __host__ __device__ inline
#else
#define HEADSCORE_DEVICE inline
#endif

namespace headscore {

// As in headscore/sieves/odds.py.
constexpr int kFactors = 9;                  // 1/4, 1/2, 1, ... 64 times the odds
constexpr int kPositionRows = 2 + kFactors;  // the score, the visible keys, then each factor
constexpr double kMargin = 1.5;
constexpr double kUnit = 1.0 / (1 << 20);

// The arrays of headscore.sieves.comparison.Comparison, under the same names.
struct Comparison {
  int64_t units;
  const int64_t* pair_offsets;
  const int32_t* member_column;
  const int32_t* member_mean;
  const double* member_weight;
  const int64_t* mean_offsets;
  const int32_t* mean_column;
  const double* mean_share;
  const int64_t* unit_offsets;
  const int32_t* unit_sequence;
  const int32_t* unit_role;
};

// a + b * c with two roundings: a compiler may otherwise fuse them on one machine only.
HEADSCORE_DEVICE double plus_product(double a, double b, double c) {
#ifdef __CUDA_ARCH__
  return __dadd_rn(a, __dmul_rn(b, c));
#else
  return a + b * c;
#endif
}

// Attention with `factor` times the odds.
HEADSCORE_DEVICE double scaled(double attention, double factor) {
  return factor * attention / plus_product(1.0, factor - 1.0, attention);
}

// Compares `kHeads` neighbouring heads of a unit; `scores` is (column, heads), from the first of
// these heads on.
//
// excess[h] is the mean over the unit's pairs of A - V m_1.5(C / V), and sums[row][h] the mean of
// A, V and V m_k(C / V) for every factor k, see headscore/sieves/excess.py. All sums are
// sequential, in the order of the columns, members and pairs.
template <int kHeads>
HEADSCORE_DEVICE void compare_unit(const Comparison& c, int64_t unit, const float* scores,
                                   int64_t heads, double excess[kHeads],
                                   double sums[kPositionRows][kHeads]) {
  for (int h = 0; h < kHeads; ++h) {
    excess[h] = 0;
    for (int row = 0; row < kPositionRows; ++row) sums[row][h] = 0;
  }
  for (int64_t p = c.unit_offsets[unit]; p < c.unit_offsets[unit + 1]; ++p) {
    double score[kHeads], position[kHeads], visible = 0;
    for (int h = 0; h < kHeads; ++h) score[h] = position[h] = 0;
    for (int64_t m = c.pair_offsets[p]; m < c.pair_offsets[p + 1]; ++m) {
      double weight = c.member_weight[m], elsewhere[kHeads];
      const float* own = scores + c.member_column[m] * heads;
      for (int h = 0; h < kHeads; ++h) elsewhere[h] = 0;
      int64_t mean = c.member_mean[m];
      for (int64_t n = c.mean_offsets[mean]; n < c.mean_offsets[mean + 1]; ++n) {
        const float* other = scores + c.mean_column[n] * heads;
        for (int h = 0; h < kHeads; ++h) elsewhere[h] += static_cast<double>(other[h]);
      }
      for (int h = 0; h < kHeads; ++h) {
        score[h] = plus_product(score[h], weight, static_cast<double>(own[h]));
        position[h] = plus_product(position[h], weight, c.mean_share[mean] * elsewhere[h]);
      }
      visible += weight;
    }
    for (int h = 0; h < kHeads; ++h) {
      double share = position[h] / visible;  // C / V, a mean of attention
      excess[h] += plus_product(score[h], -visible, scaled(share, kMargin));
      sums[0][h] += score[h];
      sums[1][h] += visible;
      double factor = 0.25;
      for (int row = 2; row < kPositionRows; ++row, factor *= 2) {
        sums[row][h] = plus_product(sums[row][h], visible, scaled(share, factor));
      }
    }
  }
  double pairs = static_cast<double>(c.unit_offsets[unit + 1] - c.unit_offsets[unit]);
  for (int h = 0; h < kHeads; ++h) {
    excess[h] /= pairs;
    for (int row = 0; row < kPositionRows; ++row) sums[row][h] /= pairs;
  }
}

// Whether the mean of a row is added to the sums of a head; V is the same for all heads, also for
// one that is absent.
HEADSCORE_DEVICE bool adds(int row, double mean, double excess) {
  return mean == mean && (row != 1 || excess == excess);
}

}  // namespace headscore

#endif  // HEADSCORE_PLANNING_POSITION_H_
