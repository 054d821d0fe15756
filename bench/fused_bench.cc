// Fused ops beside the ops they stand for: threads, rows, 1 for the fused kernel; bf16, shapes of a
// model of 1B.
//
//   kernels_bench --benchmark_filter=Fused
//
// Calls rotate through copies of the operands as the layers of a model would. GB/s counts what the
// fused op must move, for both, so that the two compare as their times do.
#include <benchmark/benchmark.h>

#include <array>
#include <span>
#include <string>
#include <vector>

#include "tensors.h"

namespace rw::bench {
namespace {

constexpr DType kBench = DType::kBF16;
constexpr int64_t kHidden = 2048, kInner = 8192, kHq = 32, kHk = 8, kHeadDim = 64;

struct Call {
  std::string_view op;
  std::vector<TensorView> in, out;
  const KvLayerView* kv = nullptr;
};

// A call's kernel, found once as the lowering does.
class BoundCall {
 public:
  BoundCall(const Call& call, const Attrs& attrs) : call_(call), attrs_(attrs) {
    std::vector<DType> in, out;
    for (const TensorView& x : call.in) in.push_back(x.dtype);
    for (const TensorView& x : call.out) out.push_back(x.dtype);
    row_ = &Row(call.op, {in, out, kBench}, attrs);
  }
  void Run(ThreadPool& pool) const { row_->run({call_.in, call_.out, call_.kv, attrs_, pool}); }

 private:
  Call call_;
  const Attrs& attrs_;
  const KernelRow* row_;
};

// The same work done by one call or by several, on operands of their own.
struct Pair {
  std::vector<Tensor> tensors;
  std::vector<std::vector<int32_t>> ints;
  KvLayerView kv;
  std::vector<Call> fused, unfused;
  int64_t bytes = 0;  // that the fused op must move

