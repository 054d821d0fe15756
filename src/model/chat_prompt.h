// A conversation as the token ids that a model continues.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "model/chat_template/model_chat_template.h"
#include "model/tokenizer/tokenizer.h"

namespace rw {

// Renders the messages with the model's template, up to where the assistant's next message begins,
// and encodes the result. Special tokens come from the template only: a message that says
// "<|im_end|>" means those characters, so nobody can end a turn or speak as somebody else by
// writing it.
Result<std::vector<int32_t>> EncodeChat(const ModelChatTemplate& chat, const Tokenizer& tokenizer,
                                        std::span<const ChatMessage> messages);

}  // namespace rw
