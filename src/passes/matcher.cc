#include "passes/matcher.h"

#include <fmt/format.h>

#include <algorithm>

namespace rw {
namespace {

struct Refused {
  Reason reason;
  std::string detail;
};
using MaybeRefused = std::optional<Refused>;

bool Contains(const std::vector<int>& nodes, int node) {
  return std::ranges::binary_search(nodes, node);
}

// A reader outside of the site, -1 if there is none.
int OutsideUser(const Matcher& m, const Site& site, ValueId id) {
  for (const int user : m.Users(id)) {
    if (!Contains(site.nodes, user)) return user;
  }
  return -1;
}

std::string UserName(const Matcher& m, int node) {
  return fmt::format("%{} = {}", m.graph().value(m.node(node).out[0]).name, m.node(node).op->name);
}

// Values that the new call does not make must have no other reader.
MaybeRefused CheckVanishing(const Matcher& m, const Site& site) {
  for (const int node : site.nodes) {
    for (const ValueId id : m.node(node).out) {
      if (std::ranges::find(site.out, id) != site.out.end()) continue;
      const std::string& name = m.graph().value(id).name;
      if (m.IsOutput(id)) {
        return Refused{Reason::kValueUsedElsewhere,
                       fmt::format("%{} is an output of the graph", name)};
      }
      if (const int user = OutsideUser(m, site, id); user >= 0) {
        return Refused{Reason::kValueUsedElsewhere,
                       fmt::format("%{} is also read by {}", name, UserName(m, user))};
      }
    }
  }
  return std::nullopt;
}

// An operand of the new call must not vanish with the ops it replaces (act * act).
MaybeRefused CheckOperands(const Matcher& m, const Site& site) {
  for (const ValueId id : site.in) {
    if (m.Producer(id) >= 0 && Contains(site.nodes, m.Producer(id))) {
      return Refused{Reason::kAliasedOperands,
                     fmt::format("%{} is an operand twice", m.graph().value(id).name)};
    }
  }
  return std::nullopt;
}

// As late as the last op it replaces, but before the first reader of its results.
MaybeRefused FindPlace(const Matcher& m, Site& site) {
  int place = site.nodes.back();
  for (const ValueId id : site.out) {
    if (const int user = OutsideUser(m, site, id); user >= 0) place = std::min(place, user);
  }
  for (const ValueId id : site.in) {
    if (m.Producer(id) >= place) {
      return Refused{Reason::kOrder, fmt::format("{} comes before %{}", UserName(m, place),
                                                 m.graph().value(id).name)};
    }
  }
  site.before = place;
  return std::nullopt;
}

MaybeRefused CheckCache(const Matcher& m, const Site& site) {
  for (const ValueId id : site.in) {
    if (!m.graph().type(id).is_kv()) continue;
    for (const int user : m.Users(id)) {
      if (!Contains(site.nodes, user) && user >= site.before) {
        return Refused{Reason::kCacheReadBetween, UserName(m, user)};
      }
    }
  }
  return std::nullopt;
}

MaybeRefused CheckTypes(const Matcher& m, Site& site) {
  std::vector<Type> in;
  for (const ValueId id : site.in) in.push_back(m.graph().type(id));
  const auto results = InferResults(*site.op, in, site.attrs);
  if (!results) return Refused{Reason::kDifferentAttributes, results.error().message};
  for (size_t i = 0; i < site.out.size(); ++i) {
    const Type& old = m.graph().type(site.out[i]);
    if ((*results)[i] != old) {
      return Refused{Reason::kDifferentAttributes,
                     fmt::format("%{} would be {}, is {}", m.graph().value(site.out[i]).name,
                                 ToString((*results)[i]), ToString(old))};
    }
  }
  // The new results have the old ones' types.
  const CallTypes types = TypesOf(m.graph(), site.in, site.out);
  const KernelRow* row = m.find_kernel()(*site.op, {types.in, types.out, types.kv}, site.attrs);
  if (row == nullptr) return Refused{Reason::kNoKernelForTypes, std::string(site.op->name)};
  site.kernel = fmt::format("{}/{}/{}/{}", row->op, Name(row->device), row->provider,
                            Name(m.graph().type(site.in[0]).dtype));
  site.most_tokens = row->most_tokens;
  return std::nullopt;
}

}  // namespace

Matcher::Matcher(const Graph& graph, KernelFinder find_kernel)
    : graph_(graph),
      find_kernel_(std::move(find_kernel)),
      users_(graph.values().size()),
      is_output_(graph.values().size()) {
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    for (const ValueId id : graph.nodes()[i].in) {
      auto& users = users_[static_cast<size_t>(id)];
      if (users.empty() || users.back() != static_cast<int>(i))
        users.push_back(static_cast<int>(i));
    }
  }
  for (const ValueId id : graph.outputs()) is_output_[static_cast<size_t>(id)] = true;
}

int Matcher::Producer(ValueId id, const OpDef& op) const {
  const int index = Producer(id);
  return index >= 0 && node(index).op == &op ? index : -1;
}

void Matches::Add(Site site) {
  std::ranges::sort(site.nodes);
  MaybeRefused refused = CheckVanishing(m_, site);
  if (!refused) refused = CheckOperands(m_, site);
  if (!refused) refused = FindPlace(m_, site);
  if (!refused) refused = CheckCache(m_, site);
  if (!refused) refused = CheckTypes(m_, site);
  if (refused) return Decline(site.layer, refused->reason, std::move(refused->detail));
  sites_.push_back(std::move(site));
}

void Matches::Decline(int layer, Reason reason, std::string detail) {
  declined_.push_back({layer, reason, std::move(detail)});
}

void Matches::Filter(Reason reason, const std::function<std::string(const Site&)>& refused) {
  std::erase_if(sites_, [&](const Site& site) {
    std::string detail = refused(site);
    if (detail.empty()) return false;
    Decline(site.layer, reason, std::move(detail));
    return true;
  });
}

}  // namespace rw
