// Rope and the cache write: fused, kernel by kernel, and by a naive fused kernel.
#include <algorithm>
#include <bit>
#include <span>

#include "gpu_cases.h"
#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/types.cuh"
#include "kernels/scalar_math.h"
#include "native/testing.h"

namespace rw::bench {
namespace {

constexpr int64_t kPositions = 16384;  // rows of the table of angles
constexpr int64_t kLeastSlots = 1024;  // of the pool

constexpr Heads kShapes[] = {{32, 8, 128}, {32, 8, 64}, {32, 8, 96},
                             {8, 1, 128},  {8, 4, 256}, {32, 32, 128}};

// One step's operands: q, k and v are columns of one buffer as a merged product leaves them, the
// tokens stand at random positions and go to random slots of a pool with more.
struct Step {
  TensorView qkv, q, k, v, qw, kw, pos, cs, slot;
  KvLayerView kv;
};

TensorView Columns(const TensorView& qkv, int64_t head, int64_t heads, int64_t d) {
  TensorView view = qkv;
  view.data += head * d * kSize;
  view.dims[1] = heads;
  return view;
}

// f32[heads] that bring numbers in (-1, 1) to the range of f8e4m3.
const float* Scales(Arena& arena, int64_t heads) {
  const std::vector<int32_t> scales(heads, std::bit_cast<int32_t>(0x1p-8f));
  return reinterpret_cast<const float*>(arena.Ints(scales, {heads}).data);
}

Step MakeStep(Arena& arena, const Heads& heads, int64_t n, DType cache) {
  const auto [hq, hk, d] = heads;
  Step step;
  step.qkv = arena.Random(kType, {n, hq + 2 * hk, d});
  step.q = Columns(step.qkv, 0, hq, d);
  step.k = Columns(step.qkv, hq, hk, d);
  step.v = Columns(step.qkv, hq + hk, hk, d);
  step.qw = arena.Random(kType, {d});
  step.kw = arena.Random(kType, {d});
  step.cs = arena.Angles(kPositions, d);
  step.pos = arena.Ints(arena.Permutation(n, kPositions), {n});
  const int64_t pages = gpu::CeilDiv(std::max(2 * n, kLeastSlots), kPageSize);
  step.slot = arena.Ints(arena.Permutation(n, pages * kPageSize), {n});
  const int64_t page = hk * kPageSize * d;
  const TensorView keys = arena.Random(cache, {pages, page});
  const TensorView values = arena.Random(cache, {pages, page});
  step.kv = {keys.data, values.data, cache, pages, hk, d, page, kPageSize * d, d};
  if (cache == DType::kF8E4M3) {
    step.kv.k_scale = Scales(arena, hk);
    step.kv.v_scale = Scales(arena, hk);
  }
  return step;
}

// q read and written, k and v read and stored, the angles of each token, pos and slot.
int64_t StepBytes(const Heads& heads, int64_t n, DType cache) {
  const auto [hq, hk, d] = heads;
  const auto stored = static_cast<int64_t>(SizeOf(cache));
  return n * d * (2 * hq * kSize + 2 * hk * kSize + 2 * hk * stored + 4) + 8 * n;
}

constexpr int kNaiveThreads = 512;

struct NaiveParams {
  BF16* qkv;
  const int32_t *pos, *slot;
  const float* cs;
  BF16 *keys, *values;
  int hq, hk, d;
  int64_t page_stride, head_stride, token_stride;
};

// What one writes first: a block for each token, whose threads take the pairs of q and k in turn
// and then the elements of v, one at a time.
__global__ void __launch_bounds__(kNaiveThreads) NaiveRopeKvWrite(NaiveParams p) {
  gpu::WaitForPrevious();
  const int half = p.d / 2;
  BF16* row = p.qkv + int64_t{blockIdx.x} * (p.hq + 2 * p.hk) * p.d;
  const float* cs = p.cs + int64_t{p.pos[blockIdx.x]} * p.d;
  const int64_t slot = p.slot[blockIdx.x];
  const int64_t to = slot / kPageSize * p.page_stride + slot % kPageSize * p.token_stride;
  for (int i = static_cast<int>(threadIdx.x); i < (p.hq + p.hk) * half; i += kNaiveThreads) {
    const int head = i / half, j = i % half;
    BF16* from = row + head * p.d;
    const Pair turned =
        Rotate({gpu::Widen(from[j]), gpu::Widen(from[j + half])}, cs[j], cs[j + half]);
    BF16* out = head < p.hq ? from : p.keys + to + (head - p.hq) * p.head_stride;
    if (head >= p.hq && slot < 0) continue;
    out[j] = gpu::Narrow<BF16>(turned.x);
    out[j + half] = gpu::Narrow<BF16>(turned.y);
  }
  if (slot < 0) return;
  const BF16* v = row + (p.hq + p.hk) * p.d;
  for (int i = static_cast<int>(threadIdx.x); i < p.hk * p.d; i += kNaiveThreads) {
    p.values[to + i / p.d * p.head_stride + i % p.d] = v[i];
  }
}

template <class T>
T* As(std::byte* data) {
  return reinterpret_cast<T*>(data);
}

Work Naive(const Step& step) {
  const KvLayerView& kv = step.kv;
  const NaiveParams params{As<BF16>(step.qkv.data),
                           As<int32_t>(step.pos.data),
                           As<int32_t>(step.slot.data),
                           As<float>(step.cs.data),
                           As<BF16>(kv.k),
                           As<BF16>(kv.v),
                           static_cast<int>(step.q.dims[1]),
                           static_cast<int>(step.k.dims[1]),
                           static_cast<int>(kv.head_dim),
                           kv.page_stride,
                           kv.head_stride,
                           kv.token_stride};
  const auto blocks = static_cast<unsigned>(step.q.rows());
  return [=](const gpu::Queue& queue) {
    gpu::Launch(queue, NaiveRopeKvWrite, dim3(blocks), kNaiveThreads, 0, params);
  };
}

const Attrs& RopeAttrs() {
  static const Attrs attrs{
      {"eps", 1e-5}, {"style", std::string("llama")}, {"layout", std::string("half")}};
  return attrs;
}

Work Fused(const Step& s) {
  return Bind("rope_kv_write", {s.q, s.k, s.v, s.pos, s.cs, s.slot}, {s.q}, RopeAttrs(), s.kv);
}
Work Unfused(const Step& s) {
  return Chain({Bind("rope", {s.q, s.k, s.pos, s.cs}, {s.q, s.k}, RopeAttrs()),
                Bind("kv_write", {s.k, s.v, s.slot}, {}, {}, s.kv)});
}
Work NormFused(const Step& s) {
  return Bind("qk_norm_rope_kv_write", {s.q, s.k, s.v, s.qw, s.kw, s.pos, s.cs, s.slot}, {s.q},
              RopeAttrs(), s.kv);
}
Work NormUnfused(const Step& s) {
  return Chain({Bind("rms_norm", {s.q, s.qw}, {s.q}, RopeAttrs()),
                Bind("rms_norm", {s.k, s.kw}, {s.k}, RopeAttrs()), Unfused(s)});
}

Work Native(const Step& s) {
  const native::testing::RopeCase c{.dtype = kType,
                                    .hq = s.q.dims[1],
                                    .hk = s.k.dims[1],
                                    .d = s.kv.head_dim,
                                    .turned = s.kv.head_dim,
                                    .layout = "half",
                                    .writes = true,
                                    .cache = s.kv.dtype};
  return BindProgram(native::testing::Rope(c), {s.q, s.k, s.v, s.pos, s.cs, s.slot}, {s.q}, s.kv);
}
Work NormNative(const Step& s) {
  const native::testing::RopeCase c{.dtype = kType,
                                    .hq = s.q.dims[1],
                                    .hk = s.k.dims[1],
                                    .d = s.kv.head_dim,
                                    .turned = s.kv.head_dim,
                                    .layout = "half",
                                    .style = "llama",
                                    .q_weight = kType,
                                    .k_weight = kType,
                                    .writes = true,
                                    .cache = s.kv.dtype};
  return BindProgram(native::testing::Rope(c), {s.q, s.k, s.v, s.qw, s.kw, s.pos, s.cs, s.slot},
                     {s.q}, s.kv);
}

struct Variant {
  std::string_view name;
  Work (*work)(const Step& step);
  bool early = true;
};
constexpr Variant kFusions[] = {{"fused", Fused},
                                {"native", Native},
                                {"unfused", Unfused},
                                {"naive", Naive, false},
                                {"naive early", Naive}};
constexpr Variant kNormFusions[] = {
    {"fused", NormFused}, {"native", NormNative}, {"unfused", NormUnfused}};

void AddShape(bool quick, std::string_view group, const Heads& heads, DType cache,
              std::span<const Variant> variants, Cases& cases) {
  std::string shape = fmt::format("{}/{}x{}", heads.hq, heads.hk, heads.d);
  if (cache != kType) shape += fmt::format(" {}", Name(cache));
  for (const int64_t n : TokenCounts(quick)) {
    for (const Variant& variant : variants) {
      Case c{std::string(group), shape, n, std::string(variant.name)};
      c.bytes = StepBytes(heads, n, cache);
      if (variants.data() == kNormFusions) c.bytes += 2 * heads.d * kSize;
      c.early = variant.early;
      c.make = [=](Arena& arena) { return variant.work(MakeStep(arena, heads, n, cache)); };
      cases.push_back(std::move(c));
    }
  }
}

}  // namespace

void AddRopeCases(bool quick, Cases& cases) {
  const std::span<const Variant> fusions = kFusions;
  for (const Heads& heads : kShapes) {
    AddShape(quick, "rope_kv_write", heads, kType, fusions, cases);
  }
  // The naive kernel knows no f8e4m3.
  AddShape(quick, "rope_kv_write", kShapes[0], DType::kF8E4M3, fusions.first(3), cases);
  AddShape(quick, "qk_norm_rope_kv_write", kShapes[0], kType, kNormFusions, cases);
}

std::optional<bool> NaiveRopeAgrees(const Gpu& gpu, Arena& arena) {
  constexpr int64_t kTokens = 33;
  bool agrees = true;
  for (const Heads& heads : kShapes) {
    // The same numbers at the same places twice: all that the step may have changed is compared.
    std::vector<std::byte> after[2];
    for (const int naive : {0, 1}) {
      arena.Reset();
      arena.SetSeed(1);
      const Step step = MakeStep(arena, heads, kTokens, kType);
      const Work work = naive != 0 ? Naive(step) : Fused(step);
      if (!work) return std::nullopt;
      work(gpu.queue);
      CheckCuda(cudaGetLastError());
      after[naive].resize(arena.used());
      CheckCuda(cudaMemcpyAsync(after[naive].data(), arena.begin(), after[naive].size(),
                                cudaMemcpyDeviceToHost, gpu.queue.stream));
      CheckCuda(cudaStreamSynchronize(gpu.queue.stream));
    }
    agrees = agrees && after[0] == after[1];
  }
  return agrees;
}

}  // namespace rw::bench
