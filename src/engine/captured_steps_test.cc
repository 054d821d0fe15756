// What each mode records, which recording a batch gets, and what then runs; on a device that keeps
// work as a function.
#include "engine/captured_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace rw {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string>& Log() {
  static std::vector<std::string> log;
  return log;
}

struct Kept final : Recording {
  explicit Kept(std::function<void()> work) : work(std::move(work)) {}
  std::function<void()> work;
};

// The CPU, but able to record.
class Recorder final : public ComputeDevice {
 public:
  Device kind() const override { return cpu_->kind(); }
  std::string name() const override { return "recorder"; }
  std::string arch() const override { return ""; }
  int64_t AvailableBytes() const override { return cpu_->AvailableBytes(); }
  int64_t CacheBytes() const override { return cpu_->CacheBytes(); }
  Result<DeviceMemory> Reserve(int64_t bytes, std::string_view purpose) override {
    return cpu_->Reserve(bytes, purpose);
  }
  Result<DeviceMemory> ReserveHost(int64_t bytes) override { return cpu_->ReserveHost(bytes); }
  void Upload(std::byte* to, const std::byte* from, int64_t bytes, ThreadPool& pool) override {
    cpu_->Upload(to, from, bytes, pool);
  }
  void QueueUpload(std::byte* to, const std::byte* from, const Rows& rows) override {
    cpu_->QueueUpload(to, from, rows);
  }
  void QueueDownload(std::byte* to, const std::byte* from, int64_t bytes) override {
    cpu_->QueueDownload(to, from, bytes);
  }
  void QueueCopy(std::byte* to, const std::byte* from, int64_t bytes, ThreadPool& pool) override {
    cpu_->QueueCopy(to, from, bytes, pool);
  }
  void QueueRandom(const TensorView& to, uint64_t seed) override { cpu_->QueueRandom(to, seed); }
  Status Prepare(const StepNeeds&) override { return {}; }
  Status Build(std::span<const native::Program* const>) override { return {}; }
  Status Finish() override { return {}; }
  const gpu::Queue* queue() const override { return nullptr; }
  void SetBounds(const StepBounds& bounds) override { bounds_ = bounds; }
  bool Records() const override { return true; }
  Result<std::unique_ptr<Recording>> Record(const std::function<void()>& work) override {
    if (fails) return Err("recorder: no");
    ++recorded;
    // What the work does when it is played must not depend on what it could see while recorded.
    Log().clear();
    work();
    std::vector<std::string> kernels = Log();
    return std::make_unique<Kept>([kernels] {
      for (const std::string& kernel : kernels) Log().push_back("played " + kernel);
    });
  }
  void QueuePlay(const Recording& recording) override {
    static_cast<const Kept&>(recording).work();
  }
  Result<std::vector<double>> Time(int lots, const std::function<void(int)>& queue) override {
    return cpu_->Time(lots, queue);
  }

  int recorded = 0;
  bool fails = false;
  StepBounds bounds_;

 private:
  std::shared_ptr<ComputeDevice> cpu_ = CpuDevice();
};

bool Any(const KernelTypes&, const Attrs&) { return true; }
const KernelRow kBefore{"before", Device::kCpu, "test", Any,
                        [](const KernelCall&) { Log().emplace_back("before"); }};
const KernelRow kSplit{"split", Device::kCpu, "test", Any,
                       [](const KernelCall&) { Log().emplace_back("split"); }};
const KernelRow kAfter{"after", Device::kCpu, "test", Any,
                       [](const KernelCall&) { Log().emplace_back("after"); }};

Executable ThreePieces() {
  Executable executable;
  for (const KernelRow* row : {&kBefore, &kSplit, &kAfter}) {
    Step step;
    step.kernel = row;
    executable.steps.push_back(std::move(step));
  }
  executable.pieces = {{0, 1, false, 0}, {1, 2, true, 1}, {2, 3, false, 2}};
  return executable;
}

