#include "native/gpu_prelude.h"

namespace rw::native {

const std::string_view kGpuNames = R"text(
#if defined(__HIP_PLATFORM_AMD__)
#if !defined(__HIPCC_RTC__)
#include <hip/hip_runtime.h>
#endif
#define GRID_CONSTANT
#else
#define GRID_CONSTANT __grid_constant__
#endif
#define DEVICE __device__ __forceinline__
#define UNROLL _Pragma("unroll")
#define HEADS(count) UNROLL for (int k = 0; k < (count); ++k)
#define OCTETS(heads, reps) HEADS(heads) UNROLL for (int r = 0; r < (reps); ++r)
#define NUMBERS(heads, reps) OCTETS(heads, reps) UNROLL for (int j = 0; j < 8; ++j)
)text";

// Bit for bit the arithmetic of kernels/gpu: types.cuh, norm.cuh, kv.cuh and kernels/scalar_math.h.
const std::string_view kGpuPrelude = R"text(
struct BF16 { unsigned short bits; };
struct F16 { unsigned short bits; };
struct F8 { unsigned char bits; };

// Eight elements as they lie in memory.
template <class T>
struct Packed { unsigned word[2 * sizeof(T)]; };
template <int kCount>
struct alignas(4 * kCount) Words { unsigned at[kCount]; };

template <class T> struct RawOf { typedef unsigned Type; };
template <> struct RawOf<BF16> { typedef unsigned short Type; };
template <> struct RawOf<F16> { typedef unsigned short Type; };
template <> struct RawOf<F8> { typedef unsigned char Type; };

DEVICE float FromBits(unsigned bits) { return __uint_as_float(bits); }
DEVICE float WidenF16(unsigned bits) {
#if defined(__HIP_PLATFORM_AMD__)
  return (float)__builtin_bit_cast(_Float16, (unsigned short)bits);
#else
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"((unsigned short)bits));
  return x;
#endif
}
DEVICE float Wide(const Packed<float>& x, int j) { return FromBits(x.word[j]); }
DEVICE float Wide(const Packed<BF16>& x, int j) {
  return FromBits(j % 2 == 0 ? x.word[j / 2] << 16 : x.word[j / 2] & 0xffff0000u);
}
DEVICE float Wide(const Packed<F16>& x, int j) {
  return WidenF16(j % 2 == 0 ? x.word[j / 2] & 0xffffu : x.word[j / 2] >> 16);
}
DEVICE float Wide(const float (&x)[8], int j) { return x[j]; }

// Two numbers rounded to the nearest, ties to even, the first in the lower half of the word.
DEVICE unsigned PlainBF16(float x) {
  const unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
DEVICE unsigned NarrowTwo(BF16, float low, float high) {
#if defined(__HIP_PLATFORM_AMD__)
  return PlainBF16(low) | PlainBF16(high) << 16;
#else
  unsigned word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
#endif
}
DEVICE unsigned NarrowTwo(F16, float low, float high) {
#if defined(__HIP_PLATFORM_AMD__)
  const unsigned word = __builtin_bit_cast(unsigned short, (_Float16)low);
  return word | (unsigned)__builtin_bit_cast(unsigned short, (_Float16)high) << 16;
#else
  unsigned word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
#endif
}
// e4m3, which saturates at 448 and has no infinity.
DEVICE unsigned PlainF8(float x) {
  const unsigned bits = __float_as_uint(x) & 0x7fffffffu;
  const unsigned sign = __float_as_uint(x) >> 24 & 0x80u;
  if (bits > 0x7f800000u) return 0x7fu;
  if (bits >= 0x43e00000u) return sign | 0x7eu;
  // Below 2^-6 in units of 2^-9, to which a sum with 2^14 rounds.
  if (bits < 0x3c800000u) return sign | (__float_as_uint(FromBits(bits) + 16384.0f) - 0x46800000u);
  return sign | (bits + 0x7ffffu + (bits >> 20 & 1u) - (120u << 23)) >> 20;
}
DEVICE unsigned NarrowTwo(F8, float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  unsigned short word;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(word) : "f"(high), "f"(low));
  return word;
#else
  return PlainF8(low) | PlainF8(high) << 8;
#endif
}
template <class T> struct Narrower {
  template <class X>
  DEVICE static Packed<T> Of(const X& x) {
    Packed<T> y;
    UNROLL for (int j = 0; j < 8; j += 2) {
      const unsigned two = NarrowTwo(T(), Wide(x, j), Wide(x, j + 1));
      if (sizeof(T) == 2) {
        y.word[j / 2] = two;
      } else if (j % 4 == 0) {
        y.word[j / 4] = two;
      } else {
        y.word[j / 4] |= two << 16;
      }
    }
    return y;
  }
  DEVICE static Packed<T> Of(const Packed<T>& x) { return x; }
};
template <> struct Narrower<float> {
  template <class X>
  DEVICE static Packed<float> Of(const X& x) {
    Packed<float> y;
    UNROLL for (int j = 0; j < 8; ++j) y.word[j] = __float_as_uint(Wide(x, j));
    return y;
  }
};
// Numbers, or an octet of another type. An octet of the same type keeps its bits.
template <class T, class X>
DEVICE Packed<T> Narrow(const X& x) { return Narrower<T>::Of(x); }
template <class T>
DEVICE float Through(float x) {
  Packed<T> y;
  y.word[0] = NarrowTwo(T(), x, x);
  return Wide(y, 0);
}

