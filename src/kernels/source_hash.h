// Which text a kernel was built from, so that a measurement can tell whether it is of this kernel.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "kernels/kernel.h"

namespace rw {

struct HashedSource {
  std::string_view file;  // below src/: "kernels/cpu/simd/norm.cc"
  std::string_view hash;  // of it and the headers it includes, comments and layout aside
};

// The sources of all kernels, those of devices that this build leaves out included; written at
// build time by tools/source_hashes.py.
std::span<const HashedSource> HashedSources();

// The hash of the source that declares the row.
std::string_view SourceHash(const KernelRow& row);

// How results and rules name a row: "rms_norm@simd".
std::string KernelKey(const KernelRow& row);

// The hash of the row of that key; empty if this build has no such row.
std::string_view SourceHash(std::string_view key);

// Those of several keys, joined by "+": how a result names the sources of what it measured.
std::string SourceHashes(std::span<const std::string> keys);

}  // namespace rw
