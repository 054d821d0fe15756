// The numbers of tokens for which graphs are captured, where nobody lists them.
#pragma once

#include "plan/facts.h"

namespace rw {

// min(max_num_seqs * 2, 512, or 1024 on SM100), at most max_num_batched_tokens.
int64_t DefaultMaxCaptureSize(const Facts& facts);

// 1, 2, 4, then steps of 8 below 256 and of 16 from there, up to `largest`.
Sizes GenerateCaptureSizes(int64_t largest);

}  // namespace rw
