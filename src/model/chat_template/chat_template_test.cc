#include "model/chat_template/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rw {
namespace {

using testing::HasSubstr;
using testing::Not;

TemplateValue Nothing() { return TemplateValue::Object({}); }

Result<std::string> Render(const std::string& source, const TemplateValue& context = Nothing(),
                           const RenderLimits& limits = {}) {
  RW_ASSIGN(const ChatTemplate chat_template, ChatTemplate::Parse(source, "t.jinja"));
  RenderOptions options;
  options.limits = limits;
  return chat_template.Render(context, options);
}

std::string ErrorOf(const std::string& source, const RenderLimits& limits = {}) {
  const auto text = Render(source, Nothing(), limits);
  if (text) return "rendered: " + text->substr(0, 100);
  EXPECT_THAT(text.error().message, Not(HasSubstr("\n")));
  return text.error().message;
}

std::string Repeated(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

TEST(ChatTemplate, RendersAConversation) {
  const auto chat_template = ChatTemplate::Parse(
      "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m['content'] }}{{ eos_token }}"
      "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
      "{{ tools is none }}{{ mood }}",
      "t.jinja");
  ASSERT_TRUE(chat_template) << chat_template.error().message;
  const ChatMessage messages[] = {{"system", "Be kind."}, {"user", "Hi \xC3\xA9"}};
  ChatOptions options;
  options.bos_token = "<s>";
  options.eos_token = "</s>";
  options.variables.emplace_back("mood", TemplateValue::Int(3));
  EXPECT_EQ(RenderChat(*chat_template, messages, options).value_or("error"),
            "<s><system>Be kind.</s><user>Hi \xC3\xA9</s><assistant>True3");
  options.add_generation_prompt = false;
  options.bos_token.reset();
  EXPECT_EQ(RenderChat(*chat_template, messages, options).value_or("error"),
            "<system>Be kind.</s><user>Hi \xC3\xA9</s>True3");
}

TEST(ChatTemplate, ErrorsSayWhere) {
  EXPECT_EQ(ErrorOf("a\n{% if %}"), "t.jinja:2: expected an expression, found '%}'");
  EXPECT_EQ(ErrorOf("a\nb\n{{ x.y }}"), "t.jinja:3: 'x' is undefined");
  EXPECT_EQ(ErrorOf("\n{% for i in [1] %}\n\n{{ i +\n 'a' }}{% endfor %}"),
            "t.jinja:4: '+' does not take a 'int' and a 'str'");
  EXPECT_EQ(ErrorOf("{% macro m() %}\n{{ 1 // 0 }}{% endmacro %}\n\n{{ m() }}"),
            "t.jinja:2: division by zero");
  EXPECT_EQ(ErrorOf("{% if true %}x"),
            "t.jinja:1: '{% endif %}' is missing at the end of the template");
  EXPECT_EQ(ErrorOf("\n{{ raise_exception('No\\nsystem role') }}"),
            "t.jinja:2: the template refuses this chat: No system role");
  EXPECT_EQ(ErrorOf("{{ 'a'|nosuch }}"), "t.jinja:1: there is no filter 'nosuch' here");
  EXPECT_EQ(ErrorOf("{% include 'x' %}"),
            "t.jinja:1: '{% include %}' is not supported in chat templates");
  EXPECT_THAT(ErrorOf("\xFF"), HasSubstr("expected UTF-8"));
  EXPECT_THAT(Render("", TemplateValue::Int(1)).error().message, HasSubstr("expected a dict"));
}

TEST(ChatTemplate, UnknownFilterMattersOnlyWhereReached) {
  EXPECT_EQ(Render("{% if false %}{{ 1|nosuch }}{% endif %}{{ 2 if true else 1|nosuch }}").value(),
            "2");
  EXPECT_THAT(ErrorOf("{% if true %}{{ 1|nosuch }}{% endif %}"), HasSubstr("no filter 'nosuch'"));
}

TEST(ChatTemplate, SandboxHidesWhatChangesThings) {
  EXPECT_THAT(ErrorOf("{{ [].append(1) }}"),
              HasSubstr("access to 'append' of a 'list' is refused"));
  EXPECT_THAT(ErrorOf("{{ ''.__class__.__mro__ }}"), HasSubstr("access to '__class__'"));
  EXPECT_THAT(ErrorOf("{{ namespace(_a=1) }}"), HasSubstr("starts with '_'"));
  EXPECT_THAT(ErrorOf("{% set ns = namespace() %}{% set ns.__x = 1 %}"), HasSubstr("'_'"));
  EXPECT_THAT(ErrorOf("{{ strftime_now('%1000000d') }}"), HasSubstr("does not know"));
}

TEST(ChatTemplate, GreedIsRefused) {
  const std::string doubling =
      "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}"
      "{% endfor %}";
  for (const std::string& source :
       {std::string("{{ 'a' * 10**9 }}"), std::string("{{ [1] * 10**18 }}"), doubling,
        std::string("{{ range(100000)|join('x' * 1000) }}"),
        std::string("{{ ('a' * 1000000).replace('', 'b' * 1000) }}"),
        std::string("{{ 'x'|indent(10**12) }}"),
        std::string("{{ ('a,' * 15000000).split(',') }}")}) {
    EXPECT_THAT(ErrorOf(source), HasSubstr("limit of memory")) << source.substr(0, 80);
  }
  EXPECT_THAT(ErrorOf("{{ range(10**9)|list }}"), HasSubstr("more than 100000"));
  EXPECT_THAT(ErrorOf("{{ '%999999999d' % 1 }}"), HasSubstr("wider than"));
  EXPECT_THAT(ErrorOf("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}"
                      "{% endfor %}"),
              HasSubstr("limit of steps"));
  // A tree of shared lists has 2^60 leaves, but few lists.
  const std::string shared =
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}"
      "{% endfor %}";
  EXPECT_THAT(ErrorOf(shared + "{{ ns.x == ns.x[:] }}"), HasSubstr("limit of steps"));
  EXPECT_THAT(ErrorOf(shared + "{{ ns.x }}"), HasSubstr("limit of"));
  EXPECT_THAT(ErrorOf(shared + "{{ ns.x|tojson }}"), HasSubstr("limit of"));
}

TEST(ChatTemplate, LimitsAreTheCallers) {
  RenderLimits limits;
  limits.output_bytes = 10;
  EXPECT_EQ(Render("{{ 'a' * 10 }}", Nothing(), limits).value(), "aaaaaaaaaa");
  EXPECT_THAT(ErrorOf("{{ 'a' * 11 }}", limits), HasSubstr("limit of 10 bytes"));
  limits = {};
  limits.steps = 100;
  EXPECT_THAT(ErrorOf("{% for i in range(100) %}{{ i }}{% endfor %}", limits), HasSubstr("steps"));
  limits = {};
  limits.depth = 3;
  const std::string macro = "{% macro m(n) %}{{ n }}{{ m(n - 1) if n }}{% endmacro %}";
  EXPECT_EQ(Render(macro + "{{ m(2) }}", Nothing(), limits).value(), "210");
  EXPECT_THAT(ErrorOf(macro + "{{ m(3) }}", limits), HasSubstr("more than 3 deep"));
}

TEST(ChatTemplate, DepthIsRefusedNotOverflowed) {
  const std::pair<std::string_view, std::string_view> kBrackets[] = {
      {"(", ")"},  {"[", "]"},   {"-", ""},           {"not ", ""},
      {"a[", "]"}, {"{1:", "}"}, {"1 if 1 else ", ""}};
  for (const auto& [open, close] : kBrackets) {
    const std::string source = "{{ " + Repeated(open, 50000) + "1" + Repeated(close, 50000) + " }}";
    EXPECT_THAT(ErrorOf(source), HasSubstr(" 100 deep")) << open;
  }
  EXPECT_THAT(ErrorOf("{{ a" + Repeated(".a", 100000) + " }}"), HasSubstr("200 deep"));
  EXPECT_THAT(ErrorOf("{{ a" + Repeated("|upper", 100000) + " }}"), HasSubstr("200 deep"));
  EXPECT_THAT(ErrorOf(Repeated("{% if 1 %}", 100000)), HasSubstr("100 deep"));
  EXPECT_EQ(Render("{{ 0" + Repeated("+1", 10000) + " }}").value(), "10000");
  EXPECT_THAT(ErrorOf("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), HasSubstr("100 deep"));
  // Deep calls of deep expressions together.
  EXPECT_THAT(
      ErrorOf("{% macro m() %}" + Repeated("{% if 1 %}", 40) + "{{ " + Repeated("(", 40) + "m()" +
              Repeated(")", 40) + " }}" + Repeated("{% endif %}", 40) + "{% endmacro %}{{ m() }}"),
      HasSubstr("deep"));
  EXPECT_THAT(ErrorOf("{% set ns = namespace(x=1) %}{% for i in range(300) %}"
                      "{% set ns.x = [ns.x] %}{% endfor %}"),
              HasSubstr("values nest more than 100 deep"));
  EXPECT_THAT(ErrorOf("{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns }}"),
              HasSubstr("holds itself"));
  EXPECT_THAT(ErrorOf(Repeated("x", (1 << 20) + 1)), HasSubstr("at most 1048576 bytes"));
}

TEST(ChatTemplate, AMacroDoesNotOutliveItsScope) {
  EXPECT_THAT(ErrorOf("{% set ns = namespace() %}{% for i in [1] %}{% macro m() %}{{ i }}"
                      "{% endmacro %}{% set ns.m = m %}{{ ns.m() }}{% endfor %}{{ ns.m() }}"),
              HasSubstr("after the block that defines it has ended"));
}

TEST(ChatTemplate, BytesThatAreNoUtf8PassThrough) {
  const auto context = TemplateValue::Object({{"s", TemplateValue::String("a\xFF\xC3 b")}});
  EXPECT_EQ(Render("{{ s|upper }}|{{ s|length }}|{{ s[1] }}|{{ s|trim }}", context).value(),
            "A\xFF\xC3 B|5|\xFF|a\xFF\xC3 b");
}

TEST(ChatTemplate, ContextFromJson) {
  const auto document =
      JsonDocument::Parse(R"({"a": [1, 2.5, null, true, {"b": "x"}], "n": 1, "n": 2})", "context");
  ASSERT_TRUE(document);
  const auto context = TemplateValue::FromJson(document->root());
  ASSERT_TRUE(context) << context.error().message;
  EXPECT_EQ(Render("{{ a }}{{ a[4].b }}{{ n }}", *context).value(),
            "[1, 2.5, None, True, {'b': 'x'}]x2");
}

TEST(ChatTemplate, ManyKeysAreFound) {
  std::vector<std::pair<std::string, TemplateValue>> members;
  for (int i = 0; i < 1000; ++i) members.emplace_back(fmt::format("k{}", i), TemplateValue::Int(i));
  const auto context = TemplateValue::Object({{"d", TemplateValue::Object(std::move(members))}});
  EXPECT_EQ(Render("{{ d.k0 }} {{ d['k999'] }} {{ d.get('k1000', '-') }} {{ 'k500' in d }} "
                   "{{ d|length }} {{ dict(d, k7='x').k7 }}",
                   context)
                .value(),
            "0 999 - True 1000 x");
}

}  // namespace
}  // namespace rw
