#include "cli/bench_ab.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "compile/compile.h"

namespace rw {
namespace {

constexpr std::string_view kSides = "AB";
constexpr std::string_view kSupported = "supported";
constexpr std::string_view kContradicted = "contradicted";
constexpr std::string_view kNotDecided = "not decided";

std::vector<std::string_view> SplitOutsideBrackets(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '[' ? 1 : text[i] == ']' ? -1 : 0;
    if (text[i] != ',' || depth > 0) continue;
    parts.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::string Setting(Knob knob, const KnobValue& value) {
  return fmt::format("{}={}", Def(knob).name, ToString(Def(knob), value));
}

struct Phase {
  std::string_view name;
  std::array<Spread, 2> rate;  // tokens per second
  AbGain gain;
};

using Seconds = std::vector<double>;

// Of engines A, B, A, B.
Phase MakePhase(std::string_view name, const std::array<Seconds, 4>& engines, double tokens) {
  const auto rates = [&](size_t side) {
    std::vector<double> values;
    for (const size_t engine : {side, side + 2}) {
      for (const double s : engines[engine]) values.push_back(tokens / s);
    }
    return Spread(values);
  };
  std::vector<double> gains = Gains(engines[0], engines[1]);
  const std::vector<double> more = Gains(engines[2], engines[3]);
  gains.insert(gains.end(), more.begin(), more.end());
  const auto differ = [&](size_t side) {
    return std::abs(Spread(Gains(engines[side], engines[side + 2])).median);
  };
  return {name, {rates(0), rates(1)}, {Confidence(gains), std::max(differ(0), differ(1))}};
}

struct Comparison {
  AbQuestion question;
  std::vector<Phase> phases;
  Decision by_default;
  int level = kDefaultLevel;
  AbVerdict verdict;
};

nlohmann::ordered_json ToJson(const Comparison& c) {
  const KnobDef& def = Def(c.question.knob);
  nlohmann::ordered_json json = {{"knob", def.name}};
  for (const size_t side : {size_t{0}, size_t{1}}) {
    json[side == 0 ? "a" : "b"] = ToString(def, c.question.values[side]);
  }
  for (const Phase& phase : c.phases) {
    nlohmann::ordered_json& entry = json[std::string(phase.name)];
    for (const size_t side : {size_t{0}, size_t{1}}) {
      const Spread& rate = phase.rate[side];
      entry[side == 0 ? "a_tokens_per_s" : "b_tokens_per_s"] = {
          {"median", rate.median}, {"min", rate.low}, {"max", rate.high}};
    }
    const auto& [gain, noise] = phase.gain;
    entry["gain_percent"] = {
        {"median", gain.median}, {"low", gain.low}, {"high", gain.high}, {"noise", noise}};
  }
  json["default"] = ToString(def, c.by_default.value);
  json["default_set_by"] = Name(c.by_default.source);
  json["verdict"] = c.verdict.word;
  json["why"] = c.verdict.why;
  return json;
}

void Print(const Comparison& c) {
  for (const size_t side : {size_t{0}, size_t{1}}) {
    fmt::print("{}: {}\n", kSides[side], Setting(c.question.knob, c.question.values[side]));
  }
  fmt::print("{:<10}{:>14}{:>14}   A is faster by (95 % of repetitions), the same differs by\n",
             "tokens/s", "A", "B");
  for (const Phase& phase : c.phases) {
    const auto& [gain, noise] = phase.gain;
    fmt::print("{:<10}{:>14.1f}{:>14.1f}   {:+.2f} % ({:+.2f} to {:+.2f}), {:.2f} %\n", phase.name,
               phase.rate[0].median, phase.rate[1].median, gain.median, gain.low, gain.high, noise);
  }
  fmt::print("default {} ({}): {}; {}\n", Setting(c.question.knob, c.by_default.value),
             c.by_default.source == Source::kLevel ? fmt::format("level O{}", c.level)
                                                   : std::string(Name(c.by_default.source)),
             c.verdict.word, c.verdict.why);
}

// Which side the default is: the value that was asked for, or what a plan made of it.
int SideOf(const KnobValue& by_default, const AbQuestion& question,
           const std::array<KnobValue, 2>& resolved) {
  for (const auto& values : {question.values, resolved}) {
    for (const int side : {0, 1}) {
      if (values[static_cast<size_t>(side)] == by_default) return side;
    }
  }
  return -1;
}

}  // namespace

Result<AbQuestion> ParseAb(std::string_view text) {
  const size_t equals = text.find('=');
  RW_ASSIGN(const Knob knob, FindKnob(text.substr(0, equals)));
  const KnobDef& def = Def(knob);
  if (equals == std::string_view::npos) {
    if (def.type == KnobType::kFlag) return AbQuestion{knob, {true, false}};
    return Err("--ab {}: expected {}=A,B with two values{}", text, def.name,
               def.values.empty() ? "" : fmt::format(" of {}", fmt::join(def.values, ", ")));
  }
  const std::vector<std::string_view> parts = SplitOutsideBrackets(text.substr(equals + 1));
  if (parts.size() != 2) {
    return Err("--ab {}: expected two values, found {}; a list stands in brackets", text,
               parts.size());
  }
  AbQuestion question{.knob = knob};
  for (size_t side = 0; side < 2; ++side) {
    Options checked;  // the names in a list too
    RW_TRY(ApplyCompilationConfig(fmt::format("{}={}", def.name, parts[side]), checked));
    question.values[side] = *checked.Find(knob);
  }
  if (question.values[0] == question.values[1]) {
    return Err("--ab {}: expected two different values", text);
  }
  return question;
}

AbVerdict Judge(int side, const AbGain& prompt, const AbGain& generate) {
  if (side < 0) return {kNotDecided, "neither is the default"};
  std::vector<std::string_view> faster;
  std::vector<std::string_view> slower;
  const auto note = [&](std::string_view phase, const AbGain& gain) {
    if (side == 0 ? gain.first() : gain.second()) faster.push_back(phase);
    if (side == 0 ? gain.second() : gain.first()) slower.push_back(phase);
  };
  note("prompts", prompt);
  note("generating", generate);
  if (faster.empty() && slower.empty())
    return {kNotDecided, "no difference stands out of the spread"};
  if (slower.empty()) {
    return {kSupported, fmt::format("faster for {}", fmt::join(faster, " and "))};
  }
  if (faster.empty()) {
    return {kContradicted, fmt::format("slower for {}", fmt::join(slower, " and "))};
  }
  return {kNotDecided, fmt::format("faster for {}, slower for {}", faster[0], slower[0])};
}

namespace {

// Two engines of each value, as engines of one value differ too.
Result<Comparison> Compare(const ModelRunner& base, const AbQuestion& question,
                           const BatchShape& batch, const AbFlags& flags, ThreadPool& pool) {
  std::vector<Engine> engines;
  std::array<KnobValue, 2> resolved;
  for (const size_t side : {size_t{0}, size_t{1}, size_t{0}, size_t{1}}) {
    Options asked = base.options().plan;
    asked.Set(question.knob, question.values[side]);
    RW_ASSIGN(ModelRunner runner, base.With(asked, pool));
    resolved[side] = runner.plan()[question.knob].value;
    engines.emplace_back(std::move(runner), pool);
  }
  RW_ASSIGN(const std::vector<TurnTimes> t,
            RunInTurn(std::array{&engines[0], &engines[1], &engines[2], &engines[3]}, batch,
                      flags.rounds, flags.warmup));
  Comparison c{.question = question,
               .by_default = base.plan()[question.knob],
               .level = base.options().plan.level};
  c.phases = {MakePhase("prompt", {t[0].prompt, t[1].prompt, t[2].prompt, t[3].prompt},
                        static_cast<double>(batch.batch_size * batch.input_len))};
  AbGain generate;
  if (t[0].generated > 0) {  // else all of it was reading the prompt
    c.phases.push_back(MakePhase("generate",
                                 {t[0].generate, t[1].generate, t[2].generate, t[3].generate},
                                 static_cast<double>(t[0].generated)));
    generate = c.phases.back().gain;
  }
  c.verdict = Judge(SideOf(c.by_default.value, question, resolved), c.phases[0].gain, generate);
  return c;
}

}  // namespace

Result<int> BenchAb(const ModelFlags& model, const BatchShape& batch, const AbFlags& flags) {
  RW_ASSIGN(const AbQuestion question, ParseAb(flags.question));
  RW_ASSIGN(const ModelConfig config, LoadConfig(model.model));
  RW_ASSIGN(const ModelOptions options, OptionsFor(model, batch, config));
  if (options.plan.Asked(question.knob)) {
    return Err("--ab {0}: compares values of {0}, so no other flag may set it",
               Def(question.knob).name);
  }
  ThreadPool pool(model.Threads());
  RW_ASSIGN(const ModelRunner base, LoadModel(model, config, options, pool));
  RW_ASSIGN(const Comparison c, Compare(base, question, batch, flags, pool));
  if (flags.json) {
    nlohmann::ordered_json report = {
        {"model", model.model},           {"device", base.device().name()},
        {"dtype", Name(options.dtype)},   {"threads", pool.threads()},
        {"input_len", batch.input_len},   {"output_len", batch.output_len},
        {"batch_size", batch.batch_size}, {"pairs", 2 * flags.rounds}};
    report.update(ToJson(c));
    fmt::print("{}\n", report.dump(2));
    return 0;
  }
  fmt::print("{} threads, batch {}, {} prompt + {} generated tokens, medians of {} pairs in turn\n",
             pool.threads(), batch.batch_size, batch.input_len, batch.output_len, 2 * flags.rounds);
  Print(c);
  return 0;
}

}  // namespace rw
