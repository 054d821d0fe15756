// The decoder that all supported architectures share: embedding, layers of attention and MLP around
// a residual stream, final norm, head. ArchitectureTraits and ModelConfig say what differs.
#include <cmath>

#include "import/architectures.h"
#include "import/import.h"
#include "ops/ops.h"

namespace rw {
namespace {

constexpr std::string_view ActivationOp(Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return "silu";
    case Activation::kGelu:
      return "gelu";
    case Activation::kGeluTanh:
      return "gelu_tanh";
  }
  return "";
}

class DecoderBuilder {
 public:
  DecoderBuilder(const ModelConfig& config, const WeightLookup& weights,
                 const ImportOptions& options)
      : config_(config),
        traits_(TraitsOf(config.architecture)),
        weights_(weights),
        options_(options),
        graph_(std::string(Name(config.architecture))) {}

  Result<Graph> Build() {
    AddInputs();
    RW_ASSIGN(ValueId x, Embedding());
    for (layer_ = 0; layer_ < config_.num_layers; ++layer_) {
      if (options_.hidden_states) hidden_.push_back(x);
      RW_ASSIGN(x, Layer(x));
    }
    layer_ = kNoLayer;
    RW_TRY(Head(x));
    for (const ValueId id : hidden_) graph_.AddOutput(id);
    RW_TRY(Verify(graph_));
    return std::move(graph_);
  }

 private:
  void AddInputs() {
    const auto index = [&](const char* name, std::vector<Dim> dims) {
      return graph_.AddInput(name, Type::Tensor(DType::kI32, std::move(dims)));
    };
    tokens_ = index("tokens", {"n"});
    positions_ = index("positions", {"n"});
    slots_ = index("slots", {"n"});
    query_start_ = index("query_start", {"s1"});
    lengths_ = index("lengths", {"s"});
    block_table_ = index("block_table", {"s", "p"});
    logit_rows_ = index("logit_rows", {"r"});
    how_ = graph_.AddInput("how", Type::Tensor(DType::kF32, {"r", 3}));
    pick_ = index("pick", {"r", 2});
    rope_ = graph_.AddInput("rope", Type::Tensor(DType::kF32, {"m", config_.rope.rotary_dim}));
    for (int64_t i = 0; i < config_.num_layers; ++i) {
      kv_.push_back(
          graph_.AddInput(fmt::format("kv.{}", i),
                          Type::Kv(options_.kv_dtype, config_.num_kv_heads, config_.head_dim)));
    }
  }

  // Result names carry the layer, weights their full name in the checkpoint.
  std::string ValueName(std::string_view name) const {
    return layer_ == kNoLayer ? std::string(name) : fmt::format("{}.{}", name, layer_);
  }
  std::string LayerWeight(std::string_view name) const {
    return fmt::format("model.layers.{}.{}", layer_, name);
  }

  Result<ValueId> Weight(const std::string& name, std::vector<int64_t> dims) {
    RW_ASSIGN(const DType dtype, weights_(name, dims));
    return graph_.AddWeight(name, Type::Tensor(dtype, {dims.begin(), dims.end()}));
  }

  Result<ValueId> Call(const OpDef& op, std::vector<ValueId> in, std::string_view name,
                       Attrs attrs = {}) {
    RW_ASSIGN(const std::vector<ValueId> out,
              graph_.AddNode(op, std::move(in), std::move(attrs), {ValueName(name)}, layer_));
    return out[0];
  }

  Result<ValueId> Scaled(ValueId x, double by, std::string_view name) {
    if (by == 1.0) return x;
    return Call(ops::kScale, {x}, name, {{"by", by}});
  }

  Result<ValueId> Normed(ValueId x, ValueId weight, std::string_view name) {
    // A stored 1 + w is the float that style gemma computes first; olmo is gemma without adding.
    const std::string_view style = config_.norms_hold_one ? "olmo" : traits_.norm_style;
    return Call(ops::kRmsNorm, {x, weight}, name,
                {{"eps", config_.rms_norm_eps}, {"style", std::string(style)}});
  }

  Result<ValueId> Norm(ValueId x, const std::string& weight, int64_t width, std::string_view name) {
    RW_ASSIGN(const ValueId w, Weight(weight + ".weight", {width}));
    return Normed(x, w, name);
  }

  // A layer's norm by its weight name; none if the architecture has none there.
  Result<ValueId> LayerNorm(ValueId x, std::string_view weight, std::string_view name) {
    if (weight.empty()) return x;
    return Norm(x, LayerWeight(weight), config_.hidden_size, name);
  }

  Result<ValueId> Linear(ValueId x, const std::string& weight, int64_t rows, int64_t columns,
                         bool bias, std::string_view name) {
    RW_ASSIGN(const ValueId w, Weight(weight + ".weight", {rows, columns}));
    std::vector<ValueId> in = {x, w};
    if (bias) {
      RW_ASSIGN(const ValueId b, Weight(weight + ".bias", {rows}));
      in.push_back(b);
    }
    return Call(ops::kLinear, std::move(in), name);
  }

