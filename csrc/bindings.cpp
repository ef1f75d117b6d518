// The Python module `_cuda`: reads addresses, sizes, strides and the stream; launches the kernels.
#include <pybind11/pybind11.h>

#include <algorithm>
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
  read.key_tokens = number<int64_t>(plan, "key_tokens");
  read.lengths = address<const int32_t>(plan, "lengths");
  read.key_lengths = address<const int32_t>(plan, "key_lengths");
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
  read.key_padded = number<int64_t>(plan, "key_padded");
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

// Of address, dtype, and strides of batch, head and row.
Tensor4 read_tensor(const py::tuple& tensor) {
  Tensor4 read = {};
  read.data = reinterpret_cast<const void*>(tensor[0].cast<uintptr_t>());
  read.dtype = static_cast<Dtype>(tensor[1].cast<int32_t>());
  read.batch_stride = tensor[2].cast<int64_t>();
  read.head_stride = tensor[3].cast<int64_t>();
  read.row_stride = tensor[4].cast<int64_t>();
  return read;
}

// A workspace, with the number of heads that it is made for.
struct Room {
  Workspace workspace;
  int64_t heads;
};

Room read_room(const py::handle& room) {
  Room read = {};
  read.heads = number<int64_t>(room, "heads");
  read.workspace.block_sums = address<float>(room, "block_sums");
  read.workspace.block_faults = address<uint8_t>(room, "block_faults");
  read.workspace.blocks = number<int64_t>(room, "blocks");
  read.workspace.row_top = address<float>(room, "row_top");
  read.workspace.row_mass = address<float>(room, "row_mass");
  read.workspace.row_entropy = address<float>(room, "row_entropy");
  read.workspace.piece_sums = address<float>(room, "piece_sums");
  return read;
}

Problem problem_of(const DevicePlan& plan, const py::tuple& visibility, const Room& room,
                   uintptr_t scores, uintptr_t token_values, uintptr_t faults) {
  Problem problem = {};
  problem.sieves = plan;
  problem.visibility.causal = visibility[0].cast<bool>();
  // no further than the tokens: kernels count keys in 32 bits
  problem.visibility.window =
      visibility[1].is_none() ? -1 : std::min(visibility[1].cast<int64_t>(), plan.plan.tokens);
  problem.heads = room.heads;
  problem.workspace = room.workspace;
  problem.output.scores = reinterpret_cast<float*>(scores);
  problem.output.token_values = reinterpret_cast<float*>(token_values);
  problem.output.faults = reinterpret_cast<uint8_t*>(faults);
  return problem;
}

void raise_if(const std::string& fault) {
  if (!fault.empty()) throw std::runtime_error(fault);
}

void score_qk(const py::tuple& query, const py::tuple& key, const py::object& bias,
              const DevicePlan& plan, const py::tuple& visibility, const Room& room,
              uintptr_t scores, uintptr_t token_values, uintptr_t faults, int64_t kv_heads,
              int64_t head_size, float scale, float softcap, uintptr_t stream) {
  QkProblem problem = {};
  problem.common = problem_of(plan, visibility, room, scores, token_values, faults);
  problem.query = read_tensor(query);
  problem.key = read_tensor(key);
  if (!bias.is_none()) problem.bias = read_tensor(bias);
  problem.kv_heads = kv_heads;
  problem.head_size = head_size;
  problem.scale = scale;
  problem.softcap = softcap;
  raise_if(sieve_scores_qk(problem, stream));
}

void score_attention(const py::tuple& attention, const DevicePlan& plan,
                     const py::tuple& visibility, const Room& room, uintptr_t scores,
                     uintptr_t token_values, uintptr_t faults, float tolerance, uintptr_t stream) {
  AttentionProblem problem = {};
  problem.common = problem_of(plan, visibility, room, scores, token_values, faults);
  problem.attention = read_tensor(attention);
  problem.tolerance = tolerance;
  raise_if(sieve_scores_attention(problem, stream));
}

void compare_with_position(const py::handle& comparison, uintptr_t scores, uintptr_t counted,
                           uintptr_t excess, uintptr_t sums, int64_t roles, int64_t heads,
                           uintptr_t stream) {
  PositionProblem problem = {};
  problem.comparison.units = number<int64_t>(comparison, "units");
  problem.comparison.pair_offsets = address<const int64_t>(comparison, "pair_offsets");
  problem.comparison.member_column = address<const int32_t>(comparison, "member_column");
  problem.comparison.member_mean = address<const int32_t>(comparison, "member_mean");
  problem.comparison.member_weight = address<const double>(comparison, "member_weight");
  problem.comparison.mean_offsets = address<const int64_t>(comparison, "mean_offsets");
  problem.comparison.mean_column = address<const int32_t>(comparison, "mean_column");
  problem.comparison.mean_share = address<const double>(comparison, "mean_share");
  problem.comparison.unit_offsets = address<const int64_t>(comparison, "unit_offsets");
  problem.comparison.unit_sequence = address<const int32_t>(comparison, "unit_sequence");
  problem.comparison.unit_role = address<const int32_t>(comparison, "unit_role");
  problem.scores = reinterpret_cast<const float*>(scores);
  problem.counted = reinterpret_cast<const uint8_t*>(counted);
  problem.roles = roles;
  problem.heads = heads;
  problem.excess = reinterpret_cast<float*>(excess);
  problem.sums = reinterpret_cast<int64_t*>(sums);
  raise_if(control_position(problem, stream));
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
  // Read once for many launches: who holds one keeps the tensors alive.
  py::class_<DevicePlan>(m, "Plan", py::module_local()).def(py::init(&read_device_plan));
  py::class_<Room>(m, "Workspace", py::module_local()).def(py::init(&read_room));
  m.def("why_not", &why_not, py::arg("device"));
  m.def("sieve_scores_qk", &score_qk);
  m.def("sieve_scores_attention", &score_attention);
  m.attr("POSITION_ROWS") = headscore::kPositionRows;
  m.def("control_position", &compare_with_position);
}