// How many elements a thread holds of an octet of a segment.
template <bool kWhole>
DEVICE int Held(unsigned octet, unsigned length) {
  const int left = (int)length - (int)(8 * octet);
  return left <= 0 ? 0 : kWhole || left > 8 ? 8 : left;
}

// Octets of elements kStride apart: whole ones in accesses of up to 16 bytes, or element by element,
// which needs no alignment. What is not held is zero, and is not stored.
template <class T>
DEVICE Packed<T> LoadWords(const T* from) {
  constexpr int kWords = 2 * sizeof(T), kStep = kWords < 4 ? kWords : 4;
  Packed<T> x;
  UNROLL for (int i = 0; i < kWords; i += kStep) {
    const Words<kStep> part = *(const Words<kStep>*)((const unsigned*)from + i);
    UNROLL for (int j = 0; j < kStep; ++j) x.word[i + j] = part.at[j];
  }
  return x;
}
template <class T>
DEVICE void StoreWords(T* to, const Packed<T>& x) {
  constexpr int kWords = 2 * sizeof(T), kStep = kWords < 4 ? kWords : 4;
  UNROLL for (int i = 0; i < kWords; i += kStep) {
    Words<kStep> part;
    UNROLL for (int j = 0; j < kStep; ++j) part.at[j] = x.word[i + j];
    *(Words<kStep>*)((unsigned*)to + i) = part;
  }
}
template <bool kWhole, int kStride, class T>
DEVICE Packed<T> Load(const T* from, unsigned octet, int held) {
  Packed<T> x = {};
  from += 8 * kStride * octet;
  if (kWhole) {
    if (held > 0) x = LoadWords(from);
    return x;
  }
  constexpr int kBits = 8 * sizeof(T), kIn = 4 / sizeof(T);
  UNROLL for (int j = 0; j < 8; ++j) {
    if (j >= held) continue;
    const unsigned bits = ((const typename RawOf<T>::Type*)from)[j * kStride];
    x.word[j / kIn] |= bits << (j % kIn * kBits);
  }
  return x;
}
template <bool kWhole, int kStride, class T>
DEVICE void Store(T* to, unsigned octet, int held, const Packed<T>& x) {
  to += 8 * kStride * octet;
  if (kWhole) {
    if (held > 0) StoreWords(to, x);
    return;
  }
  constexpr int kBits = 8 * sizeof(T), kIn = 4 / sizeof(T);
  typedef typename RawOf<T>::Type Raw;
  UNROLL for (int j = 0; j < 8; ++j) {
    if (j < held) ((Raw*)to)[j * kStride] = (Raw)(x.word[j / kIn] >> (j % kIn * kBits));
  }
}
// Element i of both octets, as neighbours.
template <class T>
DEVICE unsigned Element(const Packed<T>& x, int i) {
  constexpr int kBits = 8 * sizeof(T), kIn = 4 / sizeof(T);
  const unsigned word = x.word[i / kIn] >> (i % kIn * kBits);
  return kBits == 32 ? word : word & ((1u << kBits % 32) - 1);
}
template <class T>
DEVICE void SetElement(Packed<T>& x, int i, unsigned bits) {
  constexpr int kBits = 8 * sizeof(T), kIn = 4 / sizeof(T);
  x.word[i / kIn] |= bits << (i % kIn * kBits);
}
template <bool kWhole, class T>
DEVICE void LoadPair(const T* from, unsigned octet, int held, Packed<T>& even, Packed<T>& odd) {
  if (!kWhole) {
    even = Load<false, 2>(from, octet, held);
    odd = Load<false, 2>(from + 1, octet, held);
    return;
  }
  const Packed<T> two[2] = {Load<true, 1>(from, 2 * octet, held),
                            Load<true, 1>(from, 2 * octet + 1, held)};
  even = odd = {};
  UNROLL for (int i = 0; i < 8; ++i) {
    SetElement(even, i, Element(two[i / 4], i % 4 * 2));
    SetElement(odd, i, Element(two[i / 4], i % 4 * 2 + 1));
  }
}
template <bool kWhole, class T>
DEVICE void StorePair(T* to, unsigned octet, int held, const Packed<T>& even,
                      const Packed<T>& odd) {
  if (!kWhole) {
    Store<false, 2>(to, octet, held, even);
    Store<false, 2>(to + 1, octet, held, odd);
    return;
  }
  Packed<T> two[2] = {};
  UNROLL for (int i = 0; i < 8; ++i) {
    SetElement(two[i / 4], i % 4 * 2, Element(even, i));
    SetElement(two[i / 4], i % 4 * 2 + 1, Element(odd, i));
  }
  Store<true, 1>(to, 2 * octet, held, two[0]);
  Store<true, 1>(to, 2 * octet + 1, held, two[1]);
}

