// Times variants of a call on a device.
//
// A sample is a lot of several runs, where the device can in one recording, divided by their
// number. The lots of all variants of a call take turns, so what slows the device for a while slows
// all. Cold: the runs of a lot go round over sets of operands, and before each lot a product reads
// weights larger than the last cache; hot: one set, run by run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "bench/matrix.h"
#include "bench/operands.h"
#include "bench/results.h"
#include "runtime/device.h"

namespace rw::bench {

// What computes a call: an executable of one of its variants.
struct Candidate {
  std::string variant;
  Executable executable;
};

class Measurer {
 public:
  static Result<std::unique_ptr<Measurer>> Create(std::shared_ptr<ComputeDevice> device,
                                                  ThreadPool& pool, double seconds_per_case);

  // A cell for each candidate. An error only if the device failed.
  Result<std::vector<Cell>> Measure(const Point& point, const std::vector<Candidate>& candidates,
                                    std::string_view cache);

  double copy_bytes_per_s() const { return copy_bytes_per_s_; }

 private:
  class Lot;
  struct Flush;

  Measurer(std::shared_ptr<ComputeDevice> device, ThreadPool& pool, double seconds_per_case,
           DeviceMemory memory);
  Status MakeFlush();
  void QueueFlush();
  // An error says why such operands cannot be had.
  Status FindRoom(const Point& point, int64_t set_bytes);
  Status MeasureCopies();
  int SetsFor(int64_t bytes_moved, int64_t set_bytes, bool cold) const;
  Status TimeInTurn(std::vector<Lot>& lots, bool cold);

  std::shared_ptr<ComputeDevice> device_;
  ThreadPool& pool_;
  double seconds_per_case_;
  Arena arena_;
  std::shared_ptr<Flush> flush_;
  double copy_bytes_per_s_ = 0;
};

}  // namespace rw::bench
