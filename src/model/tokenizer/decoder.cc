#include "model/tokenizer/decoder.h"

#include <utility>

#include "model/tokenizer/decode_stages.h"
#include "model/tokenizer/fields.h"
#include "model/tokenizer/metaspace.h"

namespace rw::tok {
namespace {

struct Chain {
  std::vector<StageMaker> stages;
  double growth = 1;  // by how much all of them may multiply a text's length
};

Status AddStages(const Json& json, Chain& chain);

Status AddByteLevel(const Json&, Chain& chain) {
  chain.stages.push_back(ByteLevelStage());
  chain.growth *= 2;  // each byte that is no UTF-8 becomes the three of U+FFFD
  return {};
}

Status AddByteFallback(const Json&, Chain& chain) {
  chain.stages.push_back(ByteFallbackStage());
  return {};
}

Status AddFuse(const Json&, Chain& chain) {
  chain.stages.push_back(FuseStage());
  return {};
}

Status AddReplace(const Json& json, Chain& chain) {
  RW_ASSIGN(const Json pattern, json.Get("pattern"));
  RW_ASSIGN(Pattern what, Pattern::FromJson(pattern));
  RW_ASSIGN(const Json content, json.Get("content"));
  RW_ASSIGN(const std::string_view text, content.AsString());
  chain.growth *= what.Growth(text);
  chain.stages.push_back(ReplaceStage(std::move(what), std::string(text)));
  return {};
}

Status AddStrip(const Json& json, Chain& chain) {
  RW_ASSIGN(std::string character, CharField(json, "content"));
  RW_ASSIGN(const uint64_t start, CountField(json, "start"));
  RW_ASSIGN(const uint64_t stop, CountField(json, "stop"));
  chain.stages.push_back(StripStage(std::move(character), start, stop));
  return {};
}

Status AddMetaspace(const Json& json, Chain& chain) {
  RW_ASSIGN(MetaspaceFields fields, ParseMetaspaceFields(json));
  const bool drop_in_first = fields.prepend != MetaspaceFields::Prepend::kNever;
  chain.stages.push_back(MetaspaceStage(std::move(fields.replacement), drop_in_first));
  return {};
}

Status AddSequence(const Json& json, Chain& chain) {
  RW_ASSIGN(const Json list, json.Get("decoders"));
  return list.ForEachElement(
      [&](size_t, Json element) -> Status { return AddStages(element, chain); });
}

struct Kind {
  std::string_view name;
  Status (*add)(const Json&, Chain&);
};

constexpr Kind kKinds[] = {
    {"ByteLevel", AddByteLevel}, {"ByteFallback", AddByteFallback}, {"Fuse", AddFuse},
    {"Metaspace", AddMetaspace}, {"Replace", AddReplace},           {"Strip", AddStrip},
    {"Sequence", AddSequence},
};

Status AddStages(const Json& json, Chain& chain) {
  RW_ASSIGN(const Kind* kind, PickByName(kKinds, json, "type"));
  RW_TRY(kind->add(json, chain));
  return CheckGrowth(chain.growth, json);
}

}  // namespace

Result<Decoder> Decoder::FromJson(const Json& json) {
  Decoder decoder;
  decoder.none_ = json.is_null();
  if (decoder.none_) return decoder;
  Chain chain;
  RW_TRY(AddStages(json, chain));
  decoder.stages_ = std::move(chain.stages);
  return decoder;
}

std::unique_ptr<DecodeStage> Decoder::Start(std::string* out) const {
  std::unique_ptr<DecodeStage> stage = MakeTextSink(out, none_ ? " " : "");
  for (auto maker = stages_.rbegin(); maker != stages_.rend(); ++maker) {
    stage = (*maker)(std::move(stage));
  }
  return stage;
}

}  // namespace rw::tok