class CapturedStepsTest : public ::testing::Test {
 protected:
  Result<CapturedSteps> Record(CudagraphMode mode) {
    return CapturedSteps::Record(
        *device_,
        {.mode = mode,
         .sizes = {1, 2, 8},
         .max_sequences = 4,
         .max_model_len = 64,
         .runner = [this](int64_t) -> const Runner& { return runner_; },
         .frame = [](const Runner& runner, const StepShape&) { return runner.Bind({}); }},
        pool_, {});
  }
  std::vector<std::string> Run(const CapturedStep& step) {
    Log().clear();
    CapturedSteps::Queue(*device_, step, {1, 5}, pool_);
    return Log();
  }

  std::shared_ptr<Recorder> device_ = std::make_shared<Recorder>();
  Runner runner_{device_, ThreePieces(), {}, {}};
  ThreadPool pool_{1};
};

constexpr StepBounds kDecodes{1, 5};
constexpr StepBounds kPrompt{2, 5};

TEST_F(CapturedStepsTest, FullIsOneRecordingAndPiecewiseLeavesTheCutsOut) {
  const auto steps = Record(CudagraphMode::kFullAndPiecewise);
  ASSERT_TRUE(steps) << steps.error().message;
  // Decoding: sizes 1 and 2 (no step has 8 sequences); the rest: three sizes of two pieces.
  EXPECT_EQ(device_->recorded, 2 + 3 * 2);
  EXPECT_EQ(steps->size(), 5u);
  const CapturedStep* decode = steps->Find({2, 2, 2}, kDecodes);
  ASSERT_NE(decode, nullptr);
  EXPECT_THAT(Run(*decode), ElementsAre("played before", "played split", "played after"));
  const CapturedStep* prompt = steps->Find({2, 1, 1}, kPrompt);
  ASSERT_NE(prompt, nullptr);
  EXPECT_THAT(Run(*prompt), ElementsAre("played before", "split", "played after"));
  EXPECT_EQ(device_->bounds_.max_length, 5);  // the cut runs by the batch's own bounds
}

TEST_F(CapturedStepsTest, TheSmallestThatFits) {
  const auto steps = Record(CudagraphMode::kFull);
  ASSERT_TRUE(steps);
  EXPECT_EQ(steps->Find({1, 1, 1}, kDecodes)->shape, (StepShape{1, 1, 1}));
  EXPECT_EQ(steps->Find({2, 1, 1}, kPrompt)->shape, (StepShape{2, 2, 2}));
  EXPECT_EQ(steps->Find({3, 3, 3}, kDecodes)->shape, (StepShape{8, 4, 4}));  // as any other step
  EXPECT_EQ(steps->Find({9, 1, 1}, kPrompt), nullptr);
  EXPECT_EQ(steps->Find({5, 5, 5}, kDecodes), nullptr);  // more sequences than a step has
}

TEST_F(CapturedStepsTest, WhatEachModeLeavesOut) {
  EXPECT_EQ(Record(CudagraphMode::kNone)->size(), 0u);
  const auto decode_only = Record(CudagraphMode::kFullDecodeOnly);
  EXPECT_NE(decode_only->Find({1, 1, 1}, kDecodes), nullptr);
  EXPECT_EQ(decode_only->Find({2, 1, 1}, kPrompt), nullptr);
  const auto piecewise = Record(CudagraphMode::kPiecewise);
  EXPECT_THAT(Run(*piecewise->Find({1, 1, 1}, kDecodes)),
              ElementsAre("played before", "split", "played after"));
}

TEST_F(CapturedStepsTest, AFailureNamesTheStepAndTheWayOut) {
  device_->fails = true;
  const auto steps = Record(CudagraphMode::kFull);
  ASSERT_FALSE(steps);
  EXPECT_THAT(steps.error().message, HasSubstr("steps of 8 tokens"));
  EXPECT_THAT(steps.error().message, HasSubstr("--enforce-eager"));
}

}  // namespace
}  // namespace rw
