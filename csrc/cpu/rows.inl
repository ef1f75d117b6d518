// The kernel: one source, compiled once per instruction set. The including unit defines
//   HEADSCORE_LANES  floats of a vector,  HEADSCORE_TILE_ROWS  rows of a register tile,
//   HEADSCORE_UNIT   the name of its InstructionSet,  HEADSCORE_UNIT_NAME  the same as text.
//
// A task takes kBlockRows queries of one head of one sequence.
//
// No standard-library templates here: the linker may keep this unit's copy for everyone.
#include "rows_attention.inl"
#include "rows_qk.inl"

namespace headscore {

extern const InstructionSet HEADSCORE_UNIT = {
    HEADSCORE_UNIT_NAME, kPanel,  QkRows::scratch_floats, pack_keys,
    pack_values,         rows_qk, rows_attention,         products};

}  // namespace headscore
