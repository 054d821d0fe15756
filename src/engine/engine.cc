#include "engine/engine.h"

#include <algorithm>

#include "kv/kv_cache.h"

namespace rw {
namespace {

// One row of logits as floats, whatever the activations' dtype.
std::vector<float> FloatRow(const TensorView& logits, int64_t row) {
  std::vector<float> out(static_cast<size_t>(logits.width()));
  const auto convert = [&](auto* from) {
    std::transform(from, from + out.size(), out.begin(), [](auto x) { return ToFloat(x); });
  };
  switch (logits.dtype) {
    case DType::kF32:
      convert(logits.row<float>(row));
      break;
    case DType::kBF16:
      convert(logits.row<BF16>(row));
      break;
    case DType::kF16:
      convert(logits.row<F16>(row));
      break;
    default:
      RW_CHECK(false, "logits are numbers with a point");
  }
  return out;
}

// What the device does with the sequence's logits: nothing worth while if the host needs them.
SampleRule RuleFor(Sampler& sampler) {
  return sampler.params().needs_logits() ? SampleRule{} : sampler.NextRule();
}

}  // namespace

std::string_view Name(FinishReason reason) {
  static constexpr std::string_view kNames[] = {"none", "stop", "length", "error"};
  return kNames[static_cast<size_t>(reason)];
}

Engine::Engine(ModelRunner model, ThreadPool& pool)
    : model_(std::move(model)),
      pool_(pool),
      scheduler_({model_.options().max_batch_tokens, model_.options().max_sequences},
                 model_.kv_pages()) {}

Result<SequenceId> Engine::Submit(Request request) {
  RW_TRY(Validate(request.sampling));
  const auto prompt_size = static_cast<int64_t>(request.prompt.size());
  const int64_t max_len = model_.options().max_model_len;
  if (request.prompt.empty()) return Err("prompt: expected at least one token, found none");
  for (const int32_t token : request.prompt) {
    if (token < 0 || token >= model_.config().vocab_size) {
      return Err("prompt: expected token ids below the model's vocab_size {}, found {}",
                 model_.config().vocab_size, token);
    }
  }
  if (prompt_size >= max_len) {
    return Err("prompt: expected fewer than {} tokens (max-model-len), found {}", max_len,
               prompt_size);
  }
  const int64_t room = scheduler_.pool().total() * kPageSize;
  const int64_t max_tokens = request.sampling.max_tokens;
  // Without max_tokens a sequence may grow as far as model and cache allow.
  int64_t limit = std::min(max_len, std::max(room, prompt_size + 1));
  if (max_tokens > 0) limit = std::min(max_len, prompt_size + std::min(max_tokens, max_len));
  if (limit > room) {
    return Err(
        "the prompt of {} tokens and up to {} new ones need room for {} in the KV cache, "
        "which has {}; lower max-tokens or raise kv-tokens",
        prompt_size, limit - prompt_size, limit, room);
  }
  Sampler sampler(std::move(request.sampling), request.prompt);
  scheduler_.Add(std::make_unique<Sequence>(Sequence{.id = next_id_,
                                                     .tokens = std::move(request.prompt),
                                                     .prompt_size = prompt_size,
                                                     .limit = limit,
                                                     .sampler = std::move(sampler)}));
  return next_id_++;
}

Result<std::vector<StepOutput>> Engine::Step() {
  const std::vector<Scheduled> scheduled = scheduler_.Next();
  std::vector<StepOutput> outputs;
  if (scheduled.empty()) return outputs;
  Batch batch;
  for (const auto& [sequence, count] : scheduled) {
    const std::span<const int32_t> tokens(sequence->tokens);
    batch.Add(tokens.subspan(static_cast<size_t>(sequence->computed), static_cast<size_t>(count)),
              sequence->computed, model_.rope().RowOffset(sequence->limit), sequence->pages,
              /*wants_logits=*/count == sequence->pending());
    if (count == sequence->pending()) batch.rules.push_back(RuleFor(sequence->sampler));
  }
  batch.Finish();
  RW_ASSIGN(const StepOutputs step, model_.Forward(batch, pool_));
  int64_t row = 0;
  for (const auto& [sequence, count] : scheduled) {
    const bool complete = count == sequence->pending();
    sequence->computed += count;
    if (!complete) continue;
    RW_ASSIGN(Sampled sampled, SampleRow(sequence->sampler, step, row++));
    outputs.push_back(Advance(*sequence, std::move(sampled)));
    if (outputs.back().finished != FinishReason::kNone) scheduler_.Remove(sequence->id);
  }
  return outputs;
}

// The device has taken the token already unless the host has to see the logits.
Result<Sampled> Engine::SampleRow(Sampler& sampler, const StepOutputs& outputs, int64_t row) {
  if (!sampler.params().needs_logits()) {
    return Sampled{.token = outputs.tokens[static_cast<size_t>(row)]};
  }
  TensorView view = outputs.logits;
  view.data += row * view.row_stride * static_cast<int64_t>(SizeOf(view.dtype));
  view.dims[0] = 1;
  RW_ASSIGN(view, model_.ToHost(view));
  std::vector<float> logits = FloatRow(view, 0);
  return sampler.Sample(logits);
}

StepOutput Engine::Advance(Sequence& sequence, Sampled sampled) {
  StepOutput output{sequence.id, std::move(sampled)};
  if (output.sampled.token < 0) {
    output.finished = FinishReason::kError;
    return output;
  }
  sequence.tokens.push_back(output.sampled.token);
  output.finished = FinishOf(sequence, output.sampled);
  return output;
}

FinishReason Engine::FinishOf(const Sequence& sequence, const Sampled& sampled) const {
  const auto& eos = model_.config().eos_token_ids;
  const bool ended = std::find(eos.begin(), eos.end(), sampled.token) != eos.end();
  if (ended && !sequence.sampler.params().ignore_eos) return FinishReason::kStop;
  return sequence.size() >= sequence.limit ? FinishReason::kLength : FinishReason::kNone;
}

}  // namespace rw
