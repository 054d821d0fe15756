// Times launches inside a CUDA graph.
//
// A sample is one replay of a graph of several launches between two events, divided by their
// number. Before each sample a kernel keeps the device busy until the host has queued the replay;
// for a cold sample another one then reads through the L2, so that nothing of the operands is left
// in it and nothing waits there to be written back.
#pragma once

#include <functional>
#include <vector>

#include "gpu_device.h"

namespace rw::bench {

// Puts launches on the queue.
using Work = std::function<void(const gpu::Queue& queue)>;

struct Timing {
  double median_us = 0, min_us = 0, max_us = 0;  // per launch
  int samples = 0;
  int launches = 0;  // in the graph
};

enum class Caches { kCold, kHot };

class Timer {
 public:
  static constexpr int kLaunches = 20;  // fewer where one is long

  explicit Timer(const Gpu& gpu);

  // The works take turns in the graph. All run once before it is captured.
  Timing Time(const std::vector<Work>& works, const gpu::Queue& queue, Caches caches);

 private:
  double OnceMicros(const gpu::Queue& queue, const std::function<void()>& run);
  void EnqueueSample(const gpu::Queue& queue, cudaGraphExec_t graph, Caches caches, int sample);

  static constexpr int kMaxSamples = 30;
  std::vector<cudaEvent_t> begin_, end_;
  std::byte* flush_ = nullptr;
  int64_t flush_bytes_ = 0;
};

}  // namespace rw::bench
