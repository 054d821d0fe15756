// Matrix products by our own kernels, for other providers to hand calls to.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/args.h"
#include "kernels/gpu/queue.h"

namespace rw::gpu {

// Up to so many tokens a product costs the reading of its weights, and is done by kernels made for
// that. A token's result is then the same bits in any company.
inline constexpr int64_t kSkinnyTokens = 16;

// Products of one x, of any float types, sizes and strides. Each gets the bits that it would get
// alone.
void RunLinear(const Queue& queue, std::span<const LinearArgs> products);

}  // namespace rw::gpu
