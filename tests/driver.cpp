// Runs the kernel on random ragged problems without Python, for sanitizers and for measuring.
//
//   driver check     results against double loops, and the same bits for 1 to 4 threads; callers in
//                    several threads at once
//   driver products  G entries/s of the products alone, one thread: the limit of the kernel
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "cpu/rows.h"
#include "cpu/sieve_scores.h"
#include "cpu/threads.h"

namespace {

using namespace headscore;

// Numbers of a dtype, and what they are worth in float32.
struct Numbers {
  Dtype dtype;
  std::vector<float> worth;
  std::vector<uint16_t> halves;

  // Keeps of x, which must lie below 65504, what the dtype has bits for.
  void add(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const uint32_t sign = bits & 0x80000000u, magnitude = bits & 0x7fffffffu;
    if (dtype == Dtype::kFloat16) {
      uint32_t half = (magnitude >> 13) - (112u << 10), kept = magnitude & 0xffffe000u;
      if (magnitude < 113u << 23) {  // below 2^-14 lie the subnormals, in steps of 2^-24
        half = static_cast<uint32_t>(std::fabs(x) * 0x1p24f);
        const float worth_of_steps = static_cast<float>(half) * 0x1p-24f;
        std::memcpy(&kept, &worth_of_steps, sizeof kept);
      }
      halves.push_back(static_cast<uint16_t>(sign >> 16 | half));
      bits = sign | kept;
    } else if (dtype == Dtype::kBfloat16) {
      bits &= 0xffff0000u;
      halves.push_back(static_cast<uint16_t>(bits >> 16));
    }
    std::memcpy(&x, &bits, sizeof x);
    worth.push_back(x);
  }

  // Ends the memory with the last number, so that a sanitizer sees what is read beyond it.
  void fit() {
    worth.shrink_to_fit();
    halves.shrink_to_fit();
  }

  const void* data() const {
    return dtype == Dtype::kFloat32 ? static_cast<const void*>(worth.data()) : halves.data();
  }

