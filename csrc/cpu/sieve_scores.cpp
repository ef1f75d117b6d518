// Deals the rows out to threads and adds the parts up in a fixed order.
#include "sieve_scores.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "rows.h"
#include "threads.h"

namespace headscore {
namespace {

constexpr int64_t kAlignment = 64;  // bytes: a cache line, and the longest vector
constexpr int64_t kFewRuns = 32;    // up to this many runs of equal labels are listed

#if defined(__x86_64__)
// Registers that the system saves for each thread: bits of XCR0.
constexpr unsigned kSavesAvx = 0x6, kSavesAvx512 = 0xe6;

unsigned saved_registers() {
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// Asks the processor itself: __builtin_cpu_supports finds nothing in programs linked by zig.
bool supports(unsigned wanted, unsigned saved) {
  constexpr unsigned kWithAvx2 = bit_FMA | bit_F16C | bit_OSXSAVE;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & kWithAvx2) != kWithAvx2) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & wanted) != wanted) return false;
  return (saved_registers() & saved) == saved;
}
#endif

// Those that this processor has, slowest first.
std::vector<const InstructionSet*> find_instruction_sets() {
  std::vector<const InstructionSet*> found = {&kBaseline};
#if defined(__x86_64__)
  if (supports(bit_AVX2, kSavesAvx)) found.push_back(&kAvx2);
  if (supports(bit_AVX2 | bit_AVX512F, kSavesAvx512)) found.push_back(&kAvx512);
#endif
  return found;
}

const InstructionSet* choose_instruction_set() {
  const char* wanted = std::getenv("HEADSCORE_CPU_ISA");
  const InstructionSet* chosen = nullptr;
  for (const InstructionSet* set : find_instruction_sets()) {
    if (wanted == nullptr || std::strcmp(wanted, set->name) == 0) chosen = set;
  }
  return chosen;
}

const InstructionSet* instruction_set_in_use() {
  static const InstructionSet* const chosen = choose_instruction_set();
  return chosen;
}

// The label roles of every sequence; where the labels of the keys are few runs, these are listed.
class LabelRoles {
 public:
  explicit LabelRoles(const SievePlan& plan) {
    all_.reserve(plan.batch * plan.label_roles);
    runs_.resize(plan.batch * plan.label_roles * kFewRuns);
    for (int64_t b = 0; b < plan.batch; ++b) {
      for (int64_t l = 0; l < plan.label_roles; ++l) add(plan, l, b);
    }
  }

  const LabelRole* data() const { return all_.data(); }

 private:
  void add(const SievePlan& plan, int64_t l, int64_t b) {
    const int64_t at = l * plan.batch + b;
    LabelRole one = {};
    one.weight = plan.row_weight + at * plan.tokens;
    one.query_label = plan.query_label + at * plan.tokens;
    one.key_label = plan.key_label + at * plan.key_tokens;
    one.low = plan.band[2 * l];
    one.high = plan.band[2 * l + 1];
    one.role = plan.label_role[l];
    LabelRun* runs = runs_.data() + all_.size() * kFewRuns;
    one.n_runs = list_runs(one.key_label, plan.key_lengths[b], runs);
    one.runs = one.n_runs <= kFewRuns ? runs : nullptr;
    all_.push_back(one);
  }

  // Returns the number of runs; kFewRuns + 1 where there are more.
  static int64_t list_runs(const int32_t* label, int32_t length, LabelRun* runs) {
    int64_t n = 0;
    for (int32_t begin = 0, end = 0; begin < length; begin = end) {
      while (end < length && label[end] == label[begin]) ++end;
      if (label[begin] < 0) continue;
      if (n == kFewRuns) return n + 1;
      runs[n++] = {begin, end, label[begin]};
    }
    return n;
  }

  std::vector<LabelRole> all_;
  std::vector<LabelRun> runs_;
};

constexpr int64_t kTasksPerThread = 4;  // at the least, where there are rows enough

int64_t rounded_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
int64_t blocks_of(int64_t length) { return (length + kBlockRows - 1) / kBlockRows; }

// Blocks of rows, dealt out: a task is some blocks of the query heads that share a key head. What
// a task covers is no matter of its results: these are kept block by block.
struct Task {
  int64_t sequence;
  int64_t kv_head;
  int64_t first_block, after_block;
};

