// A decoder layer on the GPU from tokens to tokens: launched all at once, where kernels overlap,
// and replayed as a graph, the bits are those of one kernel after the other with the host between
// them.
#include "kernels/gpu/testing.h"
#include "kernels/sample_testing.h"

namespace rw {
namespace {

using testing::CapturedGraph;
using testing::GpuCall;
using testing::GpuRun;
using testing::Tensor;

class GpuChain : public testing::GpuTest {};

constexpr int64_t kHidden = 256, kHq = 4, kHk = 2, kD = 64, kInner = 320, kVocab = 1003;
constexpr int64_t kPages = 12;  // in a row of the table
constexpr int64_t kQ = kHq * kD, kKv = kHk * kD;

// The integers of a step: the whole prompts of sequences, or one token at position 0.
struct Prompts {
  explicit Prompts(const std::vector<int32_t>& counts) : lengths(counts) {
    const auto sequences = static_cast<int32_t>(counts.size());
    for (int32_t s = 0; s < sequences; ++s) {
      for (int32_t p = 0; p < counts[s]; ++p) {
        const int32_t page = 1 + p / 16 * sequences + s;
        ids.push_back((p * 37 + s * 11) % kVocab);
        positions.push_back(p);
        slots.push_back(page * 16 + p % 16);
      }
      qstart.push_back(qstart.back() + counts[s]);
      last.push_back(qstart.back() - 1);
      bounds.max_query = std::max<int64_t>(bounds.max_query, counts[s]);
    }
    bounds.max_length = bounds.max_query;
  }
  std::vector<int32_t> ids, positions, slots, qstart = {0}, lengths, last;
  StepBounds bounds;
};

// The tensors of the layer. All that is computed begins as poison, the cache too.
struct Layer {
  Layer(DType type, const Prompts& prompts)
      : dtype(type),
        n(static_cast<int64_t>(prompts.ids.size())),
        sequences(static_cast<int64_t>(prompts.lengths.size())),
        bounds(prompts.bounds),
        ids(Tensor::Ints(prompts.ids)),
        pos(Tensor::Ints(prompts.positions)),
        slot(Tensor::Ints(prompts.slots)),
        qstart(Tensor::Ints(prompts.qstart)),
        len(Tensor::Ints(prompts.lengths)),
        last(Tensor::Ints(prompts.last)) {
    for (int64_t s = 0; s < sequences; ++s) {
      for (int64_t page = 0; page < kPages; ++page) {
        table.view().row<int32_t>(s)[page] = static_cast<int32_t>(1 + page * sequences + s);
      }
    }
  }

  std::vector<GpuCall> Calls(std::string_view linear) const {
    const Attrs norm{{"eps", 1e-5}, {"style", std::string("llama")}};
    const Attrs half{{"layout", std::string("half")}};
    const Attrs attend{{"scale", 0.125}, {"softcap", 0.0}, {"window", int64_t{0}}};
    const std::string_view ours = gpu::kProvider;
    const TensorView q = Heads(queries), k = Heads(keys), v = Heads(values);
    const TensorView o = Heads(attended);
    return {
        {"embed", ours, {ids, embedding}, {x}, {{"dtype", std::string(Name(dtype))}}},
        {"rms_norm", ours, {x, w_norm}, {y}, norm},
        {"linear3", linear, {y, w_q, w_k, w_v}, {queries, keys, values}},
        {"rope_kv_write", ours, {q, k, v, pos, cs, slot}, {q}, half, &cache.view},
        {"attention", ours, {q, qstart, len, table}, {o}, attend, &cache.view, bounds},
        {"linear", linear, {attended, w_o}, {y}},
        {"add_rms_norm", ours, {x, y, w_norm}, {x, y}, norm},
        {"linear2", linear, {y, w_gate, w_up}, {gate, up}},
        {"silu_mul", ours, {gate, up}, {gate}},
        {"linear", linear, {gate, w_down}, {y}},
        {"add", ours, {x, y}, {x}},
        {"gather_rows", ours, {x, last}, {picked}},
        {"linear", linear, {picked, embedding}, {logits}},
        {"sample", ours, {logits, sampling.how, sampling.pick}, {sampling.y}},
    };
  }

