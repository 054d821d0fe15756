#include "model/tokenizer/metaspace.h"

#include "model/tokenizer/fields.h"

namespace rw::tok {
namespace {

using Prepend = MetaspaceFields::Prepend;

struct Scheme {
  std::string_view name;
  Prepend prepend;
};

constexpr Scheme kSchemes[] = {
    {"first", Prepend::kFirst},
    {"never", Prepend::kNever},
    {"always", Prepend::kAlways},
};

}  // namespace

Result<MetaspaceFields> ParseMetaspaceFields(const Json& json) {
  MetaspaceFields fields;
  RW_ASSIGN(fields.replacement, CharField(json, "replacement"));
  RW_ASSIGN(fields.split, BoolField(json, "split", true));
  // Older files say add_prefix_space, for which prepend_scheme came later.
  RW_ASSIGN(const bool add_prefix_space, BoolField(json, "add_prefix_space", true));
  if (json.Find("prepend_scheme")) {
    RW_ASSIGN(const Scheme* scheme, PickByName(kSchemes, json, "prepend_scheme"));
    fields.prepend = scheme->prepend;
    if (!add_prefix_space && fields.prepend != Prepend::kNever) {
      return Err("{}: expected prepend_scheme never with add_prefix_space false, found {}",
                 json.where(), scheme->name);
    }
  } else if (!add_prefix_space) {
    fields.prepend = Prepend::kNever;
  }
  return fields;
}

}  // namespace rw::tok
