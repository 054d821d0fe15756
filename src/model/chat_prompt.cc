#include "model/chat_prompt.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace rw {
namespace {

// Two characters that no message holds. They stand around what looks like a special token while the
// template runs, which passes them through like any text.
struct Guards {
  std::string open;
  std::string close;
};

// A character of the private use area, U+E000 + index, as UTF-8.
std::string PrivateCharacter(int index) {
  const int code = 0xE000 + index;
  return {static_cast<char>(0xE0 | (code >> 12)), static_cast<char>(0x80 | ((code >> 6) & 0x3F)),
          static_cast<char>(0x80 | (code & 0x3F))};
}

Result<Guards> ChooseGuards(std::span<const ChatMessage> messages) {
  std::vector<std::string> unused;
  for (int i = 0; i < 6400 && unused.size() < 2; ++i) {
    const std::string character = PrivateCharacter(i);
    const bool used = std::any_of(messages.begin(), messages.end(), [&](const ChatMessage& m) {
      return m.content.find(character) != std::string::npos;
    });
    if (!used) unused.push_back(character);
  }
  if (unused.size() < 2) return Err("messages: expected some private use character to be unused");
  return Guards{unused[0], unused[1]};
}

std::vector<std::string_view> SpecialTexts(const Tokenizer& tokenizer) {
  std::vector<std::string_view> texts;
  for (size_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const auto token = static_cast<int32_t>(id);
    if (tokenizer.IsSpecial(token) && !tokenizer.TokenText(token).empty()) {
      texts.push_back(tokenizer.TokenText(token));
    }
  }
  return texts;
}

std::string Guarded(std::string_view text, const std::vector<std::string_view>& special,
                    const Guards& guards) {
  // Where each special text stands next; the leftmost is taken, of several there the longest.
  std::vector<size_t> next(special.size());
  for (size_t i = 0; i < special.size(); ++i) next[i] = text.find(special[i]);
  std::string out;
  for (size_t at = 0;;) {
    size_t first = std::string_view::npos;
    size_t size = 0;
    for (size_t i = 0; i < special.size(); ++i) {
      if (next[i] < at) next[i] = text.find(special[i], at);
      if (next[i] < first) first = next[i], size = 0;
      if (next[i] == first && first != std::string_view::npos) {
        size = std::max(size, special[i].size());
      }
    }
    if (first == std::string_view::npos) return out.append(text.substr(at));
    out.append(text.substr(at, first - at)).append(guards.open);
    out.append(text.substr(first, size)).append(guards.close);
    at = first + size;
  }
}

}  // namespace

Result<std::vector<int32_t>> EncodeChat(const ModelChatTemplate& chat, const Tokenizer& tokenizer,
                                        std::span<const ChatMessage> messages) {
  RW_ASSIGN(const Guards guards, ChooseGuards(messages));
  const std::vector<std::string_view> special = SpecialTexts(tokenizer);
  std::vector<ChatMessage> guarded(messages.begin(), messages.end());
  for (ChatMessage& message : guarded) message.content = Guarded(message.content, special, guards);
  ChatOptions options;
  options.bos_token = chat.bos_token;
  options.eos_token = chat.eos_token;
  RW_ASSIGN(const std::string rendered, RenderChat(chat.chat_template, guarded, options));

  std::vector<int32_t> ids;
  std::string_view rest = rendered;
  for (bool inside = false; !rest.empty(); inside = !inside) {
    const size_t end = rest.find(inside ? guards.close : guards.open);
    const std::string_view part = rest.substr(0, end);
    RW_ASSIGN(const std::vector<int32_t> more,
              tokenizer.Encode(part, SpecialTokens::kOmit,
                               inside ? ParseSpecial::kNo : ParseSpecial::kYes));
    ids.insert(ids.end(), more.begin(), more.end());
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + guards.open.size());
  }
  return ids;
}

}  // namespace rw
