// Runs the kernel on random ragged problems without Python, for sanitizers and for measuring.
//
//   driver check     results against double loops, and the same bits for 1 to 4 threads
//   driver products  G entries/s of the products alone, one thread: the limit of the kernel
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "cpu/rows.h"
#include "cpu/sieve_scores.h"

namespace {

using namespace headscore;

// One problem with its memory: sizes drawn at random, a pair and a label role.
struct Case {
  int64_t batch, kv_heads, group, tokens, head_size;
  std::vector<int32_t> lengths, label_role{0, 1}, query_label, key_label, band;
  std::vector<uint8_t> times_entropy{0, 1, 0};
  std::vector<float> row_weight, query, key;
  std::vector<int64_t> pair_offsets;
  std::vector<int32_t> pair_role, pair_key;
  std::vector<float> pair_weight;
  Visibility visibility;
  bool biased;
  std::vector<float> bias;

  int64_t heads() const { return kv_heads * group; }

  explicit Case(std::mt19937& random) {
    const auto draw = [&](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    batch = draw(1, 3), kv_heads = draw(1, 2), group = draw(1, 2);
    tokens = draw(0, 3) ? draw(1, 70) : draw(500, 700), head_size = draw(1, 70);
    visibility = {draw(0, 1) == 1, draw(0, 1) ? draw(1, 40) : -1};
    band = {-2, 2, -1000000, 1000000};
    for (int64_t b = 0; b < batch; ++b) lengths.push_back(draw(1, static_cast<int>(tokens)));
    for (int64_t n = 0; n < 2 * batch * tokens; ++n) {
      query_label.push_back(draw(-1, 1));
      key_label.push_back(draw(-1, 1));
      const bool looks = query_label.back() >= 0 && draw(0, 3);
      row_weight.push_back(looks ? draw(1, 8) / 8.0f : 0.0f);
    }
    pair_offsets.push_back(0);
    for (int64_t n = 0; n < batch * tokens; ++n) {
      const int32_t length = lengths[n / tokens];
      if (n % tokens < length && draw(0, 4) == 0) {
        pair_role.push_back(2);
        pair_key.push_back(draw(0, length - 1));
        pair_weight.push_back(draw(1, 8) / 8.0f);
      }
      pair_offsets.push_back(static_cast<int64_t>(pair_key.size()));
    }
    std::normal_distribution<float> normal;
    for (int64_t n = 0; n < batch * heads() * tokens * head_size; ++n)
      query.push_back(normal(random));
    for (int64_t n = 0; n < batch * kv_heads * tokens * head_size; ++n)
      key.push_back(normal(random));
    biased = draw(0, 1) == 1;
    for (int64_t n = 0; n < batch * heads() * tokens * tokens; ++n) bias.push_back(normal(random));
  }

  SievePlan plan() const {
    return {batch,
            3,
            tokens,
            lengths.data(),
            times_entropy.data(),
            2,
            label_role.data(),
            query_label.data(),
            key_label.data(),
            band.data(),
            row_weight.data(),
            pair_offsets.data(),
            pair_role.data(),
            pair_key.data(),
            pair_weight.data()};
  }

  Tensor4 tensor(const std::vector<float>& values, int64_t n_heads, int64_t columns) const {
    return {values.data(), Dtype::kFloat32, n_heads * tokens * columns, tokens * columns, columns};
  }

  bool sees(int64_t i, int64_t j) const {
    if (visibility.causal && j > i) return false;
    if (visibility.window < 0) return true;
    return visibility.causal ? j > i - visibility.window : std::llabs(i - j) <= visibility.window;
  }

  // Attention of one row, and its entropy, in double.
  std::vector<double> row(int64_t b, int64_t h, int64_t i, double* entropy) const {
    std::vector<double> p(tokens, 0.0);
    double top = -1e300, mass = 0.0;
    for (int64_t j = 0; j < lengths[b]; ++j) {
      if (!sees(i, j)) continue;
      const float* q = &query[((b * heads() + h) * tokens + i) * head_size];
      const float* k = &key[((b * kv_heads + h / group) * tokens + j) * head_size];
      for (int64_t c = 0; c < head_size; ++c) p[j] += 0.3 * q[c] * k[c];
      if (biased) p[j] += bias[((b * heads() + h) * tokens + i) * tokens + j];
      top = std::fmax(top, p[j]);
    }
    *entropy = 0.0;
    for (int64_t j = 0; j < tokens; ++j) {
      const bool seen = j < lengths[b] && sees(i, j);
      p[j] = seen ? std::exp(p[j] - top) : 0.0;
      mass += p[j];
    }
    for (double& value : p) {
      value /= mass;
      if (value > 0) *entropy -= value * std::log(value);
    }
    return p;
  }

  std::vector<double> expected() const {
    std::vector<double> scores(batch * 3 * heads(), 0.0);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t h = 0; h < heads(); ++h) {
        for (int64_t i = 0; i < lengths[b]; ++i) {
          double entropy;
          const std::vector<double> p = row(b, h, i, &entropy);
          for (int64_t l = 0; l < 2; ++l) {
            const int64_t at = (l * batch + b) * tokens;
            double total = 0.0;
            for (int64_t j = 0; j < lengths[b]; ++j) {
              const bool in_band = j - i >= band[2 * l] && j - i <= band[2 * l + 1];
              const bool same =
                  query_label[at + i] >= 0 && query_label[at + i] == key_label[at + j];
              if (in_band && same) total += p[j];
            }
            total *= row_weight[at + i] * (times_entropy[l] ? entropy : 1.0);
            scores[(b * 3 + l) * heads() + h] += total;
          }
          const int64_t r = b * tokens + i;
          for (int64_t n = pair_offsets[r]; n < pair_offsets[r + 1]; ++n) {
            scores[(b * 3 + 2) * heads() + h] += pair_weight[n] * p[pair_key[n]];
          }
        }
      }
    }
    return scores;
  }

