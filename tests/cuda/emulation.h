// One block of GPU threads at a time, acted out on a CPU: threads are fibers that take turns at
// barriers and warp-wide instructions. Shared memory starts as NaN, copies into it arrive as late
// as they may, and the order of the threads is the caller's, so that a barrier left out shows.
#ifndef HEADSCORE_TESTS_CUDA_EMULATION_H_
#define HEADSCORE_TESTS_CUDA_EMULATION_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

struct dim3 {
  unsigned x, y, z;
  explicit constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

extern dim3 threadIdx, blockIdx, gridDim;

namespace emulation {

constexpr unsigned kLanes = 32;
constexpr size_t kSlotBytes = 64;

// A place in the source where threads meet.
struct Site {
  const char* file;
  int line;
};

// Runs a kernel for every block of the grid; returns "" or what it did wrong.
std::string run(dim3 grid, unsigned threads, size_t shared_bytes,
                const std::function<void()>& kernel);

// Ends the block: the kernel broke a rule of the hardware.
[[noreturn]] void broken(const std::string& rule);

unsigned char* shared_memory();
bool is_shared(const void* begin, size_t bytes);

// Waits for all threads of the block; returns whether `value` held for any of them.
bool meet_block(bool value, Site site);

// Lets the lanes of `mask` meet. `act` sees what each handed in and writes what each gets.
using Slots = unsigned char (*)[kSlotBytes];
void meet_lanes(unsigned mask, const void* in, size_t in_bytes, void* out, size_t out_bytes,
                const std::function<void(Slots in, Slots out)>& act, Site site);

// Copies into shared memory: what they overwrite is lost at once, what they bring is there only
// after finish_copies.
void start_copy(void* to, const void* from, bool real);
void finish_copies(Site site);

template <typename Value>
Value value_of(const unsigned char* slot) {
  Value value;
  std::memcpy(&value, slot, sizeof value);
  return value;
}

template <typename Value>
void put(unsigned char* slot, const Value& value) {
  static_assert(sizeof value <= kSlotBytes, "a slot holds it");
  std::memcpy(slot, &value, sizeof value);
}

}  // namespace emulation

#endif  // HEADSCORE_TESTS_CUDA_EMULATION_H_
