// Speed of the CPU kernels against this machine's roofs: float FMA and memory reading.
//
//   kernels_bench --benchmark_filter='roof|linear'
//
// Weights rotate through more memory than the last cache holds, as a model's do in decoding.
#include "kernels/cpu/simd/targets.h"
//
#include <benchmark/benchmark.h>
#include <hwy/cache_control.h>

#include <array>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernel.h"
#include "tensors.h"

// The roof programs use the target that the kernels would choose.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels_bench.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace rw::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// `rounds` times 12 independent fma chains; returns the flops done.
double FmaLoop(int64_t rounds, float* sink) {
  const hn::ScalableTag<float> d;
  const auto b = hn::Set(d, 0.999f);
  const auto c = hn::Set(d, 1e-3f);
  const auto start = [&](float x) HWY_ATTR { return hn::Set(d, x); };
  auto s0 = start(0), s1 = start(1), s2 = start(2), s3 = start(3), s4 = start(4), s5 = start(5);
  auto s6 = start(6), s7 = start(7), s8 = start(8), s9 = start(9), s10 = start(10);
  auto s11 = start(11);
  for (int64_t i = 0; i < rounds; ++i) {
    s0 = hn::MulAdd(s0, b, c), s1 = hn::MulAdd(s1, b, c), s2 = hn::MulAdd(s2, b, c);
    s3 = hn::MulAdd(s3, b, c), s4 = hn::MulAdd(s4, b, c), s5 = hn::MulAdd(s5, b, c);
    s6 = hn::MulAdd(s6, b, c), s7 = hn::MulAdd(s7, b, c), s8 = hn::MulAdd(s8, b, c);
    s9 = hn::MulAdd(s9, b, c), s10 = hn::MulAdd(s10, b, c), s11 = hn::MulAdd(s11, b, c);
  }
  const auto sum = hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)),
                           hn::Add(hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)),
                                   hn::Add(hn::Add(s8, s9), hn::Add(s10, s11))));
  *sink = hn::GetLane(sum);
  return 2.0 * 12.0 * static_cast<double>(rounds * static_cast<int64_t>(hn::Lanes(d)));
}

// Reads n words (a multiple of 64) once.
uint32_t ReadLoop(const uint32_t* p, int64_t n) {
  const hn::ScalableTag<uint32_t> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  for (int64_t i = 0; i < n; i += 4 * lanes) {
    hwy::Prefetch(p + i + 1024);
    hwy::Prefetch(p + i + 1024 + 2 * lanes);
    s0 = hn::Add(s0, hn::LoadU(d, p + i));
    s1 = hn::Add(s1, hn::LoadU(d, p + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, p + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, p + i + 3 * lanes));
  }
  return hn::GetLane(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
}

}  // namespace HWY_NAMESPACE
}  // namespace rw::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::bench {
namespace {

HWY_EXPORT(FmaLoop);
HWY_EXPORT(ReadLoop);

constexpr int64_t kColdBytes = int64_t{512} << 20;  // far beyond any last-level cache

void Roof_Fma(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  double flops = 0;
  for (auto _ : state) {
    std::array<float, 64> sinks;
    std::array<double, 64> done{};
    pool.ParallelFor(pool.threads() * 4, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        done[i] = HWY_DYNAMIC_DISPATCH(FmaLoop)(1'000'000, &sinks[i]);
      }
    });
    benchmark::DoNotOptimize(sinks);
    for (const double d : done) flops += d;
  }
  state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsRate);
}

