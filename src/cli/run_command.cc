// ropewalk run MODEL: complete a prompt, or chat.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/model_flags.h"
#include "engine/generate.h"
#include "model/chat_prompt.h"
#include "model/checkpoint.h"
#include "model/gguf.h"
#include "model/model_files.h"
#include "plan/explain.h"

namespace rw {
namespace {

struct Flags {
  ModelFlags model;
  std::optional<std::string> prompt;
  std::string system;
  bool chat = false;
  bool echo = false;
  bool json = false;
  SamplingParams sampling;
  std::optional<uint64_t> seed;
};

void PrintRates(const Generation& g) {
  fmt::print(
      stderr, "prompt {} tokens, {:.1f} tokens/s; generated {} tokens, {:.1f} tokens/s ({})\n",
      g.prompt_tokens, g.prompt_rate(), g.tokens.size(), g.generate_rate(), Name(g.finished));
}

nlohmann::ordered_json ToJson(const Generation& g, const Tokenizer& tokenizer) {
  nlohmann::ordered_json tokens = nlohmann::ordered_json::array();
  for (const Sampled& sampled : g.tokens) {
    nlohmann::ordered_json token = {{"id", sampled.token}};
    if (sampled.logprob) {
      token["logprob"] = *sampled.logprob;
      for (const TokenLogprob& other : sampled.top) {
        token["top"].push_back({{"id", other.token},
                                {"token", tokenizer.TokenText(other.token)},
                                {"logprob", other.logprob}});
      }
    }
    tokens.push_back(std::move(token));
  }
  return {{"text", g.text},
          {"finish_reason", Name(g.finished)},
          {"tokens", std::move(tokens)},
          {"prompt_tokens", g.prompt_tokens},
          {"generated_tokens", g.tokens.size()},
          {"prompt_tokens_per_s", g.prompt_rate()},
          {"generated_tokens_per_s", g.generate_rate()}};
}

// Looked at only when the logits are broken: a scan of all weights would double the loading time.
std::string BrokenWeights(const std::string& model) {
  if (IsGgufFile(model)) {
    return "a value overflowed, or the file's weights hold NaN or infinity; try --dtype float32";
  }
  const auto checkpoint = Checkpoint::Open(model);
  ThreadPool pool(AvailableCores());
  const auto broken = checkpoint ? checkpoint->FindNonFinite(pool) : std::vector<NonFinite>();
  if (broken.empty()) return "its weights are finite, so a value overflowed; try --dtype float32";
  return fmt::format("{} of its weight tensors hold NaN or infinity, {} the first, {} times",
                     broken.size(), broken[0].tensor, broken[0].count);
}

// What a run needs once the flags are read.
struct Session {
  const Flags& flags;
  const Tokenizer& tokenizer;
  Engine& engine;

