#include "planning/entropy.h"

#include <cmath>
#include <vector>

namespace headscore {

namespace {

// For a given m the entropy is largest when attention is uniform inside and outside the sieve:
//
//     H(m) = -m ln(m/s) - (1-m) ln((1-m)/(n-s)),    s = |S(i)|, n = |V(i)|
//
// H is concave, so ln m + ln H(m) is concave too and m H(m) has one maximum, which bisection on the
// sign of its derivative, H(m) + m (ln((1-m)/m) + ln(s/(n-s))), finds.
double computed(double inside, double outside) {
  if (outside <= 0) return std::log(inside);  // m = 1 and the entropy is ln s
  auto entropy = [=](double m) {
    return -m * std::log(m / inside) - (1 - m) * std::log((1 - m) / outside);
  };
  // The ends keep both logarithms finite. At m = 1/2 the derivative is ln 2 + ln s > 0, so the
  // maximum lies above; 60 halvings leave less than the spacing of float64 there, 2**-53.
  double low = 1e-9, high = 1 - 1e-12;
  for (int step = 0; step < 60; ++step) {
    double m = (low + high) / 2;
    double slope = entropy(m) + m * (std::log((1 - m) / m) + std::log(inside / outside));
    (slope > 0 ? low : high) = m;
  }
  double m = (low + high) / 2;
  return m * entropy(m);
}

struct Known {
  int64_t inside = -1, visible = -1;
  double best = 0;
};

}  // namespace

double best_with_entropy(int64_t inside, int64_t visible) {
  // One value takes microseconds, and a corpus asks for the same few thousand again and again. Each
  // pair of sizes has one slot, which the pair that needs it last keeps.
  constexpr uint64_t kSlots = 1 << 15;
  thread_local std::vector<Known> known(kSlots);
  uint64_t mixed = static_cast<uint64_t>(visible) * 0x9E3779B97F4A7C15u + inside * 0x85EBCA6Bu;
  Known& slot = known[(mixed >> 20) % kSlots];
  if (slot.inside != inside || slot.visible != visible) {
    slot = {inside, visible, computed(inside, visible - inside)};
  }
  return slot.best;
}

}  // namespace headscore