  void ExpectSame(const Layer& other) const {
    testing::ExpectSame(queries, other.queries);
    testing::ExpectSame(attended, other.attended);
    testing::ExpectSame(gate, other.gate);
    testing::ExpectSame(x, other.x);
    testing::ExpectSame(logits, other.logits);
    EXPECT_EQ(sampling.Tokens(), other.sampling.Tokens());
    testing::ExpectSame(cache.k, other.cache.k);
    testing::ExpectSame(cache.v, other.cache.v);
    EXPECT_FALSE(logits.AnyNan());
  }

  static TensorView Heads(TensorView rows) {
    rows.rank = 3;
    rows.dims = {rows.dims[0], rows.dims[1] / kD, kD};
    return rows;
  }
  Tensor Weights(int64_t m, int64_t k, uint32_t seed) const {
    return Tensor(dtype, {m, k}).Random(seed, 0.1f);
  }

  DType dtype;
  int64_t n, sequences;
  StepBounds bounds;
  Tensor ids, pos, slot, qstart, len, last;
  Tensor table{DType::kI32, {sequences, kPages}};
  testing::Cache cache{dtype, 1 + sequences* kPages, kHk, kD, false};
  Tensor cs = testing::Angles(kPages * kPageSize, kD);
  Tensor embedding = Tensor(dtype, {kVocab, kHidden}).Random(1);
  Tensor w_norm = Tensor(dtype, {kHidden}).Random(2);
  Tensor w_q = Weights(kQ, kHidden, 3), w_k = Weights(kKv, kHidden, 4);
  Tensor w_v = Weights(kKv, kHidden, 5), w_o = Weights(kHidden, kQ, 6);
  Tensor w_gate = Weights(kInner, kHidden, 7), w_up = Weights(kInner, kHidden, 8);
  Tensor w_down = Weights(kHidden, kInner, 9);
  Tensor x{dtype, {n, kHidden}}, y{dtype, {n, kHidden}};
  Tensor queries{dtype, {n, kQ}}, keys{dtype, {n, kKv}}, values{dtype, {n, kKv}};
  Tensor attended{dtype, {n, kQ}}, gate{dtype, {n, kInner}}, up{dtype, {n, kInner}};
  Tensor picked{dtype, {sequences, kHidden}}, logits{dtype, {sequences, kVocab}};
  testing::SampleOperands sampling{testing::SomeRules(sequences, 4)};
};

void ExpectSameHoweverLaunched(std::string_view linear, DType dtype,
                               const std::vector<int32_t>& counts) {
  SCOPED_TRACE(fmt::format("{} {} {}", linear, Name(dtype), counts.size()));
  const Prompts prompts(counts);
  const Layer one_by_one(dtype, prompts), at_once(dtype, prompts), captured(dtype, prompts);
  for (const GpuCall& call : one_by_one.Calls(linear)) {
    GpuRun run(std::vector<GpuCall>{call});
    run.Launch();
    run.Download();
  }
  GpuRun run(at_once.Calls(linear));
  for (int i = 0; i < 3; ++i) run.Launch();  // the first kernels of the next over the last ones
  run.Download();
  at_once.ExpectSame(one_by_one);

  GpuRun replayed(captured.Calls(linear));
  const CapturedGraph graph(replayed);
  for (int i = 0; i < 2; ++i) {
    graph.Replay();
    graph.Replay();
    replayed.Download();
    captured.ExpectSame(one_by_one);
  }
}

TEST_F(GpuChain, GivesTheSameBitsHoweverLaunched) {
  for (const DType dtype : testing::kFloatTypes) {
    ExpectSameHoweverLaunched(gpu::kProvider, dtype, {1, 1, 1, 1, 1});
    ExpectSameHoweverLaunched(gpu::kProvider, dtype, {1, 150, 1, 33});
  }
  ExpectSameHoweverLaunched(cuda::kProvider, DType::kBF16, {1, 1, 1});
  ExpectSameHoweverLaunched(cuda::kProvider, DType::kBF16, {1, 150, 33});
}

}  // namespace
}  // namespace rw