std::vector<Task> deal_out(const SievePlan& plan, int64_t kv_heads, int threads) {
  const int64_t units = std::max<int64_t>(1, plan.batch * kv_heads);
  const int64_t parts = (kTasksPerThread * threads + units - 1) / units;
  std::vector<Task> tasks;
  for (int64_t b = 0; b < plan.batch; ++b) {
    const int64_t blocks = blocks_of(plan.lengths[b]);
    const int64_t step = std::max<int64_t>(1, (blocks + parts - 1) / parts);
    for (int64_t head = 0; head < kv_heads; ++head) {
      for (int64_t first = 0; first < blocks; first += step) {
        tasks.push_back({b, head, first, std::min(first + step, blocks)});
      }
    }
  }
  return tasks;
}

// The most pair entries that a block of rows has.
int64_t most_entries(const SievePlan& plan) {
  int64_t most = 0;
  for (int64_t b = 0; b < plan.batch; ++b) {
    const int64_t* offsets = plan.pair_offsets + b * plan.tokens;
    for (int64_t row = 0; row < plan.lengths[b]; row += kBlockRows) {
      const int64_t after = std::min<int64_t>(row + kBlockRows, plan.lengths[b]);
      most = std::max(most, offsets[after] - offsets[row]);
    }
  }
  return most;
}

int64_t most_keys(const SievePlan& plan) {
  return plan.batch == 0 ? 0 : *std::max_element(plan.key_lengths, plan.key_lengths + plan.batch);
}

struct Free {
  void operator()(float* data) const { ::operator delete(data, std::align_val_t(kAlignment)); }
};
typedef std::unique_ptr<float, Free> Floats;

Floats new_floats(int64_t count) {
  return Floats(
      static_cast<float*>(::operator new(count * sizeof(float), std::align_val_t(kAlignment))));
}

// What the blocks of all heads bring out, before it is added up.
class Parts {
 public:
  Parts(const SievePlan& plan, int64_t heads) : plan_(plan), heads_(heads) {
    first_.assign(plan.batch + 1, 0);
    for (int64_t b = 0; b < plan.batch; ++b) {
      first_[b + 1] = first_[b] + heads * blocks_of(plan.lengths[b]);
    }
    sums_.assign(first_[plan.batch] * plan.roles, 0.0);
    faults_.assign(first_[plan.batch], 0);
  }

  // Block number n of a head, with the places where its results go.
  Block block(int64_t b, int64_t head, int64_t n, int64_t value_size, const Output& output) {
    const int64_t at = first_[b] + head * blocks_of(plan_.lengths[b]) + n;
    Block block = {};
    block.sequence = b;
    block.head = head;
    block.first_row = n * kBlockRows;
    block.rows = std::min(kBlockRows, plan_.lengths[b] - block.first_row);
    block.partial = sums_.data() + at * plan_.roles;
    block.fault = faults_.data() + at;
    if (output.token_values != nullptr) {
      block.token_values = output.token_values + (b * plan_.roles * heads_ + head) * plan_.tokens;
    }
    if (output.attended != nullptr) {
      block.attended = output.attended + (b * plan_.tokens * heads_ + head) * value_size;
    }
    return block;
  }

  // Adds the blocks of every head up in their order.
  void add_up(const Output& output, int threads) const {
    run_tasks(plan_.batch, threads, [&](int64_t b, int) { add_up(output, b); });
  }

 private:
  void add_up(const Output& output, int64_t b) const {
    const int64_t blocks = blocks_of(plan_.lengths[b]);
    for (int64_t head = 0; head < heads_; ++head) {
      const int64_t first = first_[b] + head * blocks;
      uint8_t fault = 0;
      for (int64_t n = first; n < first + blocks; ++n) fault |= faults_[n];
      output.faults[b * heads_ + head] = fault;
      for (int64_t r = 0; r < plan_.roles; ++r) {
        double total = 0.0;
        for (int64_t n = first; n < first + blocks; ++n) total += sums_[n * plan_.roles + r];
        output.scores[(b * plan_.roles + r) * heads_ + head] = static_cast<float>(total);
      }
    }
  }

  const SievePlan& plan_;
  const int64_t heads_;
  std::vector<int64_t> first_;  // [b + 1] number of the sequence's first block
  std::vector<double> sums_;    // [block][r]
  std::vector<uint8_t> faults_;
};