  Result<ValueId> Columns(ValueId x, int64_t begin, int64_t width, std::string_view name) {
    return Call(ops::kSlice, {x}, name, {{"begin", begin}, {"width", width}});
  }

  Result<ValueId> Embedding() {
    RW_ASSIGN(embedding_,
              Weight("model.embed_tokens.weight", {config_.vocab_size, config_.hidden_size}));
    RW_ASSIGN(ValueId x, Call(ops::kEmbed, {tokens_, embedding_}, "embedding",
                              {{"dtype", std::string(Name(options_.dtype))}}));
    // transformers makes Gemma's factor a tensor of the activations' dtype, so it is rounded first.
    double by = config_.embedding_multiplier;
    if (traits_.scaled_embedding)
      by = RoundedFactor(std::sqrt(static_cast<double>(config_.hidden_size)));
    return Scaled(x, by, "embedding.scaled");
  }

  double RoundedFactor(double x) const {
    const auto narrow = static_cast<float>(x);
    switch (options_.dtype) {
      case DType::kBF16:
        return ToFloat(RoundTo<BF16>(narrow));
      case DType::kF16:
        return ToFloat(RoundTo<F16>(narrow));
      default:
        return narrow;
    }
  }

  Result<ValueId> Layer(ValueId x) {
    RW_ASSIGN(ValueId y, LayerNorm(x, traits_.norm_before_attention, "attention.in"));
    RW_ASSIGN(y, Attention(y));
    RW_ASSIGN(y, LayerNorm(y, traits_.norm_after_attention, "attention.normed"));
    RW_ASSIGN(y, Scaled(y, config_.residual_multiplier, "attention.scaled"));
    RW_ASSIGN(x, Call(ops::kAdd, {x, y}, "attention.residual"));
    RW_ASSIGN(y, LayerNorm(x, traits_.norm_before_mlp, "mlp.in"));
    RW_ASSIGN(y, Mlp(y));
    RW_ASSIGN(y, LayerNorm(y, traits_.norm_after_mlp, "mlp.normed"));
    RW_ASSIGN(y, Scaled(y, config_.residual_multiplier, "mlp.scaled"));
    return Call(ops::kAdd, {x, y}, "layer");
  }

  struct Qkv {
    ValueId q, k, v;  // [n, heads * d]
  };

  Result<Qkv> Projections(ValueId x) {
    const int64_t hidden = config_.hidden_size;
    const int64_t q_width = config_.num_q_heads * config_.head_dim;
    const int64_t kv_width = config_.num_kv_heads * config_.head_dim;
    Qkv out{};
    if (traits_.fused_qkv) {
      RW_ASSIGN(const ValueId qkv, Linear(x, LayerWeight("self_attn.qkv_proj"),
                                          q_width + 2 * kv_width, hidden, config_.qkv_bias, "qkv"));
      RW_ASSIGN(out.q, Columns(qkv, 0, q_width, "q"));
      RW_ASSIGN(out.k, Columns(qkv, q_width, kv_width, "k"));
      RW_ASSIGN(out.v, Columns(qkv, q_width + kv_width, kv_width, "v"));
      return out;
    }
    RW_ASSIGN(out.q,
              Linear(x, LayerWeight("self_attn.q_proj"), q_width, hidden, config_.qkv_bias, "q"));
    RW_ASSIGN(out.k,
              Linear(x, LayerWeight("self_attn.k_proj"), kv_width, hidden, config_.qkv_bias, "k"));
    RW_ASSIGN(out.v,
              Linear(x, LayerWeight("self_attn.v_proj"), kv_width, hidden, config_.qkv_bias, "v"));
    return out;
  }

  Result<ValueId> Heads(ValueId x, std::string_view name) {
    return Call(ops::kSplitHeads, {x}, name, {{"d", config_.head_dim}});
  }

  // q or k, normalised if the architecture does so, as heads [n, heads, d].
  Result<ValueId> NormedHeads(ValueId x, std::string_view weight, int64_t heads,
                              std::string_view name) {
    if (traits_.qk_norm == QkNorm::kRow) {
      RW_ASSIGN(x, Norm(x, LayerWeight(weight), heads * config_.head_dim,
                        fmt::format("{}.normed", name)));
    }
    RW_ASSIGN(x, Heads(x, fmt::format("{}.heads", name)));
    if (traits_.qk_norm == QkNorm::kHead) {
      RW_ASSIGN(x, Norm(x, LayerWeight(weight), config_.head_dim, fmt::format("{}.normed", name)));
    }
    return x;
  }

