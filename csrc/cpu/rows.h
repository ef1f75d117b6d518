// What one instruction set offers: blocks of rows, computed in one thread.
#ifndef HEADSCORE_CPU_ROWS_H_
#define HEADSCORE_CPU_ROWS_H_

#include "sieve_scores.h"

namespace headscore {

constexpr int64_t kBlockRows = 48;  // rows of one task: a multiple of every unit's tile height

// Keys that carry a label, where they are few enough to be listed (per label role and sequence).
struct KeyLists {
  const int64_t* offsets;  // [l * b + 1]
  const int32_t* keys;
  const uint8_t* listed;  // [l * b] 1: use the list; 0: compare labels along the row
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
};

struct InstructionSet {
  const char* name;
  int64_t panel;  // keys of one packed panel
  // Floats of scratch that a thread needs for `roles` roles and heads of `head_size`.
  int64_t (*scratch_floats)(int64_t roles, int64_t head_size);
  // Packs keys [length][head_size] as panels [length / panel][head_size][panel], zero-filled.
  void (*pack_keys)(const Tensor4& key, int64_t sequence, int64_t head, int64_t length,
                    int64_t head_size, float* packed);
  void (*rows_qk)(const QkProblem& problem, const KeyLists& lists, const float* packed,
                  const Block& block, float* scratch);
  // The products alone, for measuring: logits of a tile of queries [head_size][tile_rows] against
  // `panels` packed panels; returns the tile's rows. `strip` holds tile_rows * 256 floats.
  int64_t (*products)(const float* queries, const float* packed, int64_t panels, int64_t head_size,
                      float* strip);
  void (*rows_attention)(const AttentionProblem& problem, const KeyLists& lists, const Block& block,
                         float* scratch);
};

extern const InstructionSet kBaseline;
#if defined(__x86_64__)
extern const InstructionSet kAvx2;
extern const InstructionSet kAvx512;
#endif

}  // namespace headscore

#endif  // HEADSCORE_CPU_ROWS_H_
