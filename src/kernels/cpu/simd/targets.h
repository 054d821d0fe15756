// Which instruction sets the vector kernels are compiled for. Include before any Highway header.
//
// AVX2 and AVX-512 on x86, NEON on Arm. The older SSE sets are left out: their machines run the
// reference. So are vectors without a fixed length, which cannot stand in the arrays of our tiles.
#pragma once

#define HWY_DISABLED_TARGETS                                                                     \
  (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV | HWY_PPC8 | \
   HWY_WASM | HWY_WASM_EMU256)

// Whether the target being compiled has vectors; if not, a kernel file names the reference instead.
#define RW_HAS_VECTORS (HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128)

// On a lambda inside a vector function: of the same target, and never a call. A tile's vectors stay
// in registers only if everything that touches them is written out in one place.
#define RW_INLINED HWY_ATTR __attribute__((always_inline))