  Result<ValueId> Attention(ValueId x) {
    RW_ASSIGN(const Qkv qkv, Projections(x));
    RW_ASSIGN(const ValueId q, NormedHeads(qkv.q, "self_attn.q_norm", config_.num_q_heads, "q"));
    RW_ASSIGN(const ValueId k, NormedHeads(qkv.k, "self_attn.k_norm", config_.num_kv_heads, "k"));
    RW_ASSIGN(const ValueId v, Heads(qkv.v, "v.heads"));
    RW_ASSIGN(
        const std::vector<ValueId> rotated,
        graph_.AddNode(ops::kRope, {q, k, positions_, rope_}, {{"layout", std::string("half")}},
                       {ValueName("q.rotated"), ValueName("k.rotated")}, layer_));
    const auto layer = static_cast<size_t>(layer_);
    RW_ASSIGN(const ValueId kv,
              Call(ops::kKvWrite, {rotated[1], v, slots_, kv_[layer]}, "kv.written"));
    RW_ASSIGN(const ValueId heads,
              Call(ops::kAttention, {rotated[0], query_start_, lengths_, block_table_, kv},
                   "attention.heads",
                   {{"scale", config_.attention_scale},
                    {"softcap", config_.attn_logit_softcapping.value_or(0.0)},
                    {"window", config_.window[layer]}}));
    RW_ASSIGN(const ValueId row, Call(ops::kMergeHeads, {heads}, "attention.row"));
    return Linear(row, LayerWeight("self_attn.o_proj"), config_.hidden_size,
                  config_.num_q_heads * config_.head_dim, config_.o_bias, "attention.out");
  }

  Result<ValueId> Mlp(ValueId x) {
    const int64_t hidden = config_.hidden_size;
    const int64_t inner = config_.intermediate_size;
    ValueId gate = kNoValue;
    ValueId up = kNoValue;
    if (traits_.fused_gate_up) {
      RW_ASSIGN(const ValueId both, Linear(x, LayerWeight("mlp.gate_up_proj"), 2 * inner, hidden,
                                           config_.mlp_bias, "gate_up"));
      RW_ASSIGN(gate, Columns(both, 0, inner, "gate"));
      RW_ASSIGN(up, Columns(both, inner, inner, "up"));
    } else {
      RW_ASSIGN(gate,
                Linear(x, LayerWeight("mlp.gate_proj"), inner, hidden, config_.mlp_bias, "gate"));
      RW_ASSIGN(up, Linear(x, LayerWeight("mlp.up_proj"), inner, hidden, config_.mlp_bias, "up"));
    }
    RW_ASSIGN(gate, Call(*ops::Find(ActivationOp(config_.activation)), {gate}, "gate.activated"));
    RW_ASSIGN(const ValueId product, Call(ops::kMul, {gate, up}, "mlp.product"));
    return Linear(product, LayerWeight("mlp.down_proj"), hidden, inner, config_.mlp_bias,
                  "mlp.out");
  }

  // Only the rows that need logits go through the final norm and the head.
  Status Head(ValueId x) {
    RW_ASSIGN(const ValueId norm, Weight("model.norm.weight", {config_.hidden_size}));
    if (options_.hidden_states) {
      RW_ASSIGN(const ValueId all, Normed(x, norm, "hidden.normed"));
      hidden_.push_back(all);
    }
    RW_ASSIGN(ValueId y, Call(ops::kGatherRows, {x, logit_rows_}, "last"));
    RW_ASSIGN(y, Normed(y, norm, "last.normed"));
    ValueId head = embedding_;
    if (!config_.tie_word_embeddings) {
      RW_ASSIGN(head, Weight("lm_head.weight", {config_.vocab_size, config_.hidden_size}));
    }
    RW_ASSIGN(y, Call(ops::kLinear, {y, head}, "head"));
    RW_ASSIGN(y, Scaled(y, 1.0 / config_.logits_scaling, "head.scaled"));
    if (config_.final_logit_softcapping) {
      RW_ASSIGN(
          y, Call(ops::kSoftcap, {y}, "head.capped", {{"cap", *config_.final_logit_softcapping}}));
    }
    graph_.AddOutput(y);
    RW_ASSIGN(const ValueId sampled, Call(ops::kSample, {y, how_, pick_}, "sampled"));
    graph_.AddOutput(sampled);
    return {};
  }

  const ModelConfig& config_;
  const ArchitectureTraits& traits_;
  const WeightLookup& weights_;
  const ImportOptions& options_;
  Graph graph_;
  int layer_ = kNoLayer;  // being built
  ValueId tokens_{}, positions_{}, slots_{}, query_start_{}, lengths_{}, block_table_{},
      logit_rows_{}, how_{}, pick_{}, rope_{}, embedding_{};
  std::vector<ValueId> kv_;
  std::vector<ValueId> hidden_;
};

}  // namespace

Result<Graph> ImportModel(const ModelConfig& config, const WeightLookup& weights,
                          const ImportOptions& options) {
  return DecoderBuilder(config, weights, options).Build();
}

}  // namespace rw
