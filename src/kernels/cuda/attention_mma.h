// attention on tensor cores: activations of 16 bits over a cache of the same type or
// f8e4m3, heads of up to 256.
#pragma once

#include "kernels/args.h"
#include "kernels/gpu/attention.cuh"

namespace rw::cuda {

// Starts the kernels for the call, or returns false where it is not theirs.
bool RunAttentionMma(const gpu::Queue& queue, const AttentionArgs& args,
                     const gpu::AttentionParams& p);

// The two halves of it, for sequences with one new query and with several.
void RunAttentionDecode(const gpu::Queue& queue, const AttentionArgs& args,
                        const gpu::AttentionParams& p);
void RunAttentionPrefill(const gpu::Queue& queue, const AttentionArgs& args,
                         const gpu::AttentionParams& p);
// RunAttentionPrefill by the instructions of compute capability 9.0, for a cache of the
// activations' type; false, and nothing started, where those are not there.
bool RunAttentionHopper(const gpu::Queue& queue, const AttentionArgs& args,
                        const gpu::AttentionParams& p);

}  // namespace rw::cuda