template <class T>
DEVICE T* Row(const GpuPort& port, unsigned row) { return (T*)port.data + row * port.stride; }
template <class T>
DEVICE const T* Weights(const GpuPort& port) { return (const T*)port.data; }
DEVICE int Index(const GpuPort& port, unsigned row) { return ((const int*)port.data)[row]; }
// As it is in memory now, also if it was read before.
DEVICE int Peek(const GpuPort& port, unsigned row) {
  return ((const volatile int*)port.data)[row];
}
// From element `at` of a row of a table. A row that is not there is NaN, which shows.
template <bool kWhole, class T>
DEVICE Packed<T> LoadPicked(const GpuPort& table, int row, unsigned at, unsigned octet, int held) {
  if ((unsigned)row >= (unsigned)table.rows) {
    float nan[8];
    UNROLL for (int j = 0; j < 8; ++j) nan[j] = FromBits(0x7fc00000u);
    return Narrow<T>(nan);
  }
  return Load<kWhole, 1>(Row<T>(table, row) + at, octet, held);
}

// The rows of a thread: octet t, t + kGroup, ... of heads column, column + columns, ... of a row.
// Threads past the end do as the last row and head, but store nothing.
template <int kHeadCount, int kHeads, unsigned kGroup>
struct Unit {
  unsigned row, t, head[kHeads];
  bool live[kHeads];
  DEVICE Unit(unsigned thread, unsigned rows) {
    constexpr unsigned kColumns = (kHeadCount + kHeads - 1) / kHeads;
    const unsigned unit = thread / kGroup;
    t = thread - unit * kGroup;
    row = unit / kColumns;
    const unsigned column = unit - row * kColumns;
    const bool has = row < rows;
    if (!has) row = rows - 1;
    HEADS(kHeads) {
      head[k] = column + k * kColumns;
      live[k] = has && head[k] < kHeadCount;
      if (head[k] >= kHeadCount) head[k] = kHeadCount - 1;
    }
  }
};