  Result<Generation> Generate(std::vector<int32_t> prompt) const {
    const auto show = [](std::string_view text) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    };
    RW_ASSIGN(Generation generation,
              rw::Generate(engine, tokenizer, {std::move(prompt), flags.sampling},
                           flags.json ? std::function<void(std::string_view)>() : show));
    if (generation.finished == FinishReason::kError) {
      return Err("the model gave no finite logits after {} tokens: {}", generation.tokens.size(),
                 BrokenWeights(flags.model.model));
    }
    if (flags.json) {
      fmt::print("{}\n", ToJson(generation, tokenizer)
                             .dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
      show("\n");
      PrintRates(generation);
    }
    return generation;
  }
};

Result<int> Complete(const Session& session) {
  const Flags& flags = session.flags;
  RW_ASSIGN(std::vector<int32_t> prompt,
            session.tokenizer.Encode(*flags.prompt, SpecialTokens::kAdd));
  if (flags.echo) {
    fmt::print("{}", *flags.prompt);
    std::fflush(stdout);
  }
  RW_TRY(session.Generate(std::move(prompt)));
  return 0;
}

// One answer to the conversation so far, which is appended to it.
Status Answer(const Session& session, const ModelChatTemplate& chat,
              std::vector<ChatMessage>& messages) {
  RW_ASSIGN(std::vector<int32_t> prompt, EncodeChat(chat, session.tokenizer, messages));
  RW_ASSIGN(Generation generation, session.Generate(std::move(prompt)));
  messages.push_back({"assistant", std::move(generation.text)});
  return {};
}

Result<int> Chat(const Session& session, const ModelChatTemplate& chat) {
  const Flags& flags = session.flags;
  std::vector<ChatMessage> messages;
  if (!flags.system.empty()) messages.push_back({"system", flags.system});
  if (flags.prompt) {
    messages.push_back({"user", *flags.prompt});
    RW_TRY(Answer(session, chat, messages));
    return 0;
  }
  const bool terminal = ::isatty(STDIN_FILENO) == 1;
  for (std::string line;;) {
    if (terminal) fmt::print(stderr, "> ");
    if (!std::getline(std::cin, line)) break;
    if (line.empty()) continue;
    messages.push_back({"user", line});
    RW_TRY(Answer(session, chat, messages));
  }
  return 0;
}

Result<int> Run(Flags& flags) {
  if (!flags.chat && !flags.prompt) return Err("expected --prompt TEXT or --chat");
  flags.sampling.seed = flags.seed;
  RW_TRY(Validate(flags.sampling));
  // What is small is read first, so that a mistake shows before gigabytes are.
  RW_ASSIGN(const Tokenizer tokenizer, LoadTokenizer(flags.model.model));
  std::optional<ModelChatTemplate> chat;
  if (flags.chat) {
    RW_ASSIGN(chat, LoadModelChatTemplate(flags.model.model));
  }
  RW_ASSIGN(const ModelConfig config, LoadConfig(flags.model.model));
  RW_ASSIGN(ModelOptions options, flags.model.ModelOnDevice(config.dtype));
  options.max_sequences = 1;
  ThreadPool pool(flags.model.Threads());
  RW_ASSIGN(ModelRunner model, LoadModel(flags.model, config, options, pool));
  fmt::print(stderr, "{}\n", Summary(model.plan(), model.compiled().facts));
  Engine engine(std::move(model), pool);
  const Session session{flags, tokenizer, engine};
  return chat ? Chat(session, *chat) : Complete(session);
}

void AddSamplingFlags(CLI::App& command, Flags& flags) {
  SamplingParams& p = flags.sampling;
  command.add_option("--max-tokens", p.max_tokens, "Most tokens to generate; 0: as many as fit");
  command.add_option("--temperature", p.temperature, "0: always the likeliest token")
      ->capture_default_str();
  command.add_option("--top-k", p.top_k, "Choose among the k likeliest; 0: all");
  command.add_option("--top-p", p.top_p, "Choose among the likeliest that together reach p")
      ->capture_default_str();
  command.add_option("--min-p", p.min_p, "Choose among those at least this times the likeliest");
  command
      .add_option("--repetition-penalty", p.repetition_penalty,
                  "Over 1: seen tokens are less likely")
      ->capture_default_str();
  command.add_option("--presence-penalty", p.presence_penalty,
                     "Taken once from tokens generated before");
  command.add_option("--frequency-penalty", p.frequency_penalty,
                     "Taken for each time a token was generated");
  command.add_option("--seed", flags.seed, "Makes sampling repeat");
  command.add_option("--stop", p.stop, "End before this text; may be given several times")
      ->allow_extra_args(false);
  command.add_flag("--ignore-eos", p.ignore_eos, "Go on after an end-of-sequence token");
}

}  // namespace

CommandBody AddRunCommand(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("run", "Complete a prompt, or chat");
  command->footer(
      "Examples:\n  ropewalk run models/tales-5m --prompt \"Once upon a time\" --max-tokens 100\n"
      "  ropewalk run MODEL --prompt \"...\" --temperature 0.8 --top-p 0.95 --seed 7\n"
      "  ropewalk run MODEL --chat --system \"Answer briefly.\"\n"
      "  ropewalk run MODEL --prompt \"...\" --json --logprobs 5");
  flags->model.AddModel(*command);
  flags->model.AddLoadFormat(*command);
  flags->model.AddQuantization(*command);
  flags->model.AddKernels(*command);
  flags->model.AddPlan(*command);
  flags->model.AddSizes(*command);
  command->add_option("--prompt", flags->prompt,
                      "The text to go on from; with --chat, the one message");
  auto* chat =
      command->add_flag("--chat", flags->chat, "Talk: messages from standard input, a line each");
  command->add_option("--system", flags->system, "With --chat: the system message")->needs(chat);
  command->add_flag("--echo", flags->echo, "Print the prompt before what follows it")
      ->excludes(chat);
  auto* json = command->add_flag("--json", flags->json, "Print one JSON object for each answer");
  command
      ->add_option("--logprobs", flags->sampling.logprobs,
                   "With --json: report the N likeliest tokens of each step")
      ->needs(json);
  AddSamplingFlags(*command, *flags);
  return [flags] { return Run(*flags); };
}

}  // namespace rw
