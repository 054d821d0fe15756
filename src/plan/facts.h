// What is so: the platform, the model, the limits of a step, the kernels of this build, what the
// graph offers. Facts never change while a plan is made.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "plan/evidence.h"
#include "plan/fusion.h"
#include "plan/platform.h"
#include "plan/reason.h"

namespace rw {

// One place where a pattern stands and is not fused.
struct Declined {
  int layer;
  Reason reason;
  std::string detail;
};

// Where one fusion, tried alone, matches the graph.
struct FusionSites {
  std::vector<int> layers;  // one entry for each match
  std::vector<Declined> declined;
  std::string op;           // that it makes here, one of FusionDef::makes
  std::string kernel;       // that runs what it makes: "rope_kv_write/cpu/simd/bf16"
  int64_t most_tokens = 0;  // of a step, that this kernel takes; 0: any number
};

// A graph as the plan sees it.
struct GraphFacts {
  int layers = 0;
  std::vector<std::string> ops;  // names of the ops in it, each once
  std::array<FusionSites, kNumFusions> fusions;
  std::vector<std::string> without_kernel;  // ops that nothing in this build can run
};

struct Facts {
  Platform platform;
  std::string device_name;              // "NVIDIA H200"; empty: unknown
  std::vector<std::string> native_ops;  // for which this build generates code on the platform
  // The model.
  int64_t hidden_size = 4096;
  int64_t intermediate_size = 0;  // of the MLP; 0: unknown, as for the next three
  int64_t head_dim = 0;
  int64_t num_q_heads = 0;
  int64_t num_kv_heads = 0;
  DType dtype = DType::kBF16;
  std::optional<DType> kv_dtype;  // of the KV cache; nothing: unknown
  std::optional<KvLayout> kv_layout;
  bool block_quantized_fp8 = false;  // weights quantized to fp8 in blocks
  bool nvfp4 = false;                // weights in NVFP4
  bool pooling = false;              // a pooling model: no decoding
  bool encoder_decoder = false;
  // The step.
  int64_t max_num_batched_tokens = 8192;
  int64_t max_num_seqs = 256;
  int64_t tensor_parallel_size = 1;
  int64_t pipeline_parallel_size = 1;
  // The graph, if there is one.
  std::optional<GraphFacts> graph;
  // What was measured before: the rows built in and the user's.
  Evidence evidence = BuiltinEvidence();
};

}  // namespace rw
