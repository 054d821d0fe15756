// Starting the kernel of linear_skinny.cuh with any output.
#pragma once

#include <algorithm>
#include <span>
#include <utility>

#include "kernels/args.h"
#include "kernels/gpu/linear_skinny.cuh"

#if !defined(__HIP_PLATFORM_AMD__)

namespace rw::gpu::skinny {

// The most that a block may ask for on this device.
inline int64_t SharedLimit() {
  static const int64_t limit = [] {
    int device = 0, bytes = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    return bytes - static_cast<int64_t>(sizeof(NormScratch));
  }();
  return limit;
}

// Shared memory of a block for x of `steps` steps and a norm's weights.
inline int64_t SharedBytes(int slots, int64_t n, int64_t steps, int64_t norm_bytes) {
  const int64_t x = n * (steps * kStepDepth + kXGap) * 2;
  const int64_t sums = SumFloats(static_cast<int>(n)) * int64_t{sizeof(float)};
  return RingBytes(slots) + x + sums + norm_bytes;
}

// Slots of the rings of a block: as many as leave room for x and a norm's weights, if any do.
inline int SlotsFor(int64_t n, int64_t steps, int64_t norm_bytes) {
  for (const int slots : kSlotChoices) {
    if (SharedBytes(slots, n, steps, norm_bytes) <= SharedLimit()) return slots;
  }
  return 0;
}

// Whether products of these types are computed here: a question of types only, for a token must not
// see by whom it is computed.
inline bool Fits(const LinearArgs& args) {
  return args.x.dtype == args.w.dtype && SizeOf(args.w.dtype) == 2;
}

inline Params ParamsOf(std::span<const LinearArgs> products, const NormArgs* norm) {
  const LinearArgs& any = products.front();
  Params p{.x = any.x.data,
           .x_stride = any.x.row_stride,
           .packs = Packs<BF16, kPack<BF16>>(norm != nullptr ? norm->x : any.x),
           .n = static_cast<int>(any.n),
           .k = static_cast<int>(any.k)};
  for (size_t i = 0; i < products.size(); ++i) {
    const LinearArgs& args = products[i];
    p.weights[i] = {.w = args.w.data,
                    .stride = args.w.row_stride,
                    .bias = args.bias != nullptr ? args.bias->data : nullptr,
                    .bias_type = args.bias != nullptr ? args.bias->dtype : DType::kF32};
    p.packs = p.packs && Packs<BF16, kPack<BF16>>(args.w);
  }
  if (norm != nullptr) {
    p.x = norm->x.data;
    p.x_stride = norm->x.row_stride;
    p.norm = {norm->w.data, norm->w.dtype, norm->style, norm->eps,
              static_cast<int>(norm->h * static_cast<int64_t>(SizeOf(norm->w.dtype)))};
    p.packs = p.packs && norm->h % kOctet == 0 && StartsPack(norm->w.data);
  }
  p.steps = static_cast<int>(CeilDiv(any.k, kStepDepth));
  p.packs = p.packs && SlotsFor(any.n, 1, p.norm.bytes) > 0;
  if (!p.packs) p.norm.bytes = 0;  // read where they lie
  // As few chunks of k as shared memory allows, of nearly equal length. If x does not fit in one,
  // weights get the most room.
  p.chunk_steps = p.steps;
  p.slots = p.packs ? SlotsFor(any.n, p.steps, p.norm.bytes) : kSlotChoices.back();
  if (p.slots == 0) p.slots = SlotsFor(any.n, 1, p.norm.bytes);
  RW_CHECK(p.slots > 0, "{} bytes of shared memory are too little for {} tokens", SharedLimit(),
           any.n);
  for (int chunks = 2; SharedBytes(p.slots, any.n, p.chunk_steps, p.norm.bytes) > SharedLimit();
       ++chunks) {
    p.chunk_steps = static_cast<int>(CeilDiv(p.steps, chunks));
  }
  p.x_pitch = p.chunk_steps * kStepDepth + kXGap;
  return p;
}

template <class T, bool kPacks, bool kNorms, int kCount, int kSlots, class Output>
void StartWith(const Queue& queue, const Params& p, const Output& out) {
  constexpr auto kKernel = Kernel<T, kPacks, kNorms, kCount, kSlots, Output>;
  static const cudaError_t allowed = cudaFuncSetAttribute(
      kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(SharedLimit()));
  RW_CHECK(allowed == cudaSuccess, "{} bytes of shared memory: {}", SharedLimit(),
           cudaGetErrorString(allowed));
  const auto grid = static_cast<unsigned>(std::min(p.tiles, queue.multiprocessors));
  const auto shared = static_cast<size_t>(SharedBytes(kSlots, p.n, p.chunk_steps, p.norm.bytes));
  Launch(queue, kKernel, grid, kThreads, shared, p, out);
}

// Rows that cannot be read 16 bytes at a time, which no model of today has, get one slow kernel.
template <class T, bool kNorms, class Output>
void StartOf(const Queue& queue, const Params& p, const Output& out) {
  if (!p.packs) return StartWith<T, false, kNorms, 2, kSlotChoices.back()>(queue, p, out);
  const bool wide = p.n > 8;
  [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    const auto start = [&]<int kSlots>(std::integral_constant<int, kSlots>) {
      if (p.slots != kSlots) return;
      wide ? StartWith<T, true, kNorms, 2, kSlots>(queue, p, out)
           : StartWith<T, true, kNorms, 1, kSlots>(queue, p, out);
    };
    (start(std::integral_constant<int, kSlotChoices[kIndex]>()), ...);
  }
  (std::make_index_sequence<kSlotChoices.size()>());
}

// Products of one x for at most kMaxTokens tokens, which Fits() takes. Their results' places are
// the output's own. With kNorms, x is what `norm`, whose result goes nowhere else, makes of its
// operand.
template <bool kNorms, class Output>
void Start(const Queue& queue, std::span<const LinearArgs> products, const NormArgs* norm,
           const Output& out) {
  Params p = ParamsOf(products, norm);
  if (p.n == 0) return;
  p.tiles = out.Tiles();
  if (products.front().w.dtype == DType::kBF16) return StartOf<BF16, kNorms>(queue, p, out);
  StartOf<F16, kNorms>(queue, p, out);
}

}  // namespace rw::gpu::skinny

#endif
