// A progress bar on stderr when that is a terminal, one plain line at the end when it is not.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace rw {

class ProgressBar {
 public:
  enum class Unit : uint8_t { kBytes, kCount };  // "1.20 of 2.20 GB", "12 of 51"
  explicit ProgressBar(std::string what, Unit unit = Unit::kBytes);

  // Any thread. Redraws at most every 50 ms.
  void Update(uint64_t done, uint64_t total);
  // Clears the bar and prints "<what>: <summary> in 0.42 s".
  void Finish(const std::string& summary);

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_;
  Unit unit_;
  bool terminal_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_;
  std::mutex mutex_;
};

}  // namespace rw
