// What one instruction set offers: blocks of rows, computed in one thread.
#ifndef HEADSCORE_CPU_ROWS_H_
#define HEADSCORE_CPU_ROWS_H_

#include "sieve_scores.h"

namespace headscore {

constexpr int64_t kBlockRows = 48;  // rows of one task: a multiple of every unit's tile height

// Keys begin .. end - 1 carry the same label.
struct LabelRun {
  int32_t begin, end, label;
};

// One label role of one sequence, as rows of it are scored: arrays start at the sequence's token 0.
struct LabelRole {
  const float* weight;
  const int32_t* query_label;
  const int32_t* key_label;
  const LabelRun* runs;  // all keys that carry a label, where these are few runs; else nullptr
  int64_t n_runs;
  int64_t low, high;  // the band
  int64_t role;
};

// A block of rows of one head of one sequence, and where its results go.
struct Block {
  int64_t sequence;
  int64_t head;
  int64_t first_row;
  int64_t rows;
  double* partial;      // [r] sums over the block's rows
  float* token_values;  // [r] rows of stride heads * tokens, at token 0 of this head; or nullptr
  uint8_t* fault;       // RowFault bits of the block
  float* attended;      // output of the sequence's rows at token 0 of this head; or nullptr
};

// Keys and values of one head of one sequence, packed.
struct PackedHead {
  const float* keys;
  const float* values;  // or nullptr
};

struct InstructionSet {
  const char* name;
  int64_t panel;  // keys, or columns of values, of one packed panel
  // Floats of scratch that a thread needs, where no block has more than `entries` pair entries.
  int64_t (*scratch_floats)(const SievePlan& plan, int64_t head_size, int64_t value_size,
                            int64_t entries);
  // Packs keys [length][head_size] as panels [length / panel][head_size][panel], zero-filled.
  void (*pack_keys)(const Tensor4& key, int64_t sequence, int64_t head, int64_t length,
                    int64_t head_size, float* packed);
  // Packs values [length][value_size] as [value_size / panel][length][panel], zero-filled.
  void (*pack_values)(const Tensor4& value, int64_t sequence, int64_t head, int64_t length,
                      int64_t value_size, float* packed);
  // `label_roles` holds the label roles of sequence 0, then of sequence 1, ...
  void (*rows_qk)(const QkProblem& problem, const LabelRole* label_roles, const PackedHead& packed,
                  const Block& block, float* scratch);
  void (*rows_attention)(const AttentionProblem& problem, const LabelRole* label_roles,
                         const Block& block, float* scratch);
  // The products alone, for measuring: logits of a tile of queries against `panels` packed panels;
  // returns the tile's rows. `queries` holds tile_rows * head_size floats (in steps of 64), `strip`
  // tile_rows * 528.
  int64_t (*products)(const float* queries, const float* packed, int64_t panels, int64_t head_size,
                      float* strip);
};

extern const InstructionSet kBaseline;
#if defined(__x86_64__)
extern const InstructionSet kAvx2;
extern const InstructionSet kAvx512;
#endif

}  // namespace headscore

#endif  // HEADSCORE_CPU_ROWS_H_
