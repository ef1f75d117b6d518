// Sieve bias scores on the CPU: what the caller fills in, and the two entry points.
#ifndef HEADSCORE_CPU_SIEVE_SCORES_H_
#define HEADSCORE_CPU_SIEVE_SCORES_H_

#include "../sieve_plan.h"

namespace headscore {

struct Output {
  float* scores;        // [b][r][h]; roles without a sieve in a sequence get 0
  float* token_values;  // [b][r][h][t] each row's share of the score, or nullptr
  uint8_t* faults;      // [b][h] RowFault bits of any row
  float* attended;      // [b][t][h][value_size] attention times values, padding 0; or nullptr
};

struct QkProblem {
  SievePlan plan;
  Visibility visibility;
  Tensor4 query;  // [b][heads][t][head_size]
  Tensor4 key;    // [b][kv_heads][k][head_size]
  Tensor4 bias;   // [b][heads][t][k] added to the logits once scaled and capped; data nullptr: none
  Tensor4 value;  // [b][kv_heads][k][value_size]; only read where the output is wanted
  int64_t heads;
  int64_t kv_heads;
  int64_t head_size;
  int64_t value_size;
  float scale;
  float softcap;  // 0: none
};

struct AttentionProblem {
  SievePlan plan;
  Visibility visibility;
  Tensor4 attention;  // [b][heads][t][k]
  int64_t heads;
  float tolerance;  // a row whose sum is further from 1 gets kSumNotOne
};

// Both return 0, or 1 where memory ran out. Results do not depend on `threads`.
int sieve_scores_qk(const QkProblem& problem, const Output& output, int threads);
int sieve_scores_attention(const AttentionProblem& problem, const Output& output, int threads);

// The instruction set in use: chosen once from the processor, or forced by the environment
// variable HEADSCORE_CPU_ISA (baseline, avx2, avx512). nullptr: the forced one cannot run here.
const char* instruction_set();

// Those that this processor has, slowest first, with ", " between them.
const char* instruction_sets();

}  // namespace headscore

#endif  // HEADSCORE_CPU_SIEVE_SCORES_H_
