#include "cuda/emulation.h"

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

dim3 threadIdx, blockIdx, gridDim;

// void switch_stack(void** from, void* to): saves what a call must keep, and changes stacks.
#if defined(__x86_64__)
asm(R"(
.text
.globl emulation_switch_stack
emulation_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
constexpr size_t kSaved = 6;
#else
#error "fibers are written for x86-64"
#endif
extern "C" void emulation_switch_stack(void** from, void* to);

namespace emulation {
namespace {

constexpr size_t kStackBytes = 1 << 17;

struct Copy {
  void* to;
  const void* from;
  bool real;
};

struct Fiber {
  std::unique_ptr<unsigned char[]> stack{new unsigned char[kStackBytes]};
  void* top = nullptr;
  bool waits = false, ended = false;
  std::vector<Copy> copies;
};

// Threads that come together before any goes on.
struct Meeting {
  unsigned mask = 0, arrived = 0, count = 0;
  bool any = false;
  Site site = {nullptr, 0};
};

struct Warp {
  Meeting meetings[kLanes];  // by the lowest lane of the mask
  // Read and written when the last lane has come: then all have taken what they got before.
  alignas(16) unsigned char in[kLanes][kSlotBytes], out[kLanes][kSlotBytes];
};

int order = 0;          // 0: first thread first; 1: last first; else: the seed of random turns
int omitted_site = -1;  // number of the barrier to leave out
std::vector<Site> sites;

std::vector<Fiber> fibers;
std::vector<Warp> warps;
std::vector<unsigned char> room;
Meeting block_meeting;
bool block_any[2];
unsigned block_turn;
size_t n_threads, current;
void* scheduler;
const std::function<void()>* body;
std::string fault;
std::mt19937 random_turns;

std::string name_of(Site site) {
  const char* slash = std::strrchr(site.file, '/');
  return std::string(slash ? slash + 1 : site.file) + ":" + std::to_string(site.line);
}

bool is_left_out(Site site) {
  const auto same = [&](const Site& each) {
    return each.line == site.line && std::strcmp(each.file, site.file) == 0;
  };
  const auto found = std::find_if(sites.begin(), sites.end(), same);
  const int number = static_cast<int>(found - sites.begin());
  if (found == sites.end()) sites.push_back(site);
  return number == omitted_site;
}

void to_scheduler() { emulation_switch_stack(&fibers[current].top, scheduler); }

void wait() {
  fibers[current].waits = true;
  to_scheduler();
}

void main_of_fiber() {
  (*body)();
  if (!fibers[current].copies.empty()) broken("a thread ends before its copies have arrived");
  fibers[current].ended = true;
  to_scheduler();
}

void prepare(Fiber& fiber) {
  const size_t top = reinterpret_cast<size_t>(fiber.stack.get() + kStackBytes) / 16 * 16;
  void** frame = reinterpret_cast<void**>(top) - 2;  // a function starts 8 bytes off 16
  frame[0] = reinterpret_cast<void*>(main_of_fiber);
  fiber.top = frame - kSaved;
  fiber.waits = fiber.ended = false;
  fiber.copies.clear();
}

bool can_run(size_t thread) { return !fibers[thread].waits && !fibers[thread].ended; }

// The thread whose turn it is, or n_threads.
size_t next_thread() {
  if (order == 0) {
    for (size_t n = 0; n < n_threads; ++n) {
      if (can_run(n)) return n;
    }
  } else if (order == 1) {
    for (size_t n = n_threads; n-- > 0;) {
      if (can_run(n)) return n;
    }
  } else {
    const size_t start = random_turns() % n_threads;
    for (size_t n = 0; n < n_threads; ++n) {
      if (can_run((start + n) % n_threads)) return (start + n) % n_threads;
    }
  }
  return n_threads;
}

void run_block(size_t shared_bytes) {
  room.assign(shared_bytes, 0xff);  // NaN in every format
  warps.assign((n_threads + kLanes - 1) / kLanes, Warp());
  block_meeting = Meeting();
  block_turn = 0;
  for (size_t n = 0; n < n_threads; ++n) prepare(fibers[n]);
  for (current = next_thread(); current < n_threads && fault.empty(); current = next_thread()) {
    threadIdx = dim3(static_cast<unsigned>(current), 0, 0);
    emulation_switch_stack(&scheduler, fibers[current].top);
  }
  const auto stuck = [](const Fiber& each) { return !each.ended; };
  if (fault.empty() && std::any_of(fibers.begin(), fibers.begin() + n_threads, stuck)) {
    fault = "threads wait for others that do not come";
  }
}

// Notes that this thread has come; true for the last one.
bool arrive(Meeting& meeting, unsigned mask, unsigned expected, Site site) {
  if (meeting.count == 0) {
    meeting.mask = mask;
    meeting.site = site;
  } else if (meeting.mask != mask) {
    broken("lanes meet with different masks at " + name_of(site));
  } else if (meeting.site.line != site.line || std::strcmp(meeting.site.file, site.file) != 0) {
    broken("threads meet at " + name_of(meeting.site) + " and " + name_of(site));
  }
  if (++meeting.count < expected) return false;
  meeting.count = 0;
  return true;
}

}  // namespace

std::string run(dim3 grid, unsigned threads, size_t shared_bytes,
                const std::function<void()>& kernel) {
  if (fibers.size() < threads) fibers.resize(threads);
  n_threads = threads;
  body = &kernel;
  fault.clear();
  gridDim = grid;
  random_turns.seed(order);
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
        run_block(shared_bytes);
        if (!fault.empty()) return fault;
      }
    }
  }
  return "";
}

