#include <algorithm>

#include "gpu_roofs.h"
#include "gpu_timer.h"

namespace rw::bench {
namespace {

constexpr int kMinSamples = 5;
constexpr double kEnoughMicros = 30e3;        // of samples
constexpr double kLongMicros = 500;           // a launch from which on fewer make a graph
constexpr double kLongGraphMicros = 10e3;     // then as many as last so long
constexpr uint64_t kBusyNanoseconds = 60000;  // the host queues a replay in less

__global__ void BusyKernel(uint64_t nanoseconds) {
  uint64_t begin, now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
  do {
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  } while (now - begin < nanoseconds);
}

// A graph of `launches` launches, the works in turn.
cudaGraphExec_t Capture(const std::vector<Work>& works, const gpu::Queue& queue, int launches) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  CheckCuda(cudaStreamBeginCapture(queue.stream, cudaStreamCaptureModeThreadLocal));
  for (int i = 0; i < launches; ++i) works[i % works.size()](queue);
  CheckCuda(cudaGetLastError());
  CheckCuda(cudaStreamEndCapture(queue.stream, &graph));
  CheckCuda(cudaGraphInstantiate(&executable, graph, 0));
  CheckCuda(cudaGraphDestroy(graph));
  return executable;
}

int LaunchesFor(double micros) {
  if (micros < kLongMicros) return Timer::kLaunches;
  return std::clamp(static_cast<int>(kLongGraphMicros / micros), 2, Timer::kLaunches);
}

}  // namespace

Timer::Timer(const Gpu& gpu) : begin_(kMaxSamples), end_(kMaxSamples) {
  for (cudaEvent_t& event : begin_) CheckCuda(cudaEventCreate(&event));
  for (cudaEvent_t& event : end_) CheckCuda(cudaEventCreate(&event));
  flush_bytes_ = 4 * gpu.queue.l2_bytes;
  CheckCuda(cudaMalloc(&flush_, static_cast<size_t>(flush_bytes_)));
  CheckCuda(cudaMemset(flush_, 1, static_cast<size_t>(flush_bytes_)));
  CheckCuda(cudaDeviceSynchronize());
}

double Timer::OnceMicros(const gpu::Queue& queue, const std::function<void()>& run) {
  CheckCuda(cudaEventRecord(begin_[0], queue.stream));
  run();
  CheckCuda(cudaGetLastError());
  CheckCuda(cudaEventRecord(end_[0], queue.stream));
  CheckCuda(cudaEventSynchronize(end_[0]));
  float milliseconds = 0;
  CheckCuda(cudaEventElapsedTime(&milliseconds, begin_[0], end_[0]));
  return 1e3 * milliseconds;
}

void Timer::EnqueueSample(const gpu::Queue& queue, cudaGraphExec_t graph, Caches caches,
                          int sample) {
  BusyKernel<<<1, 1, 0, queue.stream>>>(kBusyNanoseconds);
  if (caches == Caches::kCold) StreamRead(queue, flush_, flush_bytes_);
  CheckCuda(cudaGetLastError());
  CheckCuda(cudaEventRecord(begin_[sample], queue.stream));
  CheckCuda(cudaGraphLaunch(graph, queue.stream));
  CheckCuda(cudaEventRecord(end_[sample], queue.stream));
}

Timing Timer::Time(const std::vector<Work>& works, const gpu::Queue& queue, Caches caches) {
  for (const Work& work : works) work(queue);
  CheckCuda(cudaGetLastError());
  CheckCuda(cudaStreamSynchronize(queue.stream));

  Timing timing;
  timing.launches = LaunchesFor(OnceMicros(queue, [&] { works[0](queue); }));
  cudaGraphExec_t graph = Capture(works, queue, timing.launches);
  const auto replay = [&] { CheckCuda(cudaGraphLaunch(graph, queue.stream)); };
  replay();
  const double graph_micros = OnceMicros(queue, replay);
  timing.samples =
      std::clamp(static_cast<int>(kEnoughMicros / graph_micros), kMinSamples, kMaxSamples);

  for (int i = 0; i < timing.samples; ++i) EnqueueSample(queue, graph, caches, i);
  CheckCuda(cudaStreamSynchronize(queue.stream));
  CheckCuda(cudaGraphExecDestroy(graph));
  std::vector<double> micros;
  for (int i = 0; i < timing.samples; ++i) {
    float milliseconds = 0;
    CheckCuda(cudaEventElapsedTime(&milliseconds, begin_[i], end_[i]));
    micros.push_back(1e3 * milliseconds / timing.launches);
  }
  std::ranges::sort(micros);
  const size_t middle = micros.size() / 2;
  timing.median_us =
      micros.size() % 2 != 0 ? micros[middle] : (micros[middle - 1] + micros[middle]) / 2;
  timing.min_us = micros.front();
  timing.max_us = micros.back();
  return timing;
}

}  // namespace rw::bench
