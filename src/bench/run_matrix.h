// Runs a matrix of calls on a device, and goes on where an earlier run ended.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "base/status.h"
#include "bench/matrix.h"
#include "bench/results.h"
#include "runtime/device.h"

namespace rw::bench {

// What the caller hears and says while it runs.
struct MatrixHooks {
  std::function<void(int64_t done, int64_t total)> progress = [](int64_t, int64_t) {};  // points
  std::function<bool()> stop = [] { return false; };
  std::function<Status()> save = [] { return Status(); };  // now and then, and at the end
};

struct MatrixRequest {
  Axes axes;
  double seconds_per_case = 0.05;
};

// Adds to results.cells. A cell that is there with a time and with the same sources of its kernels
// is kept; other cells of the same key are replaced. False: stopped before the end.
Result<bool> RunMatrix(std::shared_ptr<ComputeDevice> device, ThreadPool& pool,
                       const MatrixRequest& request, const MatrixHooks& hooks, Results& results);

}  // namespace rw::bench
