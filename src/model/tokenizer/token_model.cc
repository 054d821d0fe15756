#include "model/tokenizer/token_model.h"

#include "model/tokenizer/bpe.h"
#include "model/tokenizer/fields.h"
#include "model/tokenizer/unigram.h"

namespace rw::tok {
namespace {

struct Kind {
  std::string_view name;
  Result<std::unique_ptr<TokenModel>> (*parse)(const Json&);
};

constexpr Kind kKinds[] = {{"BPE", ParseBpe}, {"Unigram", ParseUnigram}};

}  // namespace

Result<std::unique_ptr<TokenModel>> ParseTokenModel(const Json& json) {
  // Files from before 2021 have no type where merges tell a BPE.
  if (!json.Find("type") && json.Find("merges")) return ParseBpe(json);
  RW_ASSIGN(const Kind* kind, PickByName(kKinds, json, "type"));
  return kind->parse(json);
}

std::vector<int32_t> ByteTokens(const Vocab& vocab) {
  std::vector<int32_t> ids(256);
  for (int byte = 0; byte < 256; ++byte) {
    ids[byte] = vocab.Find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
  return ids;
}

}  // namespace rw::tok
