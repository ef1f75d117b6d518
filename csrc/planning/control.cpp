#include "planning/control.h"

#include <cmath>

namespace headscore {

namespace {

template <int kHeads>
void control_heads(const Comparison& comparison, int64_t unit, const float* scores, int64_t roles,
                   int64_t heads, int64_t first, float* excess, int64_t* sums) {
  double above[kHeads], means[kPositionRows][kHeads];
  compare_unit<kHeads>(comparison, unit, scores + first, heads, above, means);
  int64_t role = comparison.unit_role[unit];
  int64_t at = (comparison.unit_sequence[unit] * roles + role) * heads + first;
  for (int h = 0; h < kHeads; ++h) {
    excess[at + h] = static_cast<float>(above[h]);
    // Rounded before they are added: sums of integers do not depend on how a corpus is cut.
    for (int row = 0; row < kPositionRows; ++row) {
      if (!adds(row, means[row][h], above[h])) continue;
      sums[(row * roles + role) * heads + first + h] += std::llrint(means[row][h] / kUnit);
    }
  }
}

}  // namespace

void control_position(const Comparison& comparison, const float* scores, const uint8_t* counted,
                      int64_t roles, int64_t heads, float* excess, int64_t* sums) {
  constexpr int kTogether = 8;  // heads whose sums stay in registers
  for (int64_t unit = 0; unit < comparison.units; ++unit) {
    if (!counted[comparison.unit_sequence[unit]]) continue;
    int64_t first = 0;
    for (; first + kTogether <= heads; first += kTogether) {
      control_heads<kTogether>(comparison, unit, scores, roles, heads, first, excess, sums);
    }
    for (; first < heads; ++first) {
      control_heads<1>(comparison, unit, scores, roles, heads, first, excess, sums);
    }
  }
}

}  // namespace headscore
