// Deals tasks out to threads.
#ifndef HEADSCORE_CPU_THREADS_H_
#define HEADSCORE_CPU_THREADS_H_

#include <cstdint>
#include <functional>

namespace headscore {

// Runs work(task, seat) for the tasks 0 .. tasks - 1 on at most `threads` threads, the caller's
// among them. A seat, 0 .. threads - 1, has one thread at a time: scratch memory is kept by seat.
// Which thread runs a task is left open. Throws what a task has thrown, once all threads are done.
void run_tasks(int64_t tasks, int threads, const std::function<void(int64_t task, int seat)>& work);

}  // namespace headscore

#endif  // HEADSCORE_CPU_THREADS_H_
