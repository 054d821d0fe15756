// The budget of one rendering. A template comes from a model's folder, so it is a stranger's
// program: everything it does is counted, and everything it holds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace rw::jinja {

class Meter {
 public:
  Meter(uint64_t steps, size_t value_bytes) : steps_left_(steps), bytes_left_(value_bytes) {}
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // One step of work, or `count` of them.
  Status Step(uint64_t count = 1) {
    if (count > steps_left_) return OutOfSteps();
    steps_left_ -= count;
    return {};
  }

  // Work that grows with the bytes it touches: copying, searching, comparing. Small pieces add up
  // too, so that a thousand short strings cost what one long one does.
  Status Work(size_t bytes) {
    bytes_worked_ += bytes;
    const uint64_t steps = bytes_worked_ / kBytesPerStep;
    bytes_worked_ %= kBytesPerStep;
    return Step(steps);
  }

  // Whether values of so many bytes may be made now; ask before building something large.
  Status Room(size_t bytes) const {
    if (bytes > bytes_left_) return OutOfBytes();
    return {};
  }

  size_t bytes_left() const { return bytes_left_; }

 private:
  friend class Charge;
  static constexpr size_t kBytesPerStep = 256;

  tl::unexpected<Error> OutOfSteps();
  tl::unexpected<Error> OutOfBytes() const;

  uint64_t steps_left_;
  size_t bytes_left_;
  size_t bytes_worked_ = 0;
};

// Bytes held against a meter for as long as the object lives. Values from the caller's context hold
// an empty charge; values made by a rendering die before its meter.
class Charge {
 public:
  Charge() = default;
  ~Charge() { Release(); }
  Charge(Charge&& other) noexcept : meter_(other.meter_), bytes_(other.bytes_) {
    other.meter_ = nullptr;
    other.bytes_ = 0;
  }
  Charge& operator=(Charge&& other) noexcept {
    if (this != &other) {
      Release();
      meter_ = other.meter_;
      bytes_ = other.bytes_;
      other.meter_ = nullptr;
      other.bytes_ = 0;
    }
    return *this;
  }

  // Takes so many bytes more. A null meter charges nothing.
  Status Grow(Meter* meter, size_t bytes) {
    if (meter == nullptr) return {};
    if (bytes > meter->bytes_left_) return meter->OutOfBytes();
    meter->bytes_left_ -= bytes;
    meter_ = meter;
    bytes_ += bytes;
    return {};
  }

 private:
  void Release() {
    if (meter_ != nullptr) meter_->bytes_left_ += bytes_;
  }

  Meter* meter_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace rw::jinja
