// Every op's call in every variant: it lowers, and all variants give the same results.
#include "bench/variants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "bench/operands.h"
#include "kernels/dispatch.h"
#include "ops/ops.h"

namespace rw::bench {
namespace {

using testing::ElementsAre;

constexpr int64_t kArenaBytes = 64 << 20;

std::vector<std::string> NamesOf(const OpDef& op) {
  const auto variants = VariantsOf(op, {});
  EXPECT_TRUE(variants) << variants.error().message;
  std::vector<std::string> names;
  for (const Variant& variant : *variants) names.push_back(variant.name);
  return names;
}

TEST(Variants, AreNamedByHowFarTheOpIsWrittenOut) {
  EXPECT_THAT(NamesOf(ops::kLinear), ElementsAre("custom"));
  EXPECT_THAT(NamesOf(ops::kRope), ElementsAre("custom", "native"));
  EXPECT_THAT(NamesOf(ops::kRopeKvWrite), ElementsAre("fused", "custom", "native"));
  EXPECT_THAT(NamesOf(ops::kLinear2), ElementsAre("fused", "custom"));
  EXPECT_THAT(NamesOf(ops::kRmsNormLinear3RopeKvWrite),
              ElementsAre("fused", "expanded1", "expanded2", "custom", "native"));
  EXPECT_FALSE(HasVariants(ops::kAttention));
  EXPECT_FALSE(HasVariants(ops::kSlice));
  EXPECT_TRUE(HasVariants(ops::kLinear2));
}

// All that a variant leaves behind, as numbers: its outputs, then the cache.
std::vector<float> Run(const Variant& variant, const Point& point,
                       const std::shared_ptr<ComputeDevice>& device, ThreadPool& pool) {
  const auto executable = LowerVariant(variant, point.shape, device->kind());
  EXPECT_TRUE(executable) << executable.error().message;
  if (!executable) return {};
  Arena arena(*device->Reserve(kArenaBytes, "a test"));
  const auto call = ops::CallGraph(*point.op, point.shape);
  Numbers numbers(point.shape);
  const Operands operands(*device, pool, arena, *call, point, numbers, executable->arena_bytes, 7);
  const Runner runner = operands.MakeRunner(device, *executable);
  const Runner::Frame frame = operands.Bind(runner);
  EXPECT_TRUE(device->Build(runner.executable().Programs()));
  device->SetBounds({1, point.shape.context});
  runner.Queue(frame, 0, static_cast<int>(runner.executable().steps.size()), pool);
  std::vector<float> all;
  const auto append = [&](const std::byte* data, DType dtype, int64_t count) {
    const int64_t bytes = count * static_cast<int64_t>(SizeOf(dtype));
    const DeviceMemory host = *device->ReserveHost(bytes);
    device->QueueDownload(host.data, data, bytes);
    ASSERT_TRUE(device->Finish());
    if (dtype == DType::kI32) {
      const auto* ints = reinterpret_cast<const int32_t*>(host.data);
      for (int64_t i = 0; i < count; ++i) all.push_back(static_cast<float>(ints[i]));
      return;
    }
    WithCacheType(dtype, [&]<class T>(T) {
      const auto* numbers_there = reinterpret_cast<const T*>(host.data);
      for (int64_t i = 0; i < count; ++i) all.push_back(ToFloat(numbers_there[i]));
    });
  };
  for (const TensorView& view : runner.Outputs(frame)) append(view.data, view.dtype, view.size());
  if (ops::HasCache(*point.op)) {
    const auto count = operands.kv_bytes() / static_cast<int64_t>(SizeOf(operands.kv().dtype));
    append(operands.kv().k, operands.kv().dtype, count);
    append(operands.kv().v, operands.kv().dtype, count);
  }
  return all;
}

void ExpectAgreement(const Point& point, const std::shared_ptr<ComputeDevice>& device,
                     ThreadPool& pool) {
  const auto variants = VariantsOf(*point.op, point.shape);
  ASSERT_TRUE(variants) << variants.error().message;
  std::vector<float> expected;
  for (const Variant& variant : *variants) {
    SCOPED_TRACE(variant.name);
    // A fused op of products may have kernels on other devices alone, and not for all types.
    if (!LowerVariant(variant, point.shape, device->kind()) && variant.name != kCustom) continue;
    const std::vector<float> found = Run(variant, point, device, pool);
    ASSERT_FALSE(found.empty());
    if (expected.empty()) expected = found;
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_FALSE(std::isnan(found[i])) << i;
      ASSERT_EQ(found[i], expected[i]) << i;
    }
  }
}

void ExpectAgreementOfAllOps(const std::shared_ptr<ComputeDevice>& device) {
  ThreadPool pool(2);
  for (const OpDef* op : ops::All()) {
    if (op->memory == Memory::kView) continue;
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
      for (const DType kv_dtype : {dtype, DType::kF8E4M3}) {
        for (const int64_t tokens : {1, 7}) {
          if (!ops::HasCache(*op) && kv_dtype != dtype) continue;
          const std::string layout = tokens == 1 ? "NHD" : "HND";
          SCOPED_TRACE(fmt::format("{} {} {} {}", op->name, Name(dtype), Name(kv_dtype), tokens));
          ExpectAgreement({op,
                           {.dtype = dtype,
                            .kv_dtype = kv_dtype,
                            .tokens = tokens,
                            .d = 24,
                            .width = 72,
                            .padding = tokens > 1},
                           layout},
                          device, pool);
        }
      }
    }
  }
}

TEST(Variants, AllOfACallAgree) { ExpectAgreementOfAllOps(CpuDevice()); }

TEST(GpuVariants, AllOfACallAgree) {
  if (!BuiltFor(Device::kCuda)) GTEST_SKIP() << "a build without CUDA";
  const auto device = OpenDevice(Device::kCuda);
  if (!device) GTEST_SKIP() << device.error().message;
  ExpectAgreementOfAllOps(*device);
}

TEST(Variants, WhatCannotRunSaysWhy) {
  const auto variants = VariantsOf(ops::kLinear3RopeKvWrite, {});
  ASSERT_TRUE(variants);
  const auto fused = LowerVariant(variants->front(), {}, Device::kCpu);
  ASSERT_FALSE(fused);
  EXPECT_THAT(fused.error().message, testing::HasSubstr("no kernel"));
  const auto custom = LowerVariant((*variants)[2], {}, Device::kCpu);
  ASSERT_TRUE(custom) << custom.error().message;
  EXPECT_THAT(KernelsOf(custom->steps), ElementsAre("linear@simd", "linear@simd", "linear@simd",
                                                    "rope@simd", "kv_write@simd"));
}

}  // namespace
}  // namespace rw::bench