  // The whole attention in float, for the second kernel.
  std::vector<float> attention() const {
    std::vector<float> all;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t h = 0; h < heads(); ++h) {
        for (int64_t i = 0; i < tokens; ++i) {
          double entropy;
          for (const double value : row(b, h, i, &entropy))
            all.push_back(static_cast<float>(value));
        }
      }
    }
    return all;
  }
};

double difference(const std::vector<float>& got, const std::vector<double>& want) {
  double largest = 0.0;
  for (size_t n = 0; n < want.size(); ++n) {
    largest = std::fmax(largest, std::fabs(got[n] - want[n]) / std::fmax(std::fabs(want[n]), 1e-3));
  }
  return largest;
}

// Runs both kernels with some threads; returns the scores of both and the token values.
std::vector<float> run_both(const Case& c, const std::vector<float>& attention, int threads) {
  const int64_t size = c.batch * 3 * c.heads();
  std::vector<float> scores(2 * size), values(size * c.tokens, 0.0f);
  std::vector<uint8_t> faults(c.batch * c.heads());
  const QkProblem qk = {c.plan(),
                        c.visibility,
                        c.tensor(c.query, c.heads(), c.head_size),
                        c.tensor(c.key, c.kv_heads, c.head_size),
                        c.biased ? c.tensor(c.bias, c.heads(), c.tokens) : Tensor4{},
                        Tensor4{},
                        c.heads(),
                        c.kv_heads,
                        c.head_size,
                        0,
                        0.3f,
                        0.0f};
  const AttentionProblem given = {c.plan(), c.visibility, c.tensor(attention, c.heads(), c.tokens),
                                  c.heads(), 1e-3f};
  sieve_scores_qk(qk, {scores.data(), values.data(), faults.data(), nullptr}, threads);
  sieve_scores_attention(given, {scores.data() + size, nullptr, faults.data(), nullptr}, threads);
  scores.insert(scores.end(), values.begin(), values.end());
  return scores;
}

int check(int cases) {
  std::mt19937 random(1);
  double worst = 0.0;
  for (int n = 0; n < cases; ++n) {
    const Case c(random);
    const std::vector<float> attention = c.attention();
    const std::vector<float> first = run_both(c, attention, 1);
    const std::vector<double> want = c.expected();
    const std::vector<float> qk(first.begin(), first.begin() + want.size());
    const std::vector<float> given(first.begin() + want.size(), first.begin() + 2 * want.size());
    worst = std::fmax(worst, std::fmax(difference(qk, want), difference(given, want)));
    for (int threads = 2; threads <= 4; ++threads) {
      const std::vector<float> again = run_both(c, attention, threads);
      if (std::memcmp(again.data(), first.data(), first.size() * sizeof(float)) != 0) {
        std::printf("case %d: other bits with %d threads\n", n, threads);
        return 1;
      }
    }
  }
  std::printf("%d cases, %s: largest relative difference %.1e, same bits for 1 to 4 threads\n",
              cases, instruction_set(), worst);
  return worst < 1e-5 ? 0 : 1;
}

void measure(const InstructionSet& set) {
  for (const int64_t head_size : {64, 128}) {
    const int64_t keys = 256, repeats = 2000;
    std::vector<float> queries(64 * head_size, 0.5f), packed(keys * head_size, 0.25f);
    std::vector<float> strip(64 * 528);
    double best = 0.0;
    for (int round = 0; round < 20; ++round) {
      const auto start = std::chrono::steady_clock::now();
      int64_t rows = 0;
      for (int64_t n = 0; n < repeats; ++n) {
        rows +=
            set.products(queries.data(), packed.data(), keys / set.panel, head_size, strip.data());
      }
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      best = std::fmax(best, static_cast<double>(rows) * keys / seconds.count() / 1e9);
    }
    std::printf("%s %lld %.3f\n", set.name, static_cast<long long>(head_size), best);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "products") == 0) {
    measure(kBaseline);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) measure(kAvx2);
    if (__builtin_cpu_supports("avx512f")) measure(kAvx512);
#endif
    return 0;
  }
  if (instruction_set() == nullptr) {
    std::printf("this processor cannot run the instruction set asked for\n");
    return 0;
  }
  return check(60);
}
