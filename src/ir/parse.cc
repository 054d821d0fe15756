// Reads the text form that print.cc writes.
#include <charconv>
#include <map>
#include <optional>

#include "ir/graph.h"

namespace rw {
namespace {

// One line, taken apart from the left.
class Line {
 public:
  Line(std::string_view text, int number) : text_(text), number_(number) {}

  bool empty() {
    SkipSpace();
    return text_.empty();
  }
  bool Accept(std::string_view token) {
    SkipSpace();
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  Status Expect(std::string_view token) {
    if (Accept(token)) return {};
    return Wrong(token);
  }
  tl::unexpected<Error> Wrong(std::string_view wanted) const {
    return Err("graph text, line {}: expected {}, found \"{}\"", number_, wanted,
               text_.substr(0, 40));
  }

  Result<std::string_view> Name() {
    SkipSpace();
    size_t size = 0;
    while (size < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[size])) != 0 || text_[size] == '_' ||
            text_[size] == '.' || text_[size] == '-' || text_[size] == '\'')) {
      ++size;
    }
    if (size == 0) return Wrong("a name");
    return Take(size);
  }

  Result<int64_t> Int() {
    SkipSpace();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc()) return Wrong("an integer");
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    return value;
  }

  Result<AttrValue> Attr() {
    SkipSpace();
    if (Accept("\"")) {
      const size_t close = text_.find('"');
      if (close == std::string_view::npos) return Wrong("a closing quote");
      std::string value(Take(close));
      text_.remove_prefix(1);
      return AttrValue(std::move(value));
    }
    const std::string_view number = text_.substr(0, text_.find_first_of(",}"));
    if (number.find_first_of(".en") == std::string_view::npos) {
      RW_ASSIGN(const int64_t value, Int());
      return AttrValue(value);
    }
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc()) return Wrong("a number");
    text_.remove_prefix(static_cast<size_t>(end - number.data()));
    return AttrValue(value);
  }

  Result<Type> ParseType() {
    Type type;
    if (Accept("kv<")) type.kind = Type::Kind::kKv;
    RW_ASSIGN(const std::string_view name, Name());
    const std::optional<DType> dtype = ParseDType(name);
    if (!dtype) return Wrong("a dtype");
    type.dtype = *dtype;
    if (type.is_kv()) RW_TRY(Expect(">"));
    RW_TRY(Expect("["));
    while (!Accept("]")) {
      if (!type.dims.empty()) RW_TRY(Expect(","));
      SkipSpace();
      if (!text_.empty() && std::isdigit(static_cast<unsigned char>(text_[0])) != 0) {
        RW_ASSIGN(const int64_t value, Int());
        type.dims.emplace_back(value);
      } else {
        RW_ASSIGN(const std::string_view symbol, Name());
        type.dims.emplace_back(symbol);
      }
    }
    if (type.is_kv() && type.dims.size() != 2) return Wrong("kv<dtype>[heads,head dim]");
    return type;
  }

 private:
  void SkipSpace() {
    while (!text_.empty() && text_.front() == ' ') text_.remove_prefix(1);
  }
  std::string_view Take(size_t size) {
    const std::string_view taken = text_.substr(0, size);
    text_.remove_prefix(size);
    return taken;
  }

  std::string_view text_;
  int number_;
};

class Parser {
 public:
  Parser(const OpDef* (*find_op)(std::string_view)) : find_op_(find_op) {}

  Status ParseLine(Line line) {
    if (line.empty() || line.Accept("#")) return {};
    if (!graph_) {
      RW_TRY(line.Expect("graph"));
      RW_ASSIGN(const std::string_view name, line.Name());
      graph_.emplace(std::string(name));
    } else if (line.Accept("input ")) {
      RW_TRY(Declare(line, "%"));
    } else if (line.Accept("weight ")) {
      RW_TRY(Declare(line, "@"));
    } else if (line.Accept("output ")) {
      RW_ASSIGN(const ValueId id, Reference(line));
      graph_->AddOutput(id);
    } else {
      RW_TRY(Call(line));
    }
    return line.empty() ? Status{} : Status(line.Wrong("the end of the line"));
  }

