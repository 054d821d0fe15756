#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>

#include "base/check.h"

namespace rw {
namespace {

// Between two ops of one step the next job comes within microseconds, so a waiting thread first
// polls for about that long; then it sleeps, so that an idle engine uses no processor.
constexpr int kPolls = 4000;

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `value` differs from `old`, and returns it.
uint32_t WaitForChange(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kPolls; ++i) {
    if (const uint32_t now = value.load(std::memory_order_acquire); now != old) return now;
    Pause();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  RW_CHECK(threads >= 1, "a pool of {} threads", threads);
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { WorkerLoop(); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::ParallelFor(int64_t count, int64_t grain,
                             const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (workers_.empty() || count <= grain) return body(0, count);
  // About four ranges a thread: a thread that was held up leaves its share to the others.
  const int64_t pieces = int64_t{threads()} * 4;
  const int64_t chunk = std::max<int64_t>((count + pieces - 1) / pieces, 1);
  job_ = {&body, count, (chunk + grain - 1) / grain * grain};
  const auto chunks = static_cast<uint32_t>((count + job_.chunk - 1) / job_.chunk);
  done_.store(0, std::memory_order_relaxed);
  open_.store(chunks, std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  while (RunOne()) {
  }
  for (uint32_t done; (done = done_.load(std::memory_order_acquire)) != chunks;) {
    WaitForChange(done_, done);
  }
}

// Claims and runs a chunk of the current job; false if none is left.
bool ThreadPool::RunOne() {
  int64_t left = open_.load(std::memory_order_acquire);
  do {
    if (left == 0) return false;
  } while (!open_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel));
  const int64_t chunks = (job_.count + job_.chunk - 1) / job_.chunk;
  const int64_t begin = (chunks - left) * job_.chunk;
  (*job_.body)(begin, std::min(begin + job_.chunk, job_.count));
  done_.fetch_add(1, std::memory_order_release);
  done_.notify_one();  // only the caller of ParallelFor waits on it
  return true;
}

void ThreadPool::WorkerLoop() {
  uint32_t seen = 0;
  for (;;) {
    seen = WaitForChange(generation_, seen);
    if (stop_.load(std::memory_order_relaxed)) return;
    while (RunOne()) {
    }
  }
}

int AvailableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(CPU_COUNT(&set), 1);
}

}  // namespace rw
