// What vLLM resolves, as tables to read: platform and facts, flags, what comes out. For
// rules_test.cc.
#pragma once

#include <ostream>

namespace rw::vllm {

struct Row {
  const char* name;      // with the number of the row in vLLM's own matrix of behaviours, if any
  const char* facts;     // a platform and what differs from a dense bf16 model of 4096
  const char* flags;     // as after -cc.
  const char* expected;  // "name value; name value"
};
inline void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

constexpr char kCuda[] = "cuda:sm90,flashinfer";
constexpr char kAiter[] = "rocm:gfx950,aiter";

constexpr Row kLevels[] = {
    {"r1_cuda_o0", "cuda:sm90,flashinfer O0", "",
     "mode NONE; custom_ops [all]; splitting_ops []; cudagraph_mode NONE; fusions; "
     "ir_op_priority.rms_norm [vllm_c, native]; cudagraph_capture_sizes []; warnings"},
    {"r2_cuda_o1", "cuda:sm90,flashinfer O1", "",
     "mode VLLM_COMPILE; custom_ops [none]; #splitting_ops 16; cudagraph_mode PIECEWISE; "
     "#cudagraph_capture_sizes 51; max_cudagraph_capture_size 512; ir_op_priority.rms_norm "
     "[native]; use_inductor_graph_partition false"},
    {"r3_cuda_o2", "cuda:sm90,flashinfer O2", "",
     "cudagraph_mode FULL_AND_PIECEWISE; #splitting_ops 16; fusions; ranges 1-8192; warnings"},
    {"r3_cuda_o3", "cuda:sm90,flashinfer O3", "",
     "cudagraph_mode FULL_AND_PIECEWISE; #splitting_ops 16; fusions; ranges 1-8192; warnings"},
    {"r4_aiter_o2", kAiter, "",
     "custom_ops [+grouped_topk, +sparse_attn_indexer, none]; fusions fuse_norm_quant "
     "fuse_mla_dual_rms_norm; ir_op_priority.rms_norm [aiter, native]"},
    {"r5_rocm_without_aiter", "rocm:gfx950", "",
     "custom_ops [+sparse_attn_indexer, none]; fusions; ir_op_priority.rms_norm [native]"},
    {"aiter_on_old_cdna_is_only_a_provider", "rocm:gfx90a,aiter tp=2", "",
     "custom_ops [+sparse_attn_indexer, none]; fusions fuse_norm_quant; ir_op_priority.rms_norm "
     "[aiter, native]"},
    {"aiter_on_rdna4_is_nothing", "rocm:gfx1201,aiter", "",
     "fusions; ir_op_priority.rms_norm [native]"},
    {"aiter_o0_keeps_its_provider", "rocm:gfx950,aiter O0", "",
     "ir_op_priority.rms_norm [aiter, vllm_c, native]; fusions; cudagraph_mode NONE"},
    {"aiter_eager_does_not", "rocm:gfx950,aiter eager", "",
     "ir_op_priority.rms_norm [vllm_c, native]"},
    {"aiter_without_graphs_does_not", kAiter, "cudagraph_mode=NONE",
     "ir_op_priority.rms_norm [native]; fusions fuse_mla_dual_rms_norm"},
    {"r43_o0_piecewise", "cuda:sm90 O0", "cudagraph_mode=PIECEWISE",
     "mode NONE; cudagraph_mode NONE; cudagraph_capture_sizes []"},
    {"r43_o0_full", "cuda:sm90 O0", "cudagraph_mode=FULL",
     "mode NONE; cudagraph_mode FULL; max_cudagraph_capture_size 512"},
    {"r43_o0_compiled", "cuda:sm90 O0", "mode=VLLM_COMPILE",
     "#splitting_ops 16; cudagraph_mode NONE; custom_ops [none]"},
    {"stock_compile", "cuda:sm90", "mode=STOCK_TORCH_COMPILE",
     "custom_ops [none]; cudagraph_mode NONE; splitting_ops []; warnings compilation-disabled"},
    {"no_mode_at_o0_is_no_warning", "cuda:sm90 O0", "", "mode NONE; warnings"},
};

constexpr Row kRopeKvcache[] = {
    {"r6_flag", kAiter, "fuse_rope_kvcache=true",
     "fuse_rope_kvcache false; custom_ops [+rotary_embedding, +grouped_topk, +sparse_attn_indexer, "
     "none]; ranges 1-256 257-8192; warnings qk-norm-rope-kvcache-split-off "
     "rope-kvcache-split-off"},
    {"r7_whole_graph", kAiter, "fuse_rope_kvcache=true; splitting_ops=[]",
     "fuse_rope_kvcache true; cudagraph_mode FULL; splitting_ops []; ranges 1-256 257-8192; "
     "warnings piecewise-compile-empty-split piecewise-graph-empty-split"},
    {"r8_partition", kAiter, "fuse_rope_kvcache=true; use_inductor_graph_partition=true",
     "fuse_rope_kvcache true; cudagraph_mode FULL_AND_PIECEWISE; #splitting_ops 14; warnings"},
    {"r9_whole_graph_alone", kAiter, "splitting_ops=[]",
     "fuse_rope_kvcache false; cudagraph_mode FULL; fuse_rope_kvcache_cat_mla true"},
    {"r10_partition_alone", kAiter, "use_inductor_graph_partition=true",
     "fuse_rope_kvcache false; fuse_rope_kvcache_cat_mla true"},
    {"r11_partition_and_op", kAiter,
     "use_inductor_graph_partition=true; custom_ops=+rotary_embedding",
     "fuse_rope_kvcache true; fuse_qk_norm_rope_kvcache true; compile_ranges_endpoints [256, 256, "
     "8192]; ranges 1-256 257-8192"},
    {"r12_at_o1", "rocm:gfx950,aiter O1",
     "use_inductor_graph_partition=true; custom_ops=+rotary_embedding",
     "fuse_rope_kvcache false; fuse_qk_norm_rope_kvcache false"},
    {"r13_refused_flag_stays_off", kAiter,
     "use_inductor_graph_partition=true; custom_ops=+rotary_embedding; fuse_rope_kvcache=false",
     "fuse_rope_kvcache false; fuse_qk_norm_rope_kvcache true"},
    {"r14_op_alone", kAiter, "custom_ops=+rotary_embedding",
     "fuse_rope_kvcache false; fuse_qk_norm_rope_kvcache false; compile_ranges_endpoints [256, "
     "8192]; warnings qk-norm-rope-kvcache-split-off"},
    {"r15_contradiction", kAiter, "custom_ops=-rotary_embedding; fuse_rope_kvcache=true",
     "error custom-op-contradiction"},
    {"r16_attention_ops_listed", kAiter, "fuse_rope_kvcache=true; splitting_ops=@14",
     "fuse_rope_kvcache true; cudagraph_mode FULL_AND_PIECEWISE; #splitting_ops 14"},
    {"r17_updates_listed_too", kAiter, "fuse_rope_kvcache=true; splitting_ops=@16",
     "fuse_rope_kvcache true; #splitting_ops 16; warnings"},
    {"r18_one_update_listed", kAiter, "custom_ops=+rotary_embedding; splitting_ops=@15",
     "fuse_rope_kvcache true; #splitting_ops 15"},
    {"r19_attention_fused", kAiter, "fuse_rope_kvcache=true; fuse_attn_quant=true",
     "splitting_ops []; cudagraph_mode FULL; fuse_rope_kvcache true"},
    {"op_and_attention_fused", kAiter, "custom_ops=+rotary_embedding; fuse_attn_quant=true",
     "splitting_ops []; cudagraph_mode FULL; fuse_rope_kvcache true"},
    {"r20_sequence_parallel", "rocm:gfx950,aiter tp=2",
     "fuse_rope_kvcache=true; enable_sp=true; sp_min_token_num=512",
     "enable_sp true; splitting_ops []; cudagraph_mode FULL; fuse_rope_kvcache false"},
    {"r21_cuda", kCuda, "fuse_rope_kvcache=true",
     "fuse_rope_kvcache false; custom_ops [none]; warnings rope-kvcache-needs-rocm; ranges 1-8192"},
    {"r22_without_aiter", "rocm:gfx950", "fuse_rope_kvcache=true; splitting_ops=[]",
     "fuse_rope_kvcache true"},
    {"r23_o0", "rocm:gfx950,aiter O0", "fuse_rope_kvcache=true",
     "fuse_rope_kvcache true; mode NONE; warnings"},
    {"r23_eager", "rocm:gfx950,aiter eager", "fuse_rope_kvcache=true",
     "fuse_rope_kvcache true; mode NONE; warnings compilation-disabled enforce-eager"},
    {"r24_few_tokens", "rocm:gfx950,aiter tokens=128", "fuse_rope_kvcache=true; splitting_ops=[]",
     "ranges 1-128"},
    {"r25_threshold", kAiter,
     "fuse_rope_kvcache=true; splitting_ops=[]; rope_kvcache_fusion_max_token_num=1000",
     "ranges 1-1000 1001-8192"},
    {"r31_partition_on_cuda", kCuda, "use_inductor_graph_partition=true",
     "#splitting_ops 14; cudagraph_mode FULL_AND_PIECEWISE; fuse_rope_kvcache_cat_mla true"},
    {"r32_cat_mla", kCuda, "fuse_rope_kvcache_cat_mla=true",
     "fuse_rope_kvcache_cat_mla true; #splitting_ops 16; warnings"},
    {"r41_qk_norm_rope", kCuda, "enable_qk_norm_rope_fusion=true",
     "enable_qk_norm_rope_fusion true; custom_ops [+rotary_embedding, none]; ranges 1-8192"},
    {"r41_contradiction", kCuda,
     "enable_qk_norm_rope_fusion=true; custom_ops=[all, -rotary_embedding]",
     "error custom-op-contradiction"},
    {"rotary_op_is_added_once", kAiter,
     "enable_qk_norm_rope_fusion=true; fuse_rope_kvcache=true; fuse_qk_norm_rope_kvcache=true; "
     "splitting_ops=[]",
     "custom_ops [+rotary_embedding, +grouped_topk, +sparse_attn_indexer, none]"},
    {"own_names_of_ops", kAiter, "custom_ops=[none, +rope]; splitting_ops=[attention, kv_write]",
     "custom_ops [none, +rotary_embedding, +grouped_topk, +sparse_attn_indexer]; splitting_ops "
     "[vllm::unified_attention_with_output, vllm::unified_kv_cache_update]"},
};

constexpr Row kSplitting[] = {
    {"r26_attn_quant_full_and_piecewise", kCuda, "fuse_attn_quant=true",
     "splitting_ops []; cudagraph_mode FULL; warnings attn-quant-piecewise-graph"},
    {"r26_attn_quant_piecewise", kCuda, "fuse_attn_quant=true; cudagraph_mode=PIECEWISE",
     "splitting_ops []; cudagraph_mode FULL; warnings attn-quant-piecewise-graph"},
    {"attn_quant_decode_only", kCuda, "fuse_attn_quant=true; cudagraph_mode=FULL_DECODE_ONLY",
     "splitting_ops []; cudagraph_mode FULL_DECODE_ONLY; warnings"},
    {"attn_quant_empty_list", kCuda, "fuse_attn_quant=true; splitting_ops=[]",
     "splitting_ops []; cudagraph_mode FULL_AND_PIECEWISE; warnings"},
    {"r27_attn_quant_attention_split", kCuda, "fuse_attn_quant=true; splitting_ops=@14",
     "error attn-quant-with-attention-split"},
    {"r28_attn_quant_partition", kCuda,
     "fuse_attn_quant=true; use_inductor_graph_partition=true; cudagraph_mode=PIECEWISE",
     "#splitting_ops 14; cudagraph_mode PIECEWISE; warnings"},
    {"r29_attn_quant_short_list", kCuda,
     "fuse_attn_quant=true; splitting_ops=vllm::unified_attention_with_output",
     "#splitting_ops 1; cudagraph_mode FULL_AND_PIECEWISE"},
    {"r30_empty_piecewise", kCuda, "splitting_ops=[]; cudagraph_mode=PIECEWISE",
     "cudagraph_mode NONE; max_cudagraph_capture_size 512; warnings piecewise-compile-empty-split "
     "piecewise-graph-empty-split"},
    {"r30_empty_full_and_piecewise", kCuda, "splitting_ops=[]", "cudagraph_mode FULL"},
    {"empty_decode_only", kCuda, "splitting_ops=[]; cudagraph_mode=FULL_DECODE_ONLY",
     "cudagraph_mode FULL_DECODE_ONLY; warnings"},
    {"r42_eager", "cuda:sm90 eager", "",
     "mode NONE; cudagraph_mode NONE; cudagraph_capture_sizes []; max_cudagraph_capture_size 0; "
     "warnings compilation-disabled enforce-eager"},
    {"r42_pooling", "cuda:sm90 pooling", "",
     "cudagraph_mode PIECEWISE; warnings pooling-no-full-graph"},
    {"r42_encoder_decoder", "cuda:sm90 encdec", "", "cudagraph_mode FULL_DECODE_ONLY; warnings"},
    {"encoder_decoder_without_graphs", "cuda:sm90 encdec", "cudagraph_mode=NONE",
     "cudagraph_mode NONE"},
    {"pooling_encoder_decoder_piecewise", "cuda:sm90 pooling encdec", "cudagraph_mode=PIECEWISE",
     "cudagraph_mode FULL_DECODE_ONLY; warnings"},
    {"pooling_without_compilation", "cuda:sm90 O0 pooling", "cudagraph_mode=FULL",
     "error piecewise-graph-needs-compile"},
    {"r45_two_bases", kCuda, "custom_ops=[none, all]", "error custom-op-two-bases"},
    {"r45_contradiction", kCuda, "custom_ops=[+rms_norm, -rms_norm]",
     "error custom-op-contradiction"},
    {"r45_syntax", kCuda, "custom_ops=rms_norm", "error custom-op-syntax"},
    {"syntax_comes_before_bases", kCuda, "custom_ops=[none, all, +]", "error custom-op-syntax"},
};

}  // namespace rw::vllm