  TensorView New(std::initializer_list<int64_t> dims, DType dtype = kBench) {
    return tensors.emplace_back(MakeTensor(dtype, dims)).view;
  }
  TensorView NewInts(int64_t n) {
    std::vector<int32_t>& values = ints.emplace_back(n);
    for (int64_t i = 0; i < n; ++i) values[i] = static_cast<int32_t>(i);
    return TensorView::Contiguous(values.data(), DType::kI32, {&n, 1});
  }
  void CountBytes() {
    for (const Call& call : fused) {
      for (const auto& list : {call.in, call.out}) {
        for (const TensorView& x : list) {
          bytes += x.size() * static_cast<int64_t>(SizeOf(x.dtype));
        }
      }
    }
  }
};

void FusedSiluMul(Pair& pair, int64_t n) {
  const TensorView gate = pair.New({n, kInner}), up = pair.New({n, kInner});
  const TensorView y = pair.New({n, kInner});
  pair.fused = {{"silu_mul", {gate, up}, {y}}};
  pair.unfused = {{"silu", {gate}, {y}}, {"mul", {y, up}, {y}}};
}

void FusedAddRmsNorm(Pair& pair, int64_t n) {
  const TensorView a = pair.New({n, kHidden}), b = pair.New({n, kHidden});
  const TensorView w = pair.New({kHidden}), y = pair.New({n, kHidden});
  pair.fused = {{"add_rms_norm", {a, b, w}, {a, y}}};
  pair.unfused = {{"add", {a, b}, {a}}, {"rms_norm", {a, w}, {y}}};
}

void FusedLinear(Pair& pair, int64_t n, std::span<const int64_t> rows) {
  Call fused{rows.size() == 2 ? "linear2" : "linear3", {pair.New({n, kHidden})}, {}};
  for (const int64_t m : rows) {
    const TensorView w = pair.New({m, kHidden}), y = pair.New({n, m});
    pair.unfused.push_back({"linear", {fused.in[0], w}, {y}});
    fused.in.push_back(w);
    fused.out.push_back(y);
  }
  pair.fused = {fused};
}
void FusedLinear2(Pair& pair, int64_t n) { FusedLinear(pair, n, std::array{kInner, kInner}); }
void FusedLinear3(Pair& pair, int64_t n) {
  FusedLinear(pair, n, std::array{kHq * kHeadDim, kHk * kHeadDim, kHk * kHeadDim});
}

void FusedHeads(Pair& pair, int64_t n, bool norms, bool writes) {
  const TensorView q = pair.New({n, kHq, kHeadDim}), k = pair.New({n, kHk, kHeadDim});
  const TensorView q_out = pair.New({n, kHq, kHeadDim}), k_out = pair.New({n, kHk, kHeadDim});
  const TensorView v = pair.New({n, kHk, kHeadDim}), w = pair.New({kHeadDim});
  const TensorView cs = pair.New({n, kHeadDim}, DType::kF32);
  const TensorView pos = pair.NewInts(n), slot = pair.NewInts(n);
  const int64_t pages = (n + kPageSize - 1) / kPageSize, page = kHk * kPageSize * kHeadDim;
  const TensorView keys = pair.New({pages, page}), values = pair.New({pages, page});
  pair.kv = {keys.data, values.data,          kBench,  pages, kHk, kHeadDim,
             page,      kPageSize * kHeadDim, kHeadDim};
  Call fused{norms && writes ? "qk_norm_rope_kv_write" : norms ? "qk_norm_rope" : "rope_kv_write"};
  fused.in = {q, k};
  if (writes) fused.in.push_back(v);
  if (norms) fused.in.insert(fused.in.end(), {w, w});
  fused.in.insert(fused.in.end(), {pos, cs});
  if (writes) fused.in.push_back(slot);
  fused.out = writes ? std::vector{q_out} : std::vector{q_out, k_out};
  if (writes) fused.kv = &pair.kv;
  pair.fused = {fused};
  if (norms) {
    pair.unfused = {{"rms_norm", {q, w}, {q_out}},
                    {"rms_norm", {k, w}, {k_out}},
                    {"rope", {q_out, k_out, pos, cs}, {q_out, k_out}}};
  } else {
    pair.unfused = {{"rope", {q, k, pos, cs}, {q_out, k_out}}};
  }
  if (writes) pair.unfused.push_back({"kv_write", {k_out, v, slot}, {}, &pair.kv});
  if (writes) pair.bytes = 2 * k.size() * static_cast<int64_t>(SizeOf(kBench));  // into the cache
}
void FusedRopeKvWrite(Pair& pair, int64_t n) { FusedHeads(pair, n, false, true); }
void FusedQkNormRope(Pair& pair, int64_t n) { FusedHeads(pair, n, true, false); }
void FusedQkNormRopeKvWrite(Pair& pair, int64_t n) { FusedHeads(pair, n, true, true); }

void Fused(benchmark::State& state, void (*make)(Pair& pair, int64_t n)) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  const Attrs attrs{
      {"eps", 1e-5}, {"style", std::string("llama")}, {"layout", std::string("half")}};
  constexpr int64_t kLayers = 8;
  std::array<Pair, kLayers> layers;
  std::array<std::vector<BoundCall>, kLayers> calls;
  for (int64_t i = 0; i < kLayers; ++i) {
    make(layers[i], state.range(1));
    layers[i].CountBytes();
    for (const Call& call : state.range(2) != 0 ? layers[i].fused : layers[i].unfused) {
      calls[i].emplace_back(call, attrs);
    }
  }
  int64_t layer = 0;
  for (auto _ : state) {
    for (const BoundCall& call : calls[layer]) call.Run(pool);
    layer = (layer + 1) % kLayers;
  }
  state.counters["GB/s"] =
      benchmark::Counter(1e-9 * static_cast<double>(layers[0].bytes * state.iterations()),
                         benchmark::Counter::kIsRate);
}

void FusedShapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"threads", "n", "fused"})->UseRealTime();
  for (const int64_t threads : {1, 2}) {
    for (const int64_t n : {1, 32, 512}) {
      for (const int64_t fused : {0, 1}) bench->Args({threads, n, fused});
    }
  }
}

BENCHMARK_CAPTURE(Fused, silu_mul, FusedSiluMul)->Apply(FusedShapes);
BENCHMARK_CAPTURE(Fused, add_rms_norm, FusedAddRmsNorm)->Apply(FusedShapes);
BENCHMARK_CAPTURE(Fused, linear2, FusedLinear2)->Apply(FusedShapes);
BENCHMARK_CAPTURE(Fused, linear3, FusedLinear3)->Apply(FusedShapes);
BENCHMARK_CAPTURE(Fused, rope_kv_write, FusedRopeKvWrite)->Apply(FusedShapes);
BENCHMARK_CAPTURE(Fused, qk_norm_rope, FusedQkNormRope)->Apply(FusedShapes);
BENCHMARK_CAPTURE(Fused, qk_norm_rope_kv_write, FusedQkNormRopeKvWrite)->Apply(FusedShapes);

}  // namespace
}  // namespace rw::bench