  Result<Graph> Finish() && {
    if (!graph_) return Err("graph text: expected \"graph NAME\", found nothing");
    RW_TRY(Verify(*graph_));
    return *std::move(graph_);
  }

 private:
  Status Declare(Line& line, std::string_view mark) {
    RW_TRY(line.Expect(mark));
    RW_ASSIGN(const std::string_view name, line.Name());
    RW_TRY(line.Expect(":"));
    RW_ASSIGN(Type type, line.ParseType());
    const ValueId id = mark == "@" ? graph_->AddWeight(std::string(name), std::move(type))
                                   : graph_->AddInput(std::string(name), std::move(type));
    ids_[std::string(mark) + std::string(name)] = id;
    return {};
  }

  Result<ValueId> Reference(Line& line) {
    const bool weight = line.Accept("@");
    if (!weight) RW_TRY(line.Expect("%"));
    RW_ASSIGN(const std::string_view name, line.Name());
    const auto it = ids_.find((weight ? "@" : "%") + std::string(name));
    if (it == ids_.end()) return line.Wrong(fmt::format("{} to be defined above", name));
    return it->second;
  }

  Status Call(Line& line) {
    std::vector<std::string> names;
    while (!line.Accept("=")) {
      if (!names.empty()) RW_TRY(line.Expect(","));
      RW_TRY(line.Expect("%"));
      RW_ASSIGN(const std::string_view name, line.Name());
      names.emplace_back(name);
    }
    RW_ASSIGN(const std::string_view op_name, line.Name());
    const OpDef* op = find_op_(op_name);
    if (op == nullptr) return line.Wrong(fmt::format("a known op instead of {}", op_name));
    std::vector<ValueId> in;
    RW_TRY(line.Expect("("));
    while (!line.Accept(")")) {
      if (!in.empty()) RW_TRY(line.Expect(","));
      RW_ASSIGN(const ValueId id, Reference(line));
      in.push_back(id);
    }
    RW_ASSIGN(Attrs attrs, ParseAttrs(line));
    RW_TRY(line.Expect(":"));
    std::vector<Type> types;
    do {
      RW_ASSIGN(Type type, line.ParseType());
      types.push_back(std::move(type));
    } while (line.Accept(","));
    int layer = kNoLayer;
    if (line.Accept("layer ")) {
      RW_ASSIGN(const int64_t number, line.Int());
      layer = static_cast<int>(number);
    }
    const bool native = line.Accept("native");
    RW_ASSIGN(const std::vector<ValueId> out,
              graph_->AddNode(*op, std::move(in), std::move(attrs), names, layer));
    graph_->SetNative(graph_->nodes().size() - 1, native);
    for (size_t i = 0; i < out.size(); ++i) {
      ids_["%" + names[i]] = out[i];
      if (i >= types.size() || graph_->type(out[i]) != types[i]) {
        return line.Wrong(fmt::format("{} to be {}", names[i], ToString(graph_->type(out[i]))));
      }
    }
    return {};
  }

  static Result<Attrs> ParseAttrs(Line& line) {
    Attrs attrs;
    if (!line.Accept("{")) return attrs;
    while (!line.Accept("}")) {
      if (!attrs.empty()) RW_TRY(line.Expect(","));
      RW_ASSIGN(const std::string_view name, line.Name());
      RW_TRY(line.Expect("="));
      RW_ASSIGN(AttrValue value, line.Attr());
      attrs.Set(name, std::move(value));
    }
    return attrs;
  }

  const OpDef* (*find_op_)(std::string_view);
  std::optional<Graph> graph_;
  std::map<std::string, ValueId, std::less<>> ids_;
};

}  // namespace

Result<Graph> ParseGraph(std::string_view text, const OpDef* (*find_op)(std::string_view)) {
  Parser parser(find_op);
  int number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    RW_TRY(parser.ParseLine(Line(text.substr(0, end), ++number)));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return std::move(parser).Finish();
}

}  // namespace rw
