#include <algorithm>
#include <bit>
#include <cmath>

#include "gpu_cases.h"
#include "kernels/kernel.h"
#include "kernels/sampling.h"
#include "native/testing.h"

namespace rw::bench {
namespace {

const Attrs& NormAttrs() {
  static const Attrs attrs{{"eps", 1e-5}, {"style", std::string("llama")}};
  return attrs;
}

// Who does it: one kernel, a kernel for each op, or generated code.
enum class By : uint8_t { kFused, kUnfused, kNative };
struct Way {
  By by;
  std::string_view name;
};
constexpr Way kWays[] = {{By::kFused, "fused"}, {By::kUnfused, "unfused"}, {By::kNative, "native"}};

Work MakeRmsNorm(Arena& arena, int64_t n, int64_t h, By by) {
  const TensorView x = arena.Random(kType, {n, h}), w = arena.Random(kType, {h});
  const TensorView y = arena.Random(kType, {n, h});
  if (by != By::kNative) return Bind("rms_norm", {x, w}, {y}, NormAttrs());
  return BindProgram(native::testing::RmsNorm({kType, kType, 1, h, "llama"}), {x, w}, {y});
}

Work MakeAddRmsNorm(Arena& arena, int64_t n, int64_t h, By by) {
  const TensorView a = arena.Random(kType, {n, h}), b = arena.Random(kType, {n, h});
  const TensorView w = arena.Random(kType, {h}), y = arena.Random(kType, {n, h});
  if (by == By::kNative) {
    return BindProgram(native::testing::AddRmsNorm({kType, kType, 1, h, "llama"}), {a, b, w},
                       {a, y});
  }
  if (by == By::kFused) return Bind("add_rms_norm", {a, b, w}, {a, y}, NormAttrs());
  return Chain({Bind("add", {a, b}, {a}), Bind("rms_norm", {a, w}, {y}, NormAttrs())});
}

Work MakeSiluMul(Arena& arena, int64_t n, int64_t h, By by) {
  const TensorView gate = arena.Random(kType, {n, h}), up = arena.Random(kType, {n, h});
  const TensorView y = arena.Random(kType, {n, h});
  if (by == By::kNative) {
    return BindProgram(native::testing::Activation(kType, h, native::Code::kSilu, true), {gate, up},
                       {y});
  }
  if (by == By::kFused) return Bind("silu_mul", {gate, up}, {y});
  return Chain({Bind("silu", {gate}, {y}), Bind("mul", {y, up}, {y})});
}

// Each row draws elsewhere.
Work MakeSample(Arena& arena, DType dtype, int64_t n, int64_t v, SampleRule rule) {
  const TensorView x = arena.Random(dtype, {n, v});
  std::vector<float> how(n * kHowWidth);
  std::vector<int32_t> bits(how.size()), pick(n * kPickWidth);
  for (int64_t r = 0; r < n; ++r) {
    rule.draw = static_cast<uint32_t>(r + 1) * 2654435761u;
    WriteRule(rule, &how[r * kHowWidth], &pick[r * kPickWidth]);
  }
  std::ranges::transform(how, bits.begin(), [](float x) { return std::bit_cast<int32_t>(x); });
  TensorView rules = arena.Ints(bits, {n, kHowWidth});
  rules.dtype = DType::kF32;
  const TensorView picks = arena.Ints(pick, {n, kPickWidth});
  const TensorView y = arena.Ints(std::vector<int32_t>(n), {n});
  return Bind("sample", {x, rules, picks}, {y});
}

struct Product {
  std::string_view name;
  int64_t k;
  std::vector<int64_t> m;  // rows of the weights that share x
  int64_t most_rows;
};
// Of models in the shape of Llama 8B and 1B. Logits are of the last row of a sequence only.
const std::vector<Product>& Products() {
  constexpr int64_t kAny = 1 << 20, kSequences = 128, kVocabulary = 128256;
  static const std::vector<Product> products = {
      {"8b qkv", 4096, {4096, 1024, 1024}, kAny},
      {"8b o", 4096, {4096}, kAny},
      {"8b gate,up", 4096, {14336, 14336}, kAny},
      {"8b down", 14336, {4096}, kAny},
      {"8b head", 4096, {kVocabulary}, kSequences},
      {"1b qkv", 2048, {2048, 512, 512}, kAny},
      {"1b o", 2048, {2048}, kAny},
      {"1b gate,up", 2048, {8192, 8192}, kAny},
      {"1b down", 8192, {2048}, kAny},
      {"1b head", 2048, {kVocabulary}, kSequences},
  };
  return products;
}

Work MakeLinear(Arena& arena, int64_t n, const Product& product, std::string_view provider) {
  std::vector<TensorView> in = {arena.Random(kType, {n, product.k})}, out;
  for (const int64_t m : product.m) {
    in.push_back(arena.Random(kType, {m, product.k}));
    out.push_back(arena.Random(kType, {n, m}));
  }
  const size_t count = out.size();
  const std::string op = count == 1 ? "linear" : fmt::format("linear{}", count);
  return Bind(op, std::move(in), std::move(out), {}, {}, provider);
}

// `sequences` with `queries` new tokens each, the last of their `context` cached ones, whose pages
// lie anywhere in the pool.
Work MakeAttention(Arena& arena, const Heads& heads, int64_t sequences, int64_t queries,
                   int64_t context) {
  const auto [hq, hk, d] = heads;
  const int64_t pages = context / kPageSize, pool = sequences * pages;
  const int64_t page = hk * kPageSize * d;
  const TensorView q = arena.Random(kType, {sequences * queries, hq, d});
  const TensorView y = arena.Random(kType, {sequences * queries, hq, d});
  std::vector<int32_t> starts;
  for (int64_t s = 0; s <= sequences; ++s) starts.push_back(static_cast<int32_t>(s * queries));
  const TensorView qstart = arena.Ints(starts, {sequences + 1});
  const std::vector<int32_t> lengths(sequences, static_cast<int32_t>(context));
  const TensorView len = arena.Ints(lengths, {sequences});
  const TensorView table = arena.Ints(arena.Permutation(pool, pool), {sequences, pages});
  const TensorView keys = arena.Random(kType, {pool, page});
  const TensorView values = arena.Random(kType, {pool, page});
  const KvLayerView kv{keys.data, values.data, kType, pool, hk, d, page, kPageSize * d, d};
  const double scale = 1 / std::sqrt(static_cast<double>(d));
  const Attrs attrs{{"scale", scale}, {"softcap", 0.0}, {"window", int64_t{0}}};
  return Bind("attention", {q, qstart, len, table}, {y}, attrs, kv);
}

Case AttentionCase(std::string_view kind, const Heads& heads, int64_t sequences, int64_t queries,
                   int64_t context) {
  const auto [hq, hk, d] = heads;
  Case c{.group = "attention", .n = sequences, .variant = "gpu"};
  c.shape = fmt::format("{} {}/{}x{} {}", kind, hq, hk, d, context);
  c.bytes = kSize * sequences * (2 * context * hk * d + 2 * queries * hq * d);
  // Query i of a sequence sees all positions but those of the queries after it.
  const int64_t seen = queries * context - queries * (queries - 1) / 2;
  c.flops = 4 * sequences * hq * d * seen;
  c.reads = queries == 1;
  c.bounds = {queries, context};
  c.make = [=](Arena& arena) { return MakeAttention(arena, heads, sequences, queries, context); };
  return c;
}

}  // namespace

std::vector<int64_t> TokenCounts(bool quick) {
  if (quick) return {1, 16, 256, 4096};
  std::vector<int64_t> counts;
  for (int64_t n = 1; n <= 16384; n *= 2) counts.push_back(n);
  return counts;
}

Work Bind(std::string_view op, std::vector<TensorView> in, std::vector<TensorView> out,
          const Attrs& attrs, std::optional<KvLayerView> kv, std::string_view provider) {
  std::vector<DType> in_types, out_types;
  for (const TensorView& x : in) in_types.push_back(x.dtype);
  for (const TensorView& x : out) out_types.push_back(x.dtype);
  const KernelTypes types{in_types, out_types, kv ? kv->dtype : DType::kF32};
  const KernelRow* row = FindKernel(op, Device::kCuda, types, attrs, {&provider, 1});
  if (row == nullptr) return {};
  return [=](const gpu::Queue& queue) {
    static ThreadPool pool(1);
    row->run({in, out, kv ? &*kv : nullptr, attrs, pool, &queue});
  };
}

Work BindProgram(const native::Program& program, std::vector<TensorView> in,
                 std::vector<TensorView> out, std::optional<KvLayerView> kv) {
  const auto kept = std::make_shared<native::Program>(program);
  const native::Program* one = kept.get();
  if (const Status built = GeneratedCode().Build({&one, 1}); !built) {
    fmt::print(stderr, "{}\n", built.error().message);
    return {};
  }
  return [=](const gpu::Queue& queue) {
    static ThreadPool pool(1);
    static const Attrs none;
    NativeRow(Device::kCuda, {})
        ->run({in, out, kv ? &*kv : nullptr, none, pool, &queue, kept.get()});
  };
}

Work Chain(std::vector<Work> works) {
  if (!std::ranges::all_of(works, [](const Work& work) { return static_cast<bool>(work); })) {
    return {};
  }
  return [works = std::move(works)](const gpu::Queue& queue) {
    for (const Work& work : works) work(queue);
  };
}

void AddRowCases(bool quick, Cases& cases) {
  for (const int64_t h : {4096, 8192}) {
    for (const int64_t n : TokenCounts(quick)) {
      for (const By by : {By::kFused, By::kNative}) {
        Case c{"rms_norm", fmt::format("h={}", h), n, by == By::kNative ? "native" : "gpu"};
        c.bytes = kSize * (2 * n * h + h);
        c.make = [=](Arena& arena) { return MakeRmsNorm(arena, n, h, by); };
        cases.push_back(std::move(c));
      }
    }
  }
  for (const int64_t h : {2048, 4096, 8192}) {
    for (const int64_t n : TokenCounts(quick)) {
      for (const Way& way : kWays) {
        Case c{"add_rms_norm", fmt::format("h={}", h), n, std::string(way.name)};
        c.bytes = kSize * (4 * n * h + h);
        c.make = [=](Arena& arena) { return MakeAddRmsNorm(arena, n, h, way.by); };
        cases.push_back(std::move(c));
      }
    }
  }
  for (const int64_t h : {8192, 14336}) {
    for (const int64_t n : TokenCounts(quick)) {
      for (const Way& way : kWays) {
        Case c{"silu_mul", fmt::format("h={}", h), n, std::string(way.name)};
        c.bytes = kSize * 3 * n * h;
        c.make = [=](Arena& arena) { return MakeSiluMul(arena, n, h, way.by); };
        cases.push_back(std::move(c));
      }
    }
  }
  constexpr int64_t kVocabulary = 128256;
  struct Rule {
    std::string_view name;
    SampleRule rule;
  };
  // Logits are uniform in (-1, 1): at this temperature the last are e^-20 as likely as the first.
  constexpr float kTemperature = 0.1f;
  constexpr Rule kRules[] = {
      {"greedy", {}},
      {"temperature", {kTemperature}},
      {"top-k", {.temperature = kTemperature, .top_k = 50}},
      {"top-p", {.temperature = kTemperature, .top_p = 0.95f}},
      {"top-k, top-p", {.temperature = kTemperature, .top_p = 0.95f, .top_k = 50}},
  };
  for (const DType dtype : {kType, DType::kF32}) {
    for (const Rule& way : kRules) {
      for (const int64_t n : {1, 8, 64, 256}) {
        if (quick && n == 8) continue;
        Case c{"sample", fmt::format("v={} {} {}", kVocabulary, Name(dtype), way.name), n, "gpu"};
        c.bytes = n * (static_cast<int64_t>(SizeOf(dtype)) * kVocabulary + 24);
        c.reads = true;
        c.make = [=](Arena& arena) { return MakeSample(arena, dtype, n, kVocabulary, way.rule); };
        cases.push_back(std::move(c));
      }
    }
  }
}

void AddLinearCases(bool quick, Cases& cases) {
  std::vector<int64_t> rows = {1, 2, 4, 8, 16, 32, 64, 128, 512, 2048};
  if (quick) rows = {1, 8, 64, 512};
  for (const Product& product : Products()) {
    for (const int64_t n : rows) {
      if (n > product.most_rows) continue;
      for (const std::string_view provider : {"gpu", "cublaslt"}) {
        Case c{"linear", std::string(product.name), n, std::string(provider)};
        int64_t m = 0;
        for (const int64_t each : product.m) m += each;
        c.bytes = kSize * (m * product.k + n * product.k + n * m);
        c.flops = 2 * n * m * product.k;
        c.reads = true;
        c.make = [=, &product](Arena& arena) { return MakeLinear(arena, n, product, provider); };
        cases.push_back(std::move(c));
      }
    }
  }
}

void AddAttentionCases(bool quick, Cases& cases) {
  for (const int64_t context : {512, 4096, 16384}) {
    for (const int64_t sequences : {1, 8, 64}) {
      if (quick && sequences * context > 8 * 4096) continue;
      cases.push_back(AttentionCase("decode", {32, 8, 128}, sequences, 1, context));
    }
  }
  for (const int64_t d : {64, 96, 128, 256}) {
    for (const int64_t context : {512, 2048, 8192}) {
      if (quick && context > 2048) continue;
      cases.push_back(AttentionCase("prefill", {32, 8, d}, 1, context, context));
    }
    cases.push_back(AttentionCase("prefill", {32, 8, d}, 4, 2048, 2048));
  }
}

}  // namespace rw::bench
