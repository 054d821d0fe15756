// Generated code on an NVIDIA GPU: compiled once for each program, kept on disk, launched as any
// other kernel.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "kernels/kernel.h"
#include "native/code_cache.h"
#include "native/program.h"

namespace rw::cuda {

class NativeCode {
 public:
  // For a device of that architecture, "sm_90", which has to be the current one.
  NativeCode(std::string arch, native::CodeCache::Options cache);
  ~NativeCode();
  NativeCode(const NativeCode&) = delete;
  NativeCode& operator=(const NativeCode&) = delete;

  // Makes the code of programs, several at a time, and loads it. They are known by their addresses
  // from then on; equal ones share code.
  Status Build(std::span<const native::Program* const> programs);

  struct Built;
  // What was built for the program (checked).
  const Built& Of(const native::Program* program) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Runs KernelCall::program from the code in Queue::native.
const KernelRow& NativeKernel();

}  // namespace rw::cuda