void broken(const std::string& rule) {
  fault = rule;
  to_scheduler();
  std::abort();  // the block is over: nobody comes back here
}

unsigned char* shared_memory() { return room.data(); }

bool is_shared(const void* begin, size_t bytes) {
  const unsigned char* at = static_cast<const unsigned char*>(begin);
  return at >= room.data() && at + bytes <= room.data() + room.size();
}

bool meet_block(bool value, Site site) {
  if (is_left_out(site)) return value;
  const unsigned turn = block_turn;
  if (block_meeting.count == 0) block_any[turn] = false;
  block_any[turn] |= value;
  if (arrive(block_meeting, 0, static_cast<unsigned>(n_threads), site)) {
    block_turn ^= 1;
    for (size_t n = 0; n < n_threads; ++n) fibers[n].waits = false;
  } else {
    wait();
  }
  return block_any[turn];
}

void meet_lanes(unsigned mask, const void* in, size_t in_bytes, void* out, size_t out_bytes,
                const std::function<void(Slots in, Slots out)>& act, Site site) {
  const size_t first = current / kLanes * kLanes;
  const unsigned lane = static_cast<unsigned>(current - first);
  if (!(mask >> lane & 1u)) broken("a lane outside its mask at " + name_of(site));
  Warp& warp = warps[current / kLanes];
  Meeting& meeting = warp.meetings[__builtin_ctz(mask)];
  std::memcpy(warp.in[lane], in, in_bytes);
  if (arrive(meeting, mask, static_cast<unsigned>(__builtin_popcount(mask)), site)) {
    alignas(16) static unsigned char results[kLanes][kSlotBytes];
    act(warp.in, results);
    for (unsigned n = 0; n < kLanes && first + n < n_threads; ++n) {
      if (!(mask >> n & 1u)) continue;  // other lanes may be yet to read theirs
      std::memcpy(warp.out[n], results[n], kSlotBytes);
      fibers[first + n].waits = false;
    }
  } else {
    wait();
  }
  std::memcpy(out, warp.out[lane], out_bytes);
}

void start_copy(void* to, const void* from, bool real) {
  if (!is_shared(to, 16)) broken("a copy goes beyond shared memory");
  if (reinterpret_cast<size_t>(to) % 16 || reinterpret_cast<size_t>(from) % 16) {
    broken("a copy is not aligned to 16 bytes");
  }
  std::memset(to, 0xff, 16);
  fibers[current].copies.push_back({to, from, real});
}

void finish_copies(Site site) {
  std::vector<Copy>& copies = fibers[current].copies;
  if (!is_left_out(site)) {
    for (const Copy& copy : copies) {
      if (copy.real) {
        std::memcpy(copy.to, copy.from, 16);
      } else {
        std::memset(copy.to, 0, 16);
      }
    }
  }
  copies.clear();
}

}  // namespace emulation

// What the tests set, by way of ctypes.
extern "C" {
void emulation_set(int order, int omitted_site) {
  emulation::order = order;
  emulation::omitted_site = omitted_site;
}
int emulation_sites() { return static_cast<int>(emulation::sites.size()); }
const char* emulation_site(int number) {
  static std::string name;
  name = emulation::name_of(emulation::sites[number]);
  return name.c_str();
}
}
