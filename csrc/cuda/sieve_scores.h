// Sieve bias scores on a GPU: what the caller fills in, and the two entry points. Every pointer is
// to device memory; nothing is allocated here, and nothing waits for the device.
#ifndef HEADSCORE_CUDA_SIEVE_SCORES_H_
#define HEADSCORE_CUDA_SIEVE_SCORES_H_

#include <cstdint>
#include <string>

#include "planning/position.h"
#include "sieve_plan.h"

namespace headscore::cuda {

constexpr int kTileKeys = 64;     // keys that a block takes at a time
constexpr int kMostRows = 128;    // of a block, likewise
constexpr int kLeastRows = 32;    // rows of the smallest block: a row of partial sums for each
constexpr int kRolesAtOnce = 32;  // label roles of one pass over the keys
constexpr int kPieceRuns = 64;    // rows of pair roles that a block takes

// What a tile of keys holds for a label role: no label, labels that differ, or one label alone.
constexpr int32_t kNoLabel = -1;
constexpr int32_t kManyLabels = -2;
constexpr int32_t kNoQuery = -3;  // of a query that looks for no label: equal to nothing

// The plan, and what is derived from it once per plan.
struct DevicePlan {
  SievePlan plan;             // neither its labels nor its pairs are read
  const int32_t* role_label;  // [r] the label role of role r, or -1

  // Labels with room for whole blocks: queries without one hold kNoQuery, keys kNoLabel.
  const int32_t* query_label;  // [l][b][padded]
  const int32_t* key_label;    // [l][b][key_padded]
  int64_t padded;              // tokens, up to a multiple of kMostRows
  int64_t key_padded;          // key_tokens, likewise

  const int32_t* tile_label;  // [b][tile][l] a label, kNoLabel or kManyLabels
  // [pass][b][tile][2]; bit n, of role 32 pass + n: has labels in the tile, other than the only one
  // of the tile before; has one label alone. 8 bytes, to be read at once.
  const int32_t* tile_roles;
  int64_t tiles;

  // Visible entries of pair roles by (sequence, role, query, key). A run is what one row of one
  // role owns; a piece is up to kPieceRuns runs of one sequence and role.
  int64_t pieces;
  const int64_t* unit_piece;  // [b * r + 1] first piece of sequence b, role r
  const int64_t* piece_run;   // [piece + 1] first run
  const int32_t* piece_role;  // [piece]
  const int64_t* run_entry;   // [run + 1] first entry
  const int64_t* run_row;     // [run] b * tokens + i
  const int32_t* entry_key;   // [entry]
  const float* entry_weight;  // [entry]
};

// Room for what the kernels hand to one another.
struct Workspace {
  float* block_sums;      // [b][h][block][l] of label roles
  uint8_t* block_faults;  // [b][h][block]
  int64_t blocks;         // tokens / kLeastRows, rounded up
  float* row_top;         // [b][h][t] about the largest logit, in base 2; attention: 0
  float* row_mass;        // [b][h][t] sum of 2^(logit - top); attention: of the entries
  float* row_entropy;     // [b][h][t] nats
  float* piece_sums;      // [h][piece]
};

struct Output {
  float* scores;        // [b][r][h]; roles without a sieve in a sequence get 0
  float* token_values;  // [b][r][h][t] each row's share of the score, zeros before; or nullptr
  uint8_t* faults;      // [b][h] RowFault bits of any row
};

struct Problem {
  DevicePlan sieves;
  Visibility visibility;
  int64_t heads;
  Workspace workspace;
  Output output;
};

struct QkProblem {
  Problem common;
  Tensor4 query;  // [b][heads][t][head_size]; address and strides are multiples of 16 bytes
  Tensor4 key;    // [b][kv_heads][k][head_size], likewise
  Tensor4 bias;   // [b][heads][t][k], added to the scaled and capped logits; no data: none
  int64_t kv_heads;
  int64_t head_size;  // a multiple of 16 bytes
  float scale;
  float softcap;  // 0: none
};

struct AttentionProblem {
  Problem common;
  Tensor4 attention;  // [b][heads][t][k]
  float tolerance;    // a row whose sum is further from 1 gets kSumNotOne
};

// Position control of a batch, of any number of layers whose heads lie side by side.
struct PositionProblem {
  Comparison comparison;
  const float* scores;     // [b][column][head]
  const uint8_t* counted;  // [b]
  int64_t roles;
  int64_t heads;
  float* excess;  // [b][r][head] written for the units that are counted
  int64_t* sums;  // [row][r][head] added to
};

// All put the work into the stream, of the current device, and return "", or one sentence.
std::string sieve_scores_qk(const QkProblem& problem, uintptr_t stream);
std::string sieve_scores_attention(const AttentionProblem& problem, uintptr_t stream);
std::string control_position(const PositionProblem& problem, uintptr_t stream);

// "" or one sentence on why no kernel can run on the device.
std::string why_not(int device);

}  // namespace headscore::cuda

#endif  // HEADSCORE_CUDA_SIEVE_SCORES_H_