  float operator[](int64_t n) const { return worth[n]; }
};

constexpr Dtype kDtypes[] = {Dtype::kFloat32, Dtype::kBfloat16, Dtype::kFloat16};
constexpr int64_t kHeadSizes[] = {1, 7, 33, 64, 80, 128};  // whole vectors, parts, more than one

int draw_from(std::mt19937& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

// One problem with its memory: sizes drawn at random, a pair and a label role; some with the keys
// of another text.
struct Case {
  int64_t batch, kv_heads, group, tokens, key_tokens, head_size, value_size;
  std::vector<int32_t> lengths, key_lengths, label_role{0, 1}, query_label, key_label, band;
  std::vector<uint8_t> times_entropy{0, 1, 0};
  std::vector<float> row_weight;
  Numbers query, key, value;
  std::vector<int64_t> pair_offsets;
  std::vector<int32_t> pair_role, pair_key;
  std::vector<float> pair_weight;
  Visibility visibility;
  float softcap;
  bool biased;
  Numbers bias;

  int64_t heads() const { return kv_heads * group; }

  Case(std::mt19937& random, int64_t head_size, Dtype dtype, bool some_long)
      : head_size(head_size) {
    const auto draw = [&](int low, int high) { return draw_from(random, low, high); };
    const auto draw_tokens = [&] {
      return !some_long || draw(0, 3) ? draw(1, 70) : draw(500, 700);
    };
    batch = draw(1, 3), kv_heads = draw(1, 2), group = draw(1, 2);
    tokens = draw_tokens(), value_size = draw(1, 70);
    query.dtype = key.dtype = value.dtype = bias.dtype = dtype;
    visibility = {draw(0, 1) == 1, draw(0, 1) ? draw(1, 40) : -1};
    band = {-2, 2, -1000000, 1000000};
    for (int64_t b = 0; b < batch; ++b) lengths.push_back(draw(1, static_cast<int>(tokens)));
    key_tokens = tokens, key_lengths = lengths;
    if (draw(0, 2) == 0) {
      visibility = {false, -1};
      key_tokens = draw_tokens();
      for (int32_t& n : key_lengths) n = draw(1, static_cast<int>(key_tokens));
    }
    for (int64_t n = 0; n < 2 * batch * key_tokens; ++n) key_label.push_back(draw(-1, 1));
    for (int64_t n = 0; n < 2 * batch * tokens; ++n) {
      query_label.push_back(draw(-1, 1));
      const bool looks = query_label.back() >= 0 && draw(0, 3);
      row_weight.push_back(looks ? draw(1, 8) / 8.0f : 0.0f);
    }
    pair_offsets.push_back(0);
    for (int64_t n = 0; n < batch * tokens; ++n) {
      if (n % tokens < lengths[n / tokens] && draw(0, 4) == 0) {
        pair_role.push_back(2);
        pair_key.push_back(draw(0, key_lengths[n / tokens] - 1));
        pair_weight.push_back(draw(1, 8) / 8.0f);
      }
      pair_offsets.push_back(static_cast<int64_t>(pair_key.size()));
    }
    std::normal_distribution<float> normal;
    const auto fill = [&](Numbers& numbers, int64_t count) {
      for (int64_t n = 0; n < count; ++n) numbers.add(normal(random));
      numbers.fit();
    };
    fill(query, batch * heads() * tokens * head_size);
    fill(key, batch * kv_heads * key_tokens * head_size);
    fill(value, batch * kv_heads * key_tokens * value_size);
    softcap = draw(0, 3) ? 0.0f : 2.0f;
    biased = draw(0, 1) == 1;
    fill(bias, batch * heads() * tokens * key_tokens);
  }

  SievePlan plan() const {
    return {batch,
            3,
            tokens,
            key_tokens,
            lengths.data(),
            key_lengths.data(),
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

  static Tensor4 tensor(const Numbers& values, int64_t n_heads, int64_t rows, int64_t columns) {
    return {values.data(), values.dtype, n_heads * rows * columns, rows * columns, columns};
  }

  bool sees(int64_t i, int64_t j) const {
    if (visibility.causal && j > i) return false;
    if (visibility.window < 0) return true;
    return visibility.causal ? j > i - visibility.window : std::llabs(i - j) <= visibility.window;
  }

  // Attention of one row, and its entropy, in double.
  std::vector<double> row(int64_t b, int64_t h, int64_t i, double* entropy) const {
    std::vector<double> p(key_tokens, 0.0);
    double top = -1e300;
    for (int64_t j = 0; j < key_lengths[b]; ++j) {
      if (!sees(i, j)) continue;
      const int64_t q = ((b * heads() + h) * tokens + i) * head_size;
      const int64_t k = ((b * kv_heads + h / group) * key_tokens + j) * head_size;
      for (int64_t c = 0; c < head_size; ++c) p[j] += 0.3 * query[q + c] * key[k + c];
      if (softcap > 0.0f) p[j] = softcap * std::tanh(p[j] / softcap);
      if (biased) p[j] += bias[((b * heads() + h) * tokens + i) * key_tokens + j];
      top = std::fmax(top, p[j]);
    }
    for (int64_t j = 0; j < key_tokens; ++j) {
      const bool seen = j < key_lengths[b] && sees(i, j);
      p[j] = seen ? std::exp(p[j] - top) : 0.0;
    }
    *entropy = normalise(&p);
    return p;
  }

  // The same from given attention, which may be rounded.
  std::vector<double> row_of(const Numbers& attention, int64_t b, int64_t h, int64_t i,
                             double* entropy) const {
    const auto from = attention.worth.begin() + ((b * heads() + h) * tokens + i) * key_tokens;
    std::vector<double> p(from, from + key_tokens);
    *entropy = normalise(&p);
    return p;
  }

  // Divides by the sum; returns the entropy.
  static double normalise(std::vector<double>* p) {
    double mass = 0.0, entropy = 0.0;
    for (const double value : *p) mass += value;
    for (double& value : *p) {
      value /= mass;
      if (value > 0) entropy -= value * std::log(value);
    }
    return entropy;
  }

  // Scores from queries and keys, or from given attention.
  std::vector<double> expected(const Numbers* attention = nullptr) const {
    std::vector<double> scores(batch * 3 * heads(), 0.0);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t h = 0; h < heads(); ++h) {
        for (int64_t i = 0; i < lengths[b]; ++i) {
          double entropy;
          const std::vector<double> p =
              attention ? row_of(*attention, b, h, i, &entropy) : row(b, h, i, &entropy);
          for (int64_t l = 0; l < 2; ++l) {
            const int64_t at = (l * batch + b) * tokens, key_at = (l * batch + b) * key_tokens;
            double total = 0.0;
            for (int64_t j = 0; j < key_lengths[b]; ++j) {
              const bool in_band = j - i >= band[2 * l] && j - i <= band[2 * l + 1];
              const bool same =
                  query_label[at + i] >= 0 && query_label[at + i] == key_label[key_at + j];
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

  // The whole attention, for the second kernel.
  Numbers attention() const {
    Numbers all;
    all.dtype = query.dtype;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t h = 0; h < heads(); ++h) {
        for (int64_t i = 0; i < tokens; ++i) {
          double entropy;
          for (const double p : row(b, h, i, &entropy)) all.add(static_cast<float>(p));
        }
      }
    }
    all.fit();
    return all;
  }

  // What attention puts out: [b][t][h][value_size]; 0 for padding.
  std::vector<double> attended() const {
    std::vector<double> all(batch * tokens * heads() * value_size, 0.0);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t h = 0; h < heads(); ++h) {
        for (int64_t i = 0; i < lengths[b]; ++i) {
          double entropy;
          const std::vector<double> p = row(b, h, i, &entropy);
          double* to = &all[((b * tokens + i) * heads() + h) * value_size];
          for (int64_t j = 0; j < key_lengths[b]; ++j) {
            const int64_t v = ((b * kv_heads + h / group) * key_tokens + j) * value_size;
            for (int64_t c = 0; c < value_size; ++c) to[c] += p[j] * value[v + c];
          }
        }
      }
    }
    return all;
  }
};

// Relative to what is wanted, or to `least` where that is smaller.
double difference(const std::vector<float>& got, const std::vector<double>& want,
                  double least = 1e-3) {
  double largest = 0.0;
  for (size_t n = 0; n < want.size(); ++n) {
    largest =
        std::fmax(largest, std::fabs(got[n] - want[n]) / std::fmax(std::fabs(want[n]), least));
  }
  return largest;
}

// What both kernels bring out.
struct Results {
  std::vector<float> qk, given, values, attended;

  bool same_bits(const Results& other) const {
    const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
      return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
    };
    return same(qk, other.qk) && same(given, other.given) && same(values, other.values) &&
           same(attended, other.attended);
  }
};

Results run_both(const Case& c, const Numbers& attention, int threads) {
  const int64_t size = c.batch * 3 * c.heads();
  Results all = {std::vector<float>(size), std::vector<float>(size),
                 std::vector<float>(size * c.tokens, 0.0f),
                 std::vector<float>(c.batch * c.tokens * c.heads() * c.value_size)};
  std::vector<uint8_t> faults(c.batch * c.heads());
  const QkProblem qk = {c.plan(),
                        c.visibility,
                        c.tensor(c.query, c.heads(), c.tokens, c.head_size),
                        c.tensor(c.key, c.kv_heads, c.key_tokens, c.head_size),
                        c.biased ? c.tensor(c.bias, c.heads(), c.tokens, c.key_tokens) : Tensor4{},
                        c.tensor(c.value, c.kv_heads, c.key_tokens, c.value_size),
                        c.heads(),
                        c.kv_heads,
                        c.head_size,
                        c.value_size,
                        0.3f,
                        c.softcap};
  const AttentionProblem given = {c.plan(), c.visibility,
                                  c.tensor(attention, c.heads(), c.tokens, c.key_tokens), c.heads(),
                                  1e-2f};
  sieve_scores_qk(qk, {all.qk.data(), all.values.data(), faults.data(), all.attended.data()},
                  threads);
  sieve_scores_attention(given, {all.given.data(), nullptr, faults.data(), nullptr}, threads);
  return all;
}

constexpr int kRandomCases = 60;
constexpr int kCases = kRandomCases + sizeof kHeadSizes / sizeof kHeadSizes[0] * 3;

// Cases of any size, then a short one of every head size and dtype.
Case draw_case(std::mt19937& random, int n) {
  if (n < kRandomCases) {
    const int head_size = draw_from(random, 1, 70);
    return Case(random, head_size, kDtypes[draw_from(random, 0, 2)], true);
  }
  return Case(random, kHeadSizes[(n - kRandomCases) / 3], kDtypes[n % 3], false);
}

int check() {
  const auto start = std::chrono::steady_clock::now();
  std::mt19937 random(1);
  double worst = 0.0;
  for (int n = 0; n < kCases; ++n) {
    const Case c = draw_case(random, n);
    const Numbers attention = c.attention();
    const Results first = run_both(c, attention, 1);
    worst = std::fmax(worst, difference(first.qk, c.expected()));
    worst = std::fmax(worst, difference(first.attended, c.attended(), 1.0));
    worst = std::fmax(worst, difference(first.given, c.expected(&attention)));
    for (int threads = 2; threads <= 4; ++threads) {
      if (!run_both(c, attention, threads).same_bits(first)) {
        std::printf("case %d: other bits with %d threads\n", n, threads);
        return 1;
      }
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf(
      "%d cases, %s: largest relative difference %.1e, same bits for 1 to 4 threads, %.1f s\n",
      kCases, instruction_set(), worst, seconds.count());
  return worst < 1e-5 ? 0 : 1;
}

// Each task once, at a seat that no other thread has; and an error reaches the caller.
bool runs_each_task_once(int64_t tasks, int threads) {
  std::vector<int> runs(tasks, 0), seats(threads, 0);
  run_tasks(tasks, threads, [&](int64_t task, int seat) {
    ++runs[task];
    ++seats[seat];
  });
  int64_t total = 0;
  for (const int n : seats) total += n;
  for (const int n : runs) total -= n == 1;
  bool caught = tasks == 0;
  try {
    run_tasks(tasks, threads, [&](int64_t task, int) {
      if (task == tasks / 2) throw std::bad_alloc();
    });
  } catch (const std::bad_alloc&) {
    caught = true;
  }
  return total == 0 && caught;
}

// Callers in several threads at once, each with calls of any size.
int check_callers() {
  std::atomic<int> failed{0};
  const auto call = [&] {
    for (int n = 0; n < 200; ++n) {
      if (!runs_each_task_once(n % 23, n % 7 + 1)) ++failed;
    }
  };
  std::vector<std::thread> callers;
  for (int n = 0; n < 4; ++n) callers.emplace_back(call);
  for (std::thread& caller : callers) caller.join();
  std::printf("4 callers at once, 400 calls each: %d wrong\n", failed.load());
  return failed == 0 ? 0 : 1;
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
    if (std::strstr(instruction_sets(), kAvx2.name)) measure(kAvx2);
    if (std::strstr(instruction_sets(), kAvx512.name)) measure(kAvx512);
#endif
    return 0;
  }
  if (instruction_set() == nullptr) {
    std::printf("this processor cannot run the instruction set asked for\n");
    return 0;
  }
  return check() + check_callers();
}