void Roof_Read(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  const std::vector<uint32_t> words(kColdBytes / 4 + 4096, 1);
  for (auto _ : state) {
    pool.ParallelFor(kColdBytes / 4, 1 << 20, [&](int64_t begin, int64_t end) {
      benchmark::DoNotOptimize(HWY_DYNAMIC_DISPATCH(ReadLoop)(words.data() + begin, end - begin));
    });
  }
  state.counters["GB/s"] = benchmark::Counter(
      kColdBytes * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

// linear: threads, n, k, m, element type of W.
void Linear(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  const int64_t n = state.range(1), k = state.range(2), m = state.range(3);
  const auto wtype = static_cast<DType>(state.range(4));
  const Tensor x = MakeTensor(DType::kF32, {n, k});
  const Tensor y = MakeTensor(DType::kF32, {n, m});
  const auto bytes = static_cast<int64_t>(SizeOf(wtype)) * m * k;
  const int64_t copies = std::max<int64_t>(1, kColdBytes / 2 / bytes);
  const Tensor w = MakeTensor(wtype, {copies * m, k});
  const Attrs attrs;
  const std::array types = {DType::kF32, wtype};
  const KernelRow& row = Row("linear", {types, {types.data(), 1}}, attrs);
  int64_t copy = 0;
  for (auto _ : state) {
    TensorView one = w.view;
    one.data += copy * bytes;
    one.dims[0] = m;
    const std::array in = {x.view, one};
    const std::array out = {y.view};
    row.run({in, out, nullptr, attrs, pool});
    copy = (copy + 1) % copies;
  }
  const double calls = 1e-9 * static_cast<double>(state.iterations());
  const auto rate = benchmark::Counter::kIsRate;
  state.counters["GFLOP/s"] =
      benchmark::Counter(2.0 * static_cast<double>(n * k * m) * calls, rate);
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(bytes) * calls, rate);
}

void LinearShapes(benchmark::internal::Benchmark* bench) {
  constexpr auto kBf16 = static_cast<int64_t>(DType::kBF16);
  for (const int64_t threads : {1, 2}) {
    for (const int64_t n : {1, 4, 8, 16, 64, 512}) {
      bench->Args({threads, n, 2048, 2048, kBf16});
      bench->Args({threads, n, 2048, 8192, kBf16});
      bench->Args({threads, n, 8192, 2048, kBf16});
    }
    bench->Args({threads, 1, 576, 1536, kBf16});
    bench->Args({threads, 64, 576, 1536, kBf16});
    bench->Args({threads, 1, 2048, 2048, static_cast<int64_t>(DType::kF32)});
    bench->Args({threads, 64, 2048, 2048, static_cast<int64_t>(DType::kF32)});
    bench->Args({threads, 1, 2048, 2048, static_cast<int64_t>(DType::kF16)});
    bench->Args({threads, 64, 2048, 2048, static_cast<int64_t>(DType::kF16)});
  }
}

// attention of 32 heads over 8, d = 64, bf16 cache: threads, query tokens, context.
void Attention(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  const int64_t n = state.range(1), context = state.range(2);
  constexpr int64_t kHq = 32, kHk = 8, kD = 64;
  const int64_t pages = (context + kPageSize - 1) / kPageSize;
  const Tensor q = MakeTensor(DType::kF32, {n, kHq, kD});
  const Tensor y = MakeTensor(DType::kF32, {n, kHq, kD});
  const Tensor k = MakeTensor(DType::kBF16, {pages, kHk * kPageSize * kD});
  const Tensor v = MakeTensor(DType::kBF16, {pages, kHk * kPageSize * kD});
  const KvLayerView kv{k.view.data, v.view.data,          DType::kBF16,   pages, kHk,
                       kD,          kHk * kPageSize * kD, kPageSize * kD, kD};
  std::array<int32_t, 2> qstart = {0, static_cast<int32_t>(n)};
  std::array<int32_t, 1> len = {static_cast<int32_t>(context)};
  std::vector<int32_t> table(pages);
  for (int64_t i = 0; i < pages; ++i) table[i] = static_cast<int32_t>(pages - 1 - i);
  const auto ints = [](auto& values, std::initializer_list<int64_t> dims) {
    return TensorView::Contiguous(values.data(), DType::kI32, {dims.begin(), dims.size()});
  };
  const Attrs attrs{{"scale", 0.125}, {"softcap", 0.0}, {"window", int64_t{0}}};
  const std::array types = {DType::kF32, DType::kI32, DType::kI32, DType::kI32};
  const KernelRow& row = Row("attention", {types, {types.data(), 1}, DType::kBF16}, attrs);
  const std::array in = {q.view, ints(qstart, {2}), ints(len, {1}), ints(table, {1, pages})};
  const std::array out = {y.view};
  for (auto _ : state) row.run({in, out, &kv, attrs, pool});
  const double calls = 1e-9 * static_cast<double>(state.iterations());
  const double pairs = static_cast<double>(n * context - n * (n - 1) / 2);
  const auto rate = benchmark::Counter::kIsRate;
  state.counters["GFLOP/s"] = benchmark::Counter(4.0 * kD * kHq * pairs * calls, rate);
  state.counters["GB/s"] =
      benchmark::Counter(static_cast<double>(context * kHk * kD * 4) * calls, rate);
}

// Ops that only move rows: threads, rows; f32 rows of 2048. GB/s counts what is read and written.
void Rows(benchmark::State& state, const char* op, int operands, const Attrs& attrs) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  const int64_t n = state.range(1), h = 2048;
  const Tensor a = MakeTensor(DType::kF32, {n, h});
  const Tensor b = MakeTensor(DType::kF32, {n, h});
  const Tensor w = MakeTensor(DType::kF32, {h});
  const bool norm = std::string_view(op) == "rms_norm";
  const Tensor y = MakeTensor(DType::kF32, {n, h});
  std::vector<TensorView> in = {a.view};
  if (operands == 2) in.push_back(norm ? w.view : b.view);
  const std::vector<DType> types(operands, DType::kF32);
  const KernelRow& row = Row(op, {types, {types.data(), 1}}, attrs);
  const std::array out = {y.view};
  for (auto _ : state) row.run({in, out, nullptr, attrs, pool});
  const int64_t tensors = operands == 2 && !norm ? 3 : 2;
  state.counters["GB/s"] =
      benchmark::Counter(1e-9 * static_cast<double>(tensors * n * h * 4 * state.iterations()),
                         benchmark::Counter::kIsRate);
}

void RowShapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"threads", "n"})->UseRealTime();
  for (const int64_t threads : {1, 2}) {
    for (const int64_t n : {1, 64, 512}) bench->Args({threads, n});
  }
}

BENCHMARK_CAPTURE(Rows, add, "add", 2, {})->Apply(RowShapes);
BENCHMARK_CAPTURE(Rows, silu, "silu", 1, {})->Apply(RowShapes);
BENCHMARK_CAPTURE(Rows, gelu_tanh, "gelu_tanh", 1, {})->Apply(RowShapes);
BENCHMARK_CAPTURE(Rows, gelu, "gelu", 1, {})->Apply(RowShapes);
BENCHMARK_CAPTURE(Rows, rms_norm, "rms_norm", 2, {{"eps", 1e-5}, {"style", std::string("llama")}})
    ->Apply(RowShapes);
BENCHMARK(Attention)
    ->ArgsProduct({{1, 2}, {1, 512}, {512, 4096}})
    ->ArgNames({"threads", "n", "context"})
    ->UseRealTime()
    ->Name("attention");
BENCHMARK(Roof_Fma)->Arg(1)->Arg(2)->UseRealTime()->Name("roof/fma");
BENCHMARK(Roof_Read)->Arg(1)->Arg(2)->UseRealTime()->Name("roof/read");
BENCHMARK(Linear)
    ->Apply(LinearShapes)
    ->ArgNames({"threads", "n", "k", "m", "w"})
    ->UseRealTime()
    ->Name("linear");

}  // namespace
}  // namespace rw::bench
#endif  // HWY_ONCE
