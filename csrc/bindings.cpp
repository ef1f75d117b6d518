// The Python module `_cuda`: reads addresses, sizes, strides and the stream; launches the kernels.
#include <pybind11/pybind11.h>

#include <stdexcept>

#include "cuda/sieve_scores.h"

namespace py = pybind11;

namespace headscore::cuda {
namespace {

// Where a torch tensor lies; nullptr for None.
template <typename Value>
Value* address(const py::handle& holder, const char* name) {
  const py::object tensor = holder.attr(name);
  if (tensor.is_none()) return nullptr;
  return reinterpret_cast<Value*>(tensor.attr("data_ptr")().cast<uintptr_t>());
}

template <typename Value>
Value number(const py::handle& holder, const char* name) {
  return holder.attr(name).cast<Value>();
}

SievePlan read_plan(const py::handle& plan) {
  SievePlan read = {};
  read.batch = number<int64_t>(plan, "batch");
  read.roles = number<int64_t>(plan, "roles");
  read.tokens = number<int64_t>(plan, "tokens");
  read.lengths = address<const int32_t>(plan, "lengths");
  read.times_entropy = address<const uint8_t>(plan, "times_entropy");
  read.label_roles = number<int64_t>(plan, "label_roles");
  read.label_role = address<const int32_t>(plan, "label_role");
  read.band = address<const int32_t>(plan, "band");
  read.row_weight = address<const float>(plan, "row_weight");
  return read;
}

DevicePlan read_device_plan(const py::handle& plan) {
  DevicePlan read = {};
  read.plan = read_plan(plan);
  read.role_label = address<const int32_t>(plan, "role_label");
  read.query_label = address<const int32_t>(plan, "query_label");
  read.key_label = address<const int32_t>(plan, "key_label");
  read.padded = number<int64_t>(plan, "padded");
  read.tile_label = address<const int32_t>(plan, "tile_label");
  read.tile_roles = address<const int32_t>(plan, "tile_roles");
  read.tiles = number<int64_t>(plan, "tiles");
  read.pieces = number<int64_t>(plan, "pieces");
  read.unit_piece = address<const int64_t>(plan, "unit_piece");
  read.piece_run = address<const int64_t>(plan, "piece_run");
  read.piece_role = address<const int32_t>(plan, "piece_role");
  read.run_entry = address<const int64_t>(plan, "run_entry");
  read.run_row = address<const int64_t>(plan, "run_row");
  read.entry_key = address<const int32_t>(plan, "entry_key");
  read.entry_weight = address<const float>(plan, "entry_weight");
  return read;
}

Tensor4 read_tensor(const py::handle& tensor) {
  Tensor4 read = {};
  read.data = reinterpret_cast<const void*>(number<uintptr_t>(tensor, "address"));
  read.dtype = static_cast<Dtype>(number<int32_t>(tensor, "dtype"));
  read.batch_stride = number<int64_t>(tensor, "batch_stride");
  read.head_stride = number<int64_t>(tensor, "head_stride");
  read.row_stride = number<int64_t>(tensor, "row_stride");
  return read;
}

Problem read_problem(const py::handle& plan, const py::handle& visibility, const py::handle& room) {
  Problem read = {};
  read.sieves = read_device_plan(plan);
  const py::object window = visibility.attr("window");
  read.visibility.causal = number<bool>(visibility, "causal");
  read.visibility.window = window.is_none() ? -1 : window.cast<int64_t>();
  read.heads = number<int64_t>(room, "heads");
  read.workspace.block_sums = address<float>(room, "block_sums");
  read.workspace.block_faults = address<uint8_t>(room, "block_faults");
  read.workspace.blocks = number<int64_t>(room, "blocks");
  read.workspace.row_top = address<float>(room, "row_top");
  read.workspace.row_mass = address<float>(room, "row_mass");
  read.workspace.row_entropy = address<float>(room, "row_entropy");
  read.workspace.piece_sums = address<float>(room, "piece_sums");
  read.output.scores = address<float>(room, "scores");
  read.output.token_values = address<float>(room, "token_values");
  read.output.faults = address<uint8_t>(room, "faults");
  return read;
}

void raise_if(const std::string& fault) {
  if (!fault.empty()) throw std::runtime_error(fault);
}

void score_qk(const py::handle& query, const py::handle& key, const py::handle& bias,
              const py::handle& plan, const py::handle& visibility, const py::handle& room,
              int64_t kv_heads, int64_t head_size, float scale, float softcap, int device,
              uintptr_t stream) {
  QkProblem problem = {};
  problem.common = read_problem(plan, visibility, room);
  problem.query = read_tensor(query);
  problem.key = read_tensor(key);
  if (!bias.is_none()) problem.bias = read_tensor(bias);
  problem.kv_heads = kv_heads;
  problem.head_size = head_size;
  problem.scale = scale;
  problem.softcap = softcap;
  raise_if(sieve_scores_qk(problem, device, stream));
}

void score_attention(const py::handle& attention, const py::handle& plan,
                     const py::handle& visibility, const py::handle& room, float tolerance,
                     int device, uintptr_t stream) {
  AttentionProblem problem = {};
  problem.common = read_problem(plan, visibility, room);
  problem.attention = read_tensor(attention);
  problem.tolerance = tolerance;
  raise_if(sieve_scores_attention(problem, device, stream));
}

}  // namespace
}  // namespace headscore::cuda

PYBIND11_MODULE(_cuda, m) {
  using namespace headscore::cuda;
  m.attr("TILE_KEYS") = kTileKeys;
  m.attr("MOST_ROWS") = kMostRows;
  m.attr("LEAST_ROWS") = kLeastRows;
  m.attr("ROLES_AT_ONCE") = kRolesAtOnce;
  m.attr("PIECE_RUNS") = kPieceRuns;
  m.def("why_not", &why_not, py::arg("device"));
  m.def("sieve_scores_qk", &score_qk);
  m.def("sieve_scores_attention", &score_attention);
}
