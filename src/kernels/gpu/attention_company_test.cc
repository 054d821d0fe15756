// attention on the GPU: the bits of a sequence's result whatever stands beside it, whatever bounds
// the host knows, launched or replayed.
#include "kernels/gpu/attention_testing.h"

namespace rw {
namespace {

using testing::AttentionStep;
using testing::CapturedGraph;
using testing::GpuCall;
using testing::GpuRun;
using testing::Part;
using testing::Tensor;
using testing::World;
using Options = testing::AttentionOptions;

class GpuAttentionCompany : public testing::GpuTest {};

const Options kOptions[] = {
    {.hq = 8, .hk = 2, .d = 128},
    {.hq = 6, .hk = 3, .d = 64, .window = 100},
    {.hq = 4, .hk = 1, .d = 80, .softcap = 20},
    {.hq = 4, .hk = 2, .d = 64, .dtype = DType::kF16, .kv = {DType::kF8E4M3, true}},
    {.hq = 4, .hk = 2, .d = 64, .dtype = DType::kF32, .kv = {DType::kF32, false}},
};
const std::vector<int32_t> kLengths = {1000, 17, 300, 0, 128, 129, 64, 2500};

std::string Trace(const Options& options) {
  return fmt::format("{} {} d {} window {}", Name(options.dtype), Name(options.kv.dtype), options.d,
                     options.window);
}

void ExpectEachAsAlone(const World& world, const std::vector<Part>& parts) {
  const DType dtype = world.options().dtype;
  AttentionStep step = world.Step(parts);
  const Tensor q = world.Queries(parts);
  const Tensor all(dtype, world.QueryDims(parts)), loose(dtype, world.QueryDims(parts));
  world.AttendOnGpu(step, q, all);
  EXPECT_FALSE(all.AnyNan());
  step.bounds.max_query += 77;
  step.bounds.max_length = step.table.view().width() * kPageSize;
  world.AttendOnGpu(step, q, loose);
  EXPECT_TRUE(loose.Same(all)) << "larger bounds";
  // Blocks that take one task after the other.
  const Tensor few(dtype, world.QueryDims(parts));
  GpuCall call = world.Call(step, q, few);
  call.multiprocessors = 2;
  GpuRun run(std::vector<GpuCall>{call});
  run.Launch();
  run.Download();
  EXPECT_TRUE(few.Same(all)) << "a smaller device";
  int64_t first = 0;
  for (const Part& part : parts) {
    if (part.count == 0) continue;
    const Tensor y(dtype, world.QueryDims({part}));
    world.AttendOnGpu(world.Step({part}), world.Queries({part}), y);
    for (int64_t i = 0; i < part.count; ++i) {
      EXPECT_TRUE(y.SameRow(i, all, first + i)) << "sequence " << part.sequence << " row " << i;
    }
    first += part.count;
  }
}

TEST_F(GpuAttentionCompany, DecodingSequencesAreAlone) {
  for (const Options& options : kOptions) {
    SCOPED_TRACE(Trace(options));
    const World world(options, kLengths);
    ExpectEachAsAlone(
        world,
        {{0, 1000, 1}, {1, 17, 1}, {2, 300, 1}, {4, 128, 1}, {5, 129, 1}, {6, 1, 1}, {7, 2500, 1}});
  }
}

// Parts of a sequence that one cluster adds up are the same through memory, as where there are no
// clusters.
TEST_F(GpuAttentionCompany, PartsJoinInAClusterAsThroughMemory) {
  for (const Options& options : kOptions) {
    SCOPED_TRACE(Trace(options));
    const World world(options, {1024, 1, 128, 129, 577, 1000, 0, 300});
    const std::vector<Part> parts = {{0, 1024, 1}, {1, 1, 1},    {2, 128, 1}, {3, 129, 1},
                                     {4, 577, 1},  {5, 1000, 1}, {6, 0, 0},   {7, 300, 1}};
    const AttentionStep step = world.Step(parts);
    const Tensor q = world.Queries(parts);
    const Tensor joined(options.dtype, world.QueryDims(parts));
    world.AttendOnGpu(step, q, joined);
    const Tensor y(options.dtype, world.QueryDims(parts));
    GpuCall call = world.Call(step, q, y);
    call.cluster_blocks = 1;
    GpuRun run(std::vector<GpuCall>{call});
    run.Launch();
    run.Download();
    EXPECT_TRUE(y.Same(joined));
  }
}

TEST_F(GpuAttentionCompany, DecodesAndChunksAreAlone) {
  for (const Options& options : kOptions) {
    SCOPED_TRACE(Trace(options));
    const World world(options, kLengths);
    ExpectEachAsAlone(
        world,
        {{0, 1000, 1}, {1, 17, 1}, {3, 0, 0}, {5, 129, 1}, {2, 300, 45}, {6, 64, 64}, {4, 128, 3}});
  }
}

// Decoding steps of growing sequences by one graph, within the bounds it was captured with. In the
// last step two of the sequences have ended: rows and sequences of padding stay.
TEST_F(GpuAttentionCompany, AGraphServesEveryStepWithinItsBounds) {
  for (const Options& options : kOptions) {
    SCOPED_TRACE(Trace(options));
    const World world(options, kLengths);
    const std::vector<std::vector<Part>> steps = {
        {{0, 40, 1}, {1, 5, 1}, {2, 150, 1}, {7, 1, 1}},
        {{0, 1000, 1}, {1, 17, 1}, {2, 151, 1}, {7, 2500, 1}},
        {{0, 600, 1}, {3, 0, 0}, {3, 0, 0}, {7, 2400, 1}},
    };
    const Tensor q = world.Queries(steps[0]);
    const Tensor y(options.dtype, world.QueryDims(steps[0]));
    const AttentionStep step = world.Step(steps[0]);
    GpuCall call = world.Call(step, q, y);
    call.bounds = {1, 2560};
    GpuRun run(std::vector<GpuCall>{call});
    run.Launch();
    run.Download();
    const CapturedGraph graph(run);
    for (const std::vector<Part>& parts : steps) {
      const Tensor queries = world.Queries(parts);
      const Tensor expected(options.dtype, world.QueryDims(parts));
      const AttentionStep now = world.Step(parts);
      world.AttendOnGpu(now, queries, expected);
      testing::CopyRows(now.qstart, step.qstart);
      testing::CopyRows(now.len, step.len);
      testing::CopyRows(now.table, step.table);
      testing::CopyRows(queries, q);
      run.Upload();
      for (int replay = 0; replay < 2; ++replay) {
        graph.Replay();
        run.Download();
        for (int64_t i = 0; i < expected.view().rows(); ++i) {
          EXPECT_TRUE(y.SameRow(i, expected, i)) << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace rw
