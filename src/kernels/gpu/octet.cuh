// Eight elements of a row: what one thread takes at once where rows allow it. In the 16-bit types
// that is one access of 16 bytes.
#pragma once

#include <algorithm>
#include <bit>
#include <type_traits>

#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/types.cuh"

namespace rw::gpu {

inline constexpr int kOctet = 8;
template <class T>
using Octet = Pack<T, kOctet>;

// Elements that one access of at most 16 bytes moves of a run of kCount.
template <class T, int kCount>
inline constexpr int kAccess = kCount < kPack<T> ? kCount : kPack<T>;

template <class T, int kCount>
__device__ __forceinline__ Pack<T, kCount> LoadRun(const T* from) {
  constexpr int kStep = kAccess<T, kCount>;
  Pack<T, kCount> x;
#pragma unroll
  for (int i = 0; i < kCount; i += kStep) {
    const auto part = LoadPack<T, kStep>(from + i);
#pragma unroll
    for (int j = 0; j < kStep; ++j) x.at[i + j] = part.at[j];
  }
  return x;
}
template <class T, int kCount>
__device__ __forceinline__ void StoreRun(T* to, const Pack<T, kCount>& x) {
  constexpr int kStep = kAccess<T, kCount>;
#pragma unroll
  for (int i = 0; i < kCount; i += kStep) {
    Pack<T, kStep> part;
#pragma unroll
    for (int j = 0; j < kStep; ++j) part.at[j] = x.at[i + j];
    StorePack(to + i, part);
  }
}

// An octet as it lies in memory: fewer registers than its elements take while it waits for others.
template <class T>
struct PackedOctet {
  uint32_t words[kOctet * sizeof(T) / sizeof(uint32_t)];
};
template <class T>
__device__ __forceinline__ PackedOctet<T> LoadPacked(const T* from) {
  constexpr int kWords = kOctet * sizeof(T) / sizeof(uint32_t);
  PackedOctet<T> x;
  const auto words = LoadRun<uint32_t, kWords>(reinterpret_cast<const uint32_t*>(from));
#pragma unroll
  for (int i = 0; i < kWords; ++i) x.words[i] = words.at[i];
  return x;
}
template <class T>
__device__ __forceinline__ Octet<T> Unpack(const PackedOctet<T>& x) {
  return std::bit_cast<Octet<T>>(x);
}
template <class T>
__device__ __forceinline__ PackedOctet<T> Repack(const Octet<T>& x) {
  return std::bit_cast<PackedOctet<T>>(x);
}
template <class T>
__device__ __forceinline__ void WidenAll(const PackedOctet<T>& x, float (&to)[kOctet]) {
  if constexpr (std::is_same_v<T, BF16>) {
    // One instruction for each: the compiler takes two where it sees the halves of a word.
#pragma unroll
    for (int j = 0; j < kOctet; j += 2) {
      to[j] = __uint_as_float(x.words[j / 2] << 16);
      to[j + 1] = __uint_as_float(x.words[j / 2] & 0xffff0000u);
    }
  } else {
    const Octet<T> y = Unpack(x);
#pragma unroll
    for (int j = 0; j < kOctet; ++j) to[j] = Widen(y.at[j]);
  }
}
template <class T>
__device__ __forceinline__ PackedOctet<T> NarrowPacked(const float (&x)[kOctet]) {
  Octet<T> y;
#pragma unroll
  for (int j = 0; j < kOctet; ++j) y.at[j] = Narrow<T>(x[j]);
  return std::bit_cast<PackedOctet<T>>(y);
}

// The compiler takes the octets for new ones: it widens them again rather than keep all numbers in
// registers.
template <class T, int kCount>
__device__ __forceinline__ void Forget(PackedOctet<T> (&x)[kCount]) {
#pragma unroll
  for (PackedOctet<T>& octet : x) {
#pragma unroll
    for (uint32_t& word : octet.words) Opaque(word);
  }
}

// The octet at element `at` of a row of h, whole (kCount 8) or element by element (kCount 1), which
// needs no alignment and may end past the row: zeros follow there, and are not stored.
template <int kCount, class T>
__device__ __forceinline__ Octet<T> LoadOctet(const T* row, int64_t at, int64_t h) {
  if constexpr (kCount == kOctet) {
    return LoadRun<T, kOctet>(row + at);
  } else {
    Octet<T> x{};
#pragma unroll
    for (int j = 0; j < kOctet; ++j) {
      if (at + j < h) x.at[j] = row[at + j];
    }
    return x;
  }
}
template <int kCount, class T>
__device__ __forceinline__ void StoreOctet(T* row, int64_t at, int64_t h, const Octet<T>& x) {
  if constexpr (kCount == kOctet) {
    StoreRun(row + at, x);
  } else {
#pragma unroll
    for (int j = 0; j < kOctet; ++j) {
      if (at + j < h) row[at + j] = x.at[j];
    }
  }
}

// Elements `at`, at + 1, ... of a vector whose type is known when the kernel runs: weights.
template <class W, int kCount>
__device__ __forceinline__ void LoadNumbersAs(const void* from, int64_t at, float (&to)[kCount]) {
  const auto x = LoadRun<W, kCount>(static_cast<const W*>(from) + at);
#pragma unroll
  for (int j = 0; j < kCount; ++j) to[j] = Widen(x.at[j]);
}
template <int kCount>
__device__ __forceinline__ void LoadNumbers(const void* from, DType dtype, int64_t at,
                                            float (&to)[kCount]) {
  if (dtype == DType::kBF16) return LoadNumbersAs<BF16>(from, at, to);
  if (dtype == DType::kF16) return LoadNumbersAs<F16>(from, at, to);
  LoadNumbersAs<float>(from, at, to);
}

// Whether accesses of 16 bytes can begin at the address.
inline bool StartsPack(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }
// Whether LoadRun and StoreRun can move octets of the tensor's rows.
template <class T>
bool HasOctets(const TensorView& x) {
  return x.width() % kOctet == 0 && Packs<T, kAccess<T, kOctet>>(x);
}

}  // namespace rw::gpu
