#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace rw {

ProgressBar::ProgressBar(std::string what, Unit unit)
    : what_(std::move(what)), unit_(unit), terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressBar::Update(uint64_t done, uint64_t total) {
  if (!terminal_ || total == 0) return;
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (now - drawn_ < std::chrono::milliseconds(50)) return;
  drawn_ = now;
  constexpr int kWidth = 30;
  const double part = static_cast<double>(done) / static_cast<double>(total);
  const int filled = static_cast<int>(part * kWidth);
  const std::string amount =
      unit_ == Unit::kCount ? fmt::format("{} of {}", done, total)
                            : fmt::format("{:.2f} of {:.2f} GB", static_cast<double>(done) * 1e-9,
                                          static_cast<double>(total) * 1e-9);
  fmt::print(stderr, "\r{}: [{:#<{}}{:.<{}}] {:3.0f} %  {}", what_, "", filled, "", kWidth - filled,
             part * 100, amount);
  std::fflush(stderr);
}

void ProgressBar::Finish(const std::string& summary) {
  const std::chrono::duration<double> seconds = Clock::now() - start_;
  fmt::print(stderr, "{}{}: {} in {:.2f} s\n", terminal_ ? "\r\033[K" : "", what_, summary,
             seconds.count());
}

}  // namespace rw
