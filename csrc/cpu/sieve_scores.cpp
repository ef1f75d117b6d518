// Deals the rows out to threads and adds the parts up in a fixed order.
#include "sieve_scores.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "rows.h"

namespace headscore {
namespace {

constexpr int32_t kFewKeys = 32;  // up to this many labelled keys are listed one by one

const InstructionSet* choose_instruction_set() {
  const char* wanted = std::getenv("HEADSCORE_CPU_ISA");
  const InstructionSet* found = nullptr;
  const auto offer = [&](const InstructionSet& set, bool runs) {
    if (runs && (wanted == nullptr || std::strcmp(wanted, set.name) == 0)) found = &set;
  };
  offer(kBaseline, true);
#if defined(__x86_64__)
  offer(kAvx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  offer(kAvx512, __builtin_cpu_supports("avx512f"));
#endif
  return found;
}

const InstructionSet* instruction_set_in_use() {
  static const InstructionSet* const chosen = choose_instruction_set();
  return chosen;
}

// The label roles of every sequence; where only a few keys carry a label, they are listed.
class LabelRoles {
 public:
  explicit LabelRoles(const SievePlan& plan) {
    all_.reserve(plan.batch * plan.label_roles);
    listed_.resize(plan.batch * plan.label_roles * kFewKeys);
    for (int64_t b = 0; b < plan.batch; ++b) {
      for (int64_t l = 0; l < plan.label_roles; ++l) add(plan, l, b);
    }
  }

  const LabelRole* data() const { return all_.data(); }

 private:
  void add(const SievePlan& plan, int64_t l, int64_t b) {
    const int64_t at = (l * plan.batch + b) * plan.tokens;
    LabelRole one = {};
    one.weight = plan.row_weight + at;
    one.query_label = plan.query_label + at;
    one.key_label = plan.key_label + at;
    one.low = plan.band[2 * l];
    one.high = plan.band[2 * l + 1];
    one.role = plan.label_role[l];
    int32_t* keys = listed_.data() + all_.size() * kFewKeys;
    one.listed = keys;
    for (int32_t j = 0; j < plan.lengths[b]; ++j) {
      if (one.key_label[j] < 0) continue;
      if (one.n_listed == kFewKeys) {
        one.listed = nullptr;
        break;
      }
      keys[one.n_listed++] = j;
    }
    all_.push_back(one);
  }

  std::vector<LabelRole> all_;
  std::vector<int32_t> listed_;
};

// The tasks of a problem: blocks of rows, numbered through sequences, then heads, then blocks.
struct Tasks {
  std::vector<int64_t> first;  // [b + 1] number of the sequence's first task
  int64_t heads;

  Tasks(const SievePlan& plan, int64_t heads) : heads(heads) {
    first.assign(plan.batch + 1, 0);
    for (int64_t b = 0; b < plan.batch; ++b) {
      first[b + 1] = first[b] + heads * blocks_of(plan.lengths[b]);
    }
  }

  static int64_t blocks_of(int64_t length) { return (length + kBlockRows - 1) / kBlockRows; }
  int64_t count() const { return first.back(); }
};

Block block_of(const Tasks& tasks, const SievePlan& plan, int64_t task) {
  int64_t b = 0, after = plan.batch;
  while (after - b > 1) {  // the last sequence whose first task is not beyond this one
    const int64_t middle = (b + after) / 2;
    (tasks.first[middle] <= task ? b : after) = middle;
  }
  const int64_t blocks = Tasks::blocks_of(plan.lengths[b]);
  const int64_t within = task - tasks.first[b];
  Block block = {};
  block.sequence = b;
  block.head = within / blocks;
  block.first_row = within % blocks * kBlockRows;
  const int64_t left = plan.lengths[b] - block.first_row;
  block.rows = left < kBlockRows ? left : kBlockRows;
  return block;
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

struct PackedKeys {
  std::unique_ptr<float[]> data;
  std::vector<int64_t> offsets;  // [b * kv_heads + 1] floats
};

PackedKeys pack(const QkProblem& problem, const InstructionSet& set, int threads) {
  const SievePlan& plan = problem.plan;
  const int64_t units = plan.batch * problem.kv_heads;
  PackedKeys packed;
  packed.offsets.assign(units + 1, 0);
  for (int64_t u = 0; u < units; ++u) {
    const int64_t length = plan.lengths[u / problem.kv_heads];
    const int64_t panels = (length + set.panel - 1) / set.panel;
    packed.offsets[u + 1] = packed.offsets[u] + panels * set.panel * problem.head_size;
  }
  packed.data.reset(new float[packed.offsets[units]]);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t u = 0; u < units; ++u) {
    const int64_t b = u / problem.kv_heads;
    set.pack_keys(problem.key, b, u % problem.kv_heads, plan.lengths[b], problem.head_size,
                  packed.data.get() + packed.offsets[u]);
  }
  return packed;
}

// Runs `rows(block, scratch)` for every block of rows and adds the parts up in their order.
template <typename Rows>
void run(const SievePlan& plan, int64_t heads, int64_t scratch_floats, const Output& output,
         int threads, const Rows& rows) {
  const Tasks tasks(plan, heads);
  const int64_t roles = plan.roles;
  std::vector<double> partial(tasks.count() * roles, 0.0);
  std::vector<uint8_t> faults(tasks.count(), 0);
  const std::unique_ptr<float[]> scratch(new float[threads * scratch_floats]);
  float* next_scratch = scratch.get();
#pragma omp parallel num_threads(threads)
  {
    float* own;
#pragma omp critical
    {
      own = next_scratch;
      next_scratch += scratch_floats;
    }
#pragma omp for schedule(dynamic, 1)
    for (int64_t task = 0; task < tasks.count(); ++task) {
      Block block = block_of(tasks, plan, task);
      block.partial = partial.data() + task * roles;
      block.fault = faults.data() + task;
      if (output.token_values) {
        block.token_values =
            output.token_values + (block.sequence * roles * heads + block.head) * plan.tokens;
      }
      rows(block, own);
    }
  }
  std::memset(output.faults, 0, plan.batch * heads);
  std::vector<double> totals(plan.batch * roles * heads, 0.0);
  for (int64_t task = 0; task < tasks.count(); ++task) {
    const Block block = block_of(tasks, plan, task);
    output.faults[block.sequence * heads + block.head] |= faults[task];
    for (int64_t r = 0; r < roles; ++r) {
      totals[(block.sequence * roles + r) * heads + block.head] += partial[task * roles + r];
    }
  }
  for (size_t n = 0; n < totals.size(); ++n) output.scores[n] = static_cast<float>(totals[n]);
}

}  // namespace

const char* instruction_set() {
  const InstructionSet* set = instruction_set_in_use();
  return set == nullptr ? nullptr : set->name;
}

int sieve_scores_qk(const QkProblem& problem, const Output& output, int threads) try {
  const InstructionSet& set = *instruction_set_in_use();
  const LabelRoles roles(problem.plan);
  const PackedKeys packed = pack(problem, set, threads);
  const int64_t group = problem.heads / problem.kv_heads;
  run(problem.plan, problem.heads,
      set.scratch_floats(problem.plan, problem.head_size, most_entries(problem.plan)), output,
      threads, [&](const Block& block, float* scratch) {
        const int64_t unit = block.sequence * problem.kv_heads + block.head / group;
        set.rows_qk(problem, roles.data(), packed.data.get() + packed.offsets[unit], block,
                    scratch);
      });
  return 0;
} catch (const std::bad_alloc&) {
  return 1;
}

int sieve_scores_attention(const AttentionProblem& problem, const Output& output, int threads) try {
  const InstructionSet& set = *instruction_set_in_use();
  const LabelRoles roles(problem.plan);
  run(problem.plan, problem.heads, set.scratch_floats(problem.plan, 0, most_entries(problem.plan)),
      output, threads, [&](const Block& block, float* scratch) {
        set.rows_attention(problem, roles.data(), block, scratch);
      });
  return 0;
} catch (const std::bad_alloc&) {
  return 1;
}

}  // namespace headscore
