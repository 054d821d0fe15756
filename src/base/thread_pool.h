// Splits loops over threads. Kernels divide outputs among threads, never a sum, so every result is
// the same bit for bit at any thread count.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace rw {

class ThreadPool {
 public:
  // `threads` >= 1 counts the calling thread, so ThreadPool(1) starts none.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end) over disjoint ranges that cover [0, count), each (but the last) a
  // multiple of `grain` long, and returns when all have finished. `body` must not throw and must
  // not call ParallelFor of the same pool. Ranges are handed out as threads become free.
  void ParallelFor(int64_t count, int64_t grain,
                   const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  struct Job {
    const std::function<void(int64_t, int64_t)>* body = nullptr;
    int64_t count = 0;
    int64_t chunk = 0;
  };

  void WorkerLoop();
  bool RunOne();

  // A chunk is claimed by taking one from open_. Whoever holds a claim may read job_: the next job
  // is written only when done_ says that all claims are paid. A worker that wakes late finds open_
  // at 0 and touches nothing, so nobody waits for a thread that the system has not let run.
  Job job_;
  std::atomic<int64_t> open_{0};         // chunks not yet claimed
  std::atomic<uint32_t> done_{0};        // chunks finished
  std::atomic<uint32_t> generation_{0};  // one more for each job, for workers to wait on
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

// Cores this process may run on (its affinity mask), at least 1.
int AvailableCores();

}  // namespace rw
