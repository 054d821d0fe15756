// A progress bar on stderr when that is a terminal, one plain line at the end when it is not.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace rw {

class ProgressBar {
 public:
  // "loading: 1.2 of 2.2 GB"
  explicit ProgressBar(std::string what);

  // Any thread. Redraws at most every 50 ms.
  void Update(uint64_t done, uint64_t total);
  // Clears the bar and prints "<what>: <summary> in 0.42 s".
  void Finish(const std::string& summary);

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_;
  bool terminal_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_;
  std::mutex mutex_;
};

}  // namespace rw