void clear_padding(const SievePlan& plan, int64_t row_floats, float* attended) {
  for (int64_t b = 0; b < plan.batch; ++b) {
    const int64_t padding = plan.tokens - plan.lengths[b];
    std::fill_n(attended + (b * plan.tokens + plan.lengths[b]) * row_floats, padding * row_floats,
                0.0f);
  }
}

// The heads of a problem: `group` query heads share a key head; their output has `value_size`
// columns.
struct Heads {
  int64_t all;
  int64_t group;
  int64_t value_size;
};

// Runs `begin(task, scratch)` for every task, then `rows(block, scratch)` for each of its blocks.
template <typename Begin, typename Rows>
void run(const SievePlan& plan, const Heads& heads, int64_t scratch_floats, const Output& output,
         int threads, const Begin& begin, const Rows& rows) {
  const std::vector<Task> tasks = deal_out(plan, heads.all / heads.group, threads);
  const int64_t n_tasks = static_cast<int64_t>(tasks.size());
  Parts parts(plan, heads.all);
  const int64_t stride = rounded_up(scratch_floats, kAlignment);
  const Floats scratch = new_floats(threads * stride);
  run_tasks(n_tasks, threads, [&](int64_t n, int seat) {
    float* own = scratch.get() + seat * stride;
    const Task& task = tasks[n];
    begin(task, own);
    const int64_t first_head = task.kv_head * heads.group;
    for (int64_t head = first_head; head < first_head + heads.group; ++head) {
      for (int64_t at = task.first_block; at < task.after_block; ++at) {
        rows(parts.block(task.sequence, head, at, heads.value_size, output), own);
      }
    }
  });
  if (output.attended != nullptr) {
    clear_padding(plan, heads.all * heads.value_size, output.attended);
  }
  parts.add_up(output, threads);
}

}  // namespace

const char* instruction_set() {
  const InstructionSet* set = instruction_set_in_use();
  return set == nullptr ? nullptr : set->name;
}

const char* instruction_sets() {
  static const std::string names = [] {
    std::string joined;
    for (const InstructionSet* set : find_instruction_sets()) {
      joined += (joined.empty() ? "" : ", ") + std::string(set->name);
    }
    return joined;
  }();
  return names.c_str();
}

int sieve_scores_qk(const QkProblem& problem, const Output& output, int threads) try {
  const InstructionSet& set = *instruction_set_in_use();
  const SievePlan& plan = problem.plan;
  const LabelRoles roles(plan);
  const bool attends = output.attended != nullptr;
  const Heads heads = {problem.heads, problem.heads / problem.kv_heads,
                       attends ? problem.value_size : 0};
  const int64_t key_floats = rounded_up(most_keys(plan), set.panel) * problem.head_size;
  const int64_t value_floats = most_keys(plan) * rounded_up(heads.value_size, set.panel);
  const int64_t packed = rounded_up(key_floats + value_floats, kAlignment);
  const int64_t scratch =
      packed + set.scratch_floats(plan, problem.head_size, heads.value_size, most_entries(plan));
  const auto pack = [&](const Task& task, float* own) {
    const int64_t b = task.sequence, keys = plan.key_lengths[b];
    set.pack_keys(problem.key, b, task.kv_head, keys, problem.head_size, own);
    if (attends) {
      set.pack_values(problem.value, b, task.kv_head, keys, heads.value_size, own + key_floats);
    }
  };
  run(plan, heads, scratch, output, threads, pack, [&](const Block& block, float* own) {
    set.rows_qk(problem, roles.data(), {own, own + key_floats}, block, own + packed);
  });
  return 0;
} catch (const std::bad_alloc&) {
  return 1;
}

int sieve_scores_attention(const AttentionProblem& problem, const Output& output, int threads) try {
  const InstructionSet& set = *instruction_set_in_use();
  const LabelRoles roles(problem.plan);
  const int64_t scratch = set.scratch_floats(problem.plan, 0, 0, most_entries(problem.plan));
  const auto nothing = [](const Task&, float*) {};
  run(problem.plan, {problem.heads, 1, 0}, scratch, output, threads, nothing,
      [&](const Block& block, float* own) {
        set.rows_attention(problem, roles.data(), block, own);
      });
  return 0;
} catch (const std::bad_alloc&) {
  return 1;
}

}  // namespace headscore
