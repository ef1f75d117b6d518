// Tasks on the threads of the OpenMP runtime that the process has loaded, or on a pool of our own.
//
// Torch brings an OpenMP runtime, whose threads wait for work in a busy loop for milliseconds: a
// second pool would compete with them for the cores. Its entry is looked up when the program runs,
// so that nothing is linked: a second runtime in one process is slow on Linux and fatal on a Mac.
#include "threads.h"

#if !defined(_WIN32)
#include <dlfcn.h>
#include <pthread.h>
#endif

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace headscore {
namespace {

typedef std::function<void(int64_t task, int seat)> Work;

// The tasks of one call. Each thread that joins takes tasks until none is left.
class Job {
 public:
  Job(int64_t tasks, const Work& work) : tasks_(tasks), work_(work) {}

  void join() noexcept {
    const int seat = next_seat_++;
    try {
      for (int64_t task; (task = next_task_++) < tasks_;) work_(task, seat);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
      next_task_ = tasks_;
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const int64_t tasks_;
  const Work& work_;
  std::atomic<int64_t> next_task_{0};
  std::atomic<int> next_seat_{0};
  std::mutex mutex_;
  std::exception_ptr error_;
};

// Threads that sleep until there is a job. They never end: they leave with the process.
class Pool {
 public:
  // Runs a job on the caller's thread and those workers that are free before its tasks are gone.
  void run(Job& job, int threads) {
    Offer offer = {&job, threads - 1, 0};
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      grow(threads - 1);
      offers_.push_back(&offer);
    }
    offered_.notify_all();
    job.join();
    std::unique_lock<std::mutex> lock(mutex_);
    withdraw(&offer);
    left_.wait(lock, [&] { return offer.inside == 0; });
  }

 private:
  struct Offer {
    Job* job;
    int seats;   // that no worker has taken
    int inside;  // workers that work on the job
  };

  void grow(int workers) {
    try {
      for (; workers_ < workers; ++workers_) std::thread(&Pool::serve, this).detach();
    } catch (const std::system_error&) {  // no more threads for this process: fewer do all the work
    }
  }

  void withdraw(Offer* offer) {
    offers_.erase(std::remove(offers_.begin(), offers_.end(), offer), offers_.end());
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      offered_.wait(lock, [&] { return !offers_.empty(); });
      Offer* offer = offers_.front();
      if (--offer->seats == 0) withdraw(offer);
      ++offer->inside;
      lock.unlock();
      offer->job->join();
      lock.lock();
      if (--offer->inside == 0) left_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable offered_, left_;
  std::vector<Offer*> offers_;
  int workers_ = 0;
};

std::atomic<Pool*> shared_pool{nullptr};

Pool& pool() {
  Pool* current = shared_pool;
  if (current != nullptr) return *current;
  Pool* const fresh = new Pool;
  if (shared_pool.compare_exchange_strong(current, fresh)) return *fresh;
  delete fresh;  // another thread was first
  return *current;
}

// GNU's entry, which LLVM's runtime has too: `work(data)` on so many threads.
typedef void (*Parallel)(void (*work)(void*), void* data, unsigned threads, unsigned flags);

#if defined(_WIN32)
Parallel openmp() { return nullptr; }
#else
std::atomic<bool> is_forked{false};

// A forked process has one thread: it gets a new pool, and leaves the runtime alone, which would
// wait for the threads of its parent for ever.
const int registered = pthread_atfork(nullptr, nullptr, [] {
  is_forked = true;
  shared_pool = nullptr;
});

Parallel openmp() {
  if (is_forked || registered != 0) return nullptr;
  static const Parallel found = reinterpret_cast<Parallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  return found;
}
#endif

}  // namespace

void run_tasks(int64_t tasks, int threads, const Work& work) {
  Job job(tasks, work);
  if (threads < 2 || tasks < 2) {
    job.join();
  } else if (const Parallel parallel = openmp()) {
    // As many threads in each call: GNU's runtime ends those that a call leaves out.
    parallel([](void* data) { static_cast<Job*>(data)->join(); }, &job, threads, 0);
  } else {
    pool().run(job, static_cast<int>(std::min<int64_t>(threads, tasks)));
  }
  job.rethrow();
}

}  // namespace headscore