// All earlier kernels of the queue have ended; the next may be launched (kernels/gpu/launch.cuh).
DEVICE void WaitForPrevious() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}
// The same, but the next is let start at once.
DEVICE void LetNextStartAndWait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// The sum of squares of a row in the order of kernels/gpu/norm.cuh.
template <class X>
DEVICE float Squares(const X& x, int held) {
  float sums[2];
  UNROLL for (int half = 0; half < 2; ++half) {
    UNROLL for (int j = 0; j < 4; ++j) {
      const float y = 4 * half + j < held ? Wide(x, 4 * half + j) : 0.0f;
      sums[half] = j == 0 ? y * y : fmaf(y, y, sums[half]);
    }
  }
  return sums[0] + sums[1];
}
DEVICE float ShuffleXor(float x, int mask) {
#if defined(__HIP_PLATFORM_AMD__)
  return __shfl_xor(x, mask, 32);
#else
  return __shfl_xor_sync(0xffffffffu, x, mask, 32);
#endif
}
// Folds the lanes t, t + kGroup, ... of each of a row's kGroup threads. `shared` takes a number of
// each 32 threads of the block.
template <int kGroup, int kSlots>
DEVICE float Fold(float (&lane)[kSlots], float* shared) {
  UNROLL for (int width = kSlots / 2; width > 0; width /= 2) {
    UNROLL for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  float sum = lane[0];
  UNROLL for (int mask = 16; mask > 0; mask /= 2) {
    if (mask < kGroup) sum += ShuffleXor(sum, mask);
  }
  constexpr int kFolds = (kGroup + 31) / 32;
  if (kFolds == 1) return sum;
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = sum;
  __syncthreads();
  float fold[kFolds];
  UNROLL for (int i = 0; i < kFolds; ++i) fold[i] = shared[threadIdx.x / kGroup * kFolds + i];
  UNROLL for (int width = kFolds / 2; width > 0; width /= 2) {
    UNROLL for (int i = 0; i < width; ++i) fold[i] += fold[i + width];
  }
  return fold[0];
}
// A row whose segments are not whole octets of it goes through shared memory.
template <int kStride, class X>
DEVICE void Stage(float* row, unsigned octet, int held, const X& x) {
  UNROLL for (int j = 0; j < 8; ++j) {
    if (j < held) row[(8 * octet + j) * kStride] = Wide(x, j);
  }
}
template <int kGroup, int kWidth>
DEVICE float StagedLane(const float* row, unsigned t) {
  float sum = 0;
  for (unsigned octet = t; 8 * octet < kWidth; octet += kGroup) {
    float x[8];
    const int held = Held<false>(octet, kWidth);
    UNROLL for (int j = 0; j < 8; ++j) x[j] = j < held ? row[8 * octet + j] : 0.0f;
    sum += Squares(x, held);
  }
  return sum;
}
DEVICE float NormFactor(float sum_squares, float width, float eps) {
  return 1.0f / sqrtf(sum_squares / width + eps);
}

// A division branches for extreme numbers, so that those of a thread wait for each other: here two
// go together. More would take the registers of other threads. Of others than extreme ones the
// quotient is bettered by its remainder as division does it.
DEVICE float Silu(float x) { return x / (1.0f + expf(-x)); }
template <class X>
DEVICE void SiluAll(const X& x, float (&y)[8]) {
#if defined(__HIP_PLATFORM_AMD__)
  UNROLL for (int j = 0; j < 8; ++j) y[j] = Silu(Wide(x, j));
#else
  UNROLL for (int two = 0; two < 8; two += 2) {
    bool extreme = false;
    UNROLL for (int j = two; j < two + 2; ++j) {
      const float a = Wide(x, j), by = 1.0f + expf(-a);
      extreme = extreme || !(fabsf(a) < 0x1p60f && by < 0x1p60f) ||
                (fabsf(a) < 0x1p-60f && a != 0.0f);
      float reciprocal;
      asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(reciprocal) : "f"(by));
      reciprocal = fmaf(fmaf(-by, reciprocal, 1.0f), reciprocal, reciprocal);
      const float first = a * reciprocal;
      const float second = fmaf(fmaf(-by, first, a), reciprocal, first);
      y[j] = copysignf(fmaf(fmaf(-by, second, a), reciprocal, second), a);
    }
    if (!extreme) continue;
    UNROLL for (int j = two; j < two + 2; ++j) y[j] = Silu(Wide(x, j));
  }
#endif
}
DEVICE float Gelu(float x) { return x * 0.5f * (1.0f + erff(x * 0x1.6a09e6p-1f)); }
DEVICE float GeluTanh(float x) {
  const float inner = 0x1.988454p-1f * (x + 0.044715f * (x * x * x));
  return 0.5f * x * (1.0f + tanhf(inner));
}

// Where a slot's row of head 0 begins in the cache; -1: nowhere.
DEVICE long long Slot(const GpuCache& cache, int slot) {
  if ((unsigned)slot >= (unsigned)cache.slots) return -1;
  return (unsigned)slot / 16 * cache.page_stride + (unsigned)slot % 16 * cache.token_stride;
}
// x in units of a scale, as kernels/gpu/kv.cuh divides: each quotient as division rounds it, or one
// that fp8 takes for the same.
template <class X>
DEVICE Packed<F8> NarrowScaled(const X& x, const float* scales, unsigned head) {
  const float scale = scales == nullptr ? 1.0f : scales[head];
  const float unit = fabsf(scale) < 0x1p-60f ? 0x1p100f : fabsf(scale) > 0x1p60f ? 0x1p-100f : 1.0f;
  const float by = scale * unit;
  const float reciprocal = 1.0f / by;
  float y[8];
  UNROLL for (int j = 0; j < 8; ++j) {
    const float a = Wide(x, j) * unit;
    const float first = a * reciprocal;
    const float second = fmaf(fmaf(-by, first, a), reciprocal, first);
    const float third = fmaf(fmaf(-by, second, a), reciprocal, second);
    y[j] = fabsf(first) < 1024.0f ? copysignf(third, first) : first;
  }
  return Narrow<F8>(y);
}
)text";

}  // namespace rw::native
