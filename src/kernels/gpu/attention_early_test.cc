// attention on the GPU starts while the kernel before it runs, and looks at positions of earlier
// steps and at the step's numbers before that one has ended. Here that one writes them late: the
// newest positions and the queries, the lengths, the pages. The bits are those of one kernel after
// the other.
#include "kernels/gpu/attention_testing.h"
#include "kernels/sample_testing.h"

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

class GpuAttentionEarly : public testing::GpuTest {};

const Options kOptions[] = {
    {.hq = 8, .hk = 2, .d = 128},
    {.hq = 6, .hk = 3, .d = 64, .tokens_first = true},
    {.hq = 4, .hk = 2, .d = 64, .window = 100},
    {.hq = 2, .hk = 2, .d = 96, .softcap = 20},
    {.hq = 4, .hk = 2, .d = 64, .dtype = DType::kF16, .kv = {DType::kF8E4M3, true}},
    {.hq = 2, .hk = 1, .d = 256},
};
// The newest position first, last and alone in a page, in the first and in later pages of a warp,
// in the only and in the last part.
const std::vector<int32_t> kLengths = {1, 16, 17, 64, 100, 129, 577, 1025, 2500};

std::vector<Part> OneQueryEach(const std::vector<int32_t>& lengths) {
  std::vector<Part> parts;
  for (const int32_t length : lengths) {
    parts.push_back({static_cast<int32_t>(parts.size()), length, 1});
  }
  return parts;
}

// A step whose queries and newest positions are made by the kernel before attention, a product of
// long rows.
struct Projected {
  explicit Projected(const Options& options)
      : world(options, kLengths), step(world.Step(OneQueryEach(kLengths))) {
    for (size_t s = 0; s < kLengths.size(); ++s) {
      const int32_t position = kLengths[s] - 1;
      const auto row = static_cast<int64_t>(s);
      pos.view().row<int32_t>(0)[s] = position;
      slot.view().row<int32_t>(0)[s] =
          step.table.view().row<int32_t>(row)[position / kPageSize] * int32_t{kPageSize} +
          position % int32_t{kPageSize};
    }
  }

  std::vector<GpuCall> Calls() const {
    return {{"linear3_rope_kv_write",
             gpu::kProvider,
             {x, wq, wk, wv, pos, cs, slot},
             {q},
             {{"d", o.d}, {"layout", std::string("half")}},
             &world.kv()},
            world.Call(step, q, y)};
  }
  Tensor W(int64_t heads, uint32_t seed) const {
    return Tensor(o.dtype, {heads * o.d, kDepth}).Random(seed, 0.02f);
  }

  static constexpr int64_t kDepth = 8192;
  const int64_t n = static_cast<int64_t>(kLengths.size());
  World world;
  AttentionStep step;
  Options o = world.options();
  Tensor pos{DType::kI32, {n}}, slot{DType::kI32, {n}};
  Tensor x = Tensor(o.dtype, {n, kDepth}).Random(1);
  Tensor wq = W(o.hq, 2), wk = W(o.hk, 3), wv = W(o.hk, 4), cs = testing::Angles(2600, o.d);
  Tensor q{o.dtype, {n, o.hq, o.d}}, y{o.dtype, {n, o.hq, o.d}};
};

TEST_F(GpuAttentionEarly, NewestPositionsAndQueriesOfTheKernelBefore) {
  for (const Options& options : kOptions) {
    SCOPED_TRACE(fmt::format("{} d {}", Name(options.kv.dtype), options.d));
    const Projected apart(options), at_once(options), captured(options);
    for (const GpuCall& call : apart.Calls()) {
      GpuRun run(std::vector<GpuCall>{call});
      run.Launch();
      run.Download();
    }
    EXPECT_FALSE(apart.y.AnyNan());
    GpuRun run(at_once.Calls());
    run.Launch();
    run.Download();
    EXPECT_TRUE(at_once.y.Same(apart.y));
    GpuRun replayed(captured.Calls());
    const CapturedGraph graph(replayed);
    graph.Replay();
    replayed.Download();
    EXPECT_TRUE(captured.y.Same(apart.y));
  }
}

// Samples `values` from so many logits that attention has begun long before they are written.
struct Written {
  Written(const std::vector<int32_t>& values, const std::vector<int32_t>& stale)
      : operands(std::vector<SampleRule>(values.size())),
        logits(DType::kF32, {static_cast<int64_t>(values.size()), kVocab}) {
    for (size_t i = 0; i < values.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      std::fill_n(logits.view().row<float>(row), kVocab, 0.0f);
      logits.Set(row, values[i], 1);
      operands.y.view().row<int32_t>(0)[i] = stale[i];
    }
  }
  GpuCall Call() const {
    return {"sample", gpu::kProvider, {logits, operands.how, operands.pick}, {operands.y}};
  }

  static constexpr int64_t kVocab = 1 << 18;
  testing::SampleOperands operands;
  Tensor logits;
};

constexpr size_t kLen = 2, kTable = 3;  // operands of attention

// Runs a kernel that writes `values` over `stale`, then attention with them as `operand`.
void ExpectSeesWritten(const Options& options, const std::vector<int32_t>& lengths, size_t operand,
                       const std::vector<int32_t>& values, const std::vector<int32_t>& stale) {
  const World world(options, lengths);
  const std::vector<Part> parts = OneQueryEach(lengths);
  const AttentionStep step = world.Step(parts);
  const Tensor q = world.Queries(parts), expected(options.dtype, world.QueryDims(parts));
  world.AttendOnGpu(step, q, expected);
  const Written written(values, stale);
  const Tensor y(options.dtype, world.QueryDims(parts));
  GpuCall call = world.Call(step, q, y);
  call.in[operand].data = written.operands.y.view().data;
  call.in[operand].row_stride = call.in[operand].width();
  GpuRun run({written.Call(), call});
  const CapturedGraph graph(run);  // launched by the host, attention would come too late
  graph.Replay();
  run.Download();
  EXPECT_TRUE(y.Same(expected));
}

TEST_F(GpuAttentionEarly, LengthsOfTheKernelBefore) {
  for (const Options& options : kOptions) {
    // Longer and shorter ones, none, and nonsense.
    for (const int32_t change : {-1, 1, -16, 300, -5000, 1 << 30}) {
      SCOPED_TRACE(fmt::format("{} d {} {}", Name(options.kv.dtype), options.d, change));
      std::vector<int32_t> stale = kLengths;
      for (int32_t& length : stale) length += change;
      ExpectSeesWritten(options, kLengths, kLen, kLengths, stale);
    }
  }
}

TEST_F(GpuAttentionEarly, PagesOfTheKernelBefore) {
  for (const Options& options : kOptions) {
    SCOPED_TRACE(fmt::format("{} d {}", Name(options.kv.dtype), options.d));
    const std::vector<int32_t> lengths = {1, 17, 40, 100};
    const AttentionStep step = World(options, lengths).Step(OneQueryEach(lengths));
    const TensorView& table = step.table.view();
    std::vector<int32_t> pages, stale;
    for (int64_t s = 0; s < table.rows(); ++s) {
      for (int64_t i = 0; i < table.width(); ++i) {
        pages.push_back(std::max(table.row<int32_t>(s)[i], 0));
        stale.push_back(i % 3 == 0 ? 0 : i % 3 == 1 ? -1 : pages.back());
      }
    }
    ExpectSeesWritten(options, lengths, kTable, pages, stale);
  }
}

}  // namespace
}  // namespace rw
