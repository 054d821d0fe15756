#include "lower/lower.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>

#include "lower/arena.h"
#include "lower/regions.h"

namespace rw {
namespace {

class Lowering {
 public:
  Lowering(const Graph& graph, const LowerOptions& options)
      : graph_(graph), options_(options), pieces_(options.pieces) {}

  Result<Executable> Run() {
    slots_.resize(graph_.values().size());
    root_.resize(graph_.values().size());
    kv_layer_.assign(graph_.values().size(), -1);
    std::iota(root_.begin(), root_.end(), 0);
    first_step_.resize(graph_.values().size());
    AddPorts();
    RW_TRY(AddRegions());
    FindLastUses();
    for (size_t i = 0; i < graph_.nodes().size(); ++i) {
      const Node& node = graph_.nodes()[i];
      if (node.op->memory == Memory::kView) {
        AddView(node);
      } else {
        AddBuffers(node, step_of_[i], region_of_[i]);
      }
    }
    RW_TRY(PlaceArena());
    RW_TRY(AddSteps());
    for (const ValueId id : graph_.outputs()) {
      if (graph_.type(id).is_kv()) continue;
      exec_.outputs.push_back({graph_.value(id).name, Place(id)});
    }
    return std::move(exec_);
  }

 private:
  int Symbol(const std::string& name) {
    if (const int index = exec_.SymbolIndex(name); index >= 0) return index;
    exec_.symbols.push_back(name);
    const auto limit = options_.limits.find(name);
    exec_.limits.push_back(limit == options_.limits.end() ? 0 : limit->second);
    return static_cast<int>(exec_.symbols.size()) - 1;
  }

  std::vector<Extent> Extents(const std::vector<Dim>& dims) {
    std::vector<Extent> extents;
    extents.reserve(dims.size());
    for (const Dim& dim : dims) {
      extents.push_back(dim.is_symbol() ? Extent{0, Symbol(dim.symbol)} : Extent{dim.value, -1});
    }
    return extents;
  }

  Slot NewSlot(Slot::Space space, size_t index, const Type& type) {
    return {space, static_cast<int>(index), 0, type.dtype, Extents(type.dims), 0};
  }

  void AddPorts() {
    for (size_t i = 0; i < graph_.values().size(); ++i) {
      const Value& value = graph_.values()[i];
      if (value.kind == Value::Kind::kResult) continue;
      if (value.type.is_kv()) {
        kv_layer_[i] = static_cast<int>(exec_.kv.size());
        exec_.kv.push_back(
            {value.name, value.type.dtype, value.type.dims[0].value, value.type.dims[1].value});
        continue;
      }
      const bool weight = value.kind == Value::Kind::kWeight;
      auto& ports = weight ? exec_.weights : exec_.inputs;
      slots_[i] =
          NewSlot(weight ? Slot::Space::kWeight : Slot::Space::kInput, ports.size(), value.type);
      ports.push_back({value.name, value.type.dtype, slots_[i].dims});
    }
  }

  // Which nodes are native code, in regions of several. All of a region's nodes run in one step,
  // that of its first node.
  Status AddRegions() {
    if (pieces_.empty()) pieces_ = Partition(graph_, {});
    region_of_.assign(graph_.nodes().size(), -1);
    step_of_.resize(graph_.nodes().size());
    std::iota(step_of_.begin(), step_of_.end(), 0);
    for (const Piece& piece : pieces_) {
      for (Region& region : FindRegions(graph_, piece)) {
        for (const int node : region.nodes) {
          region_of_[static_cast<size_t>(node)] = static_cast<int>(regions_.size());
          step_of_[static_cast<size_t>(node)] = region.nodes.front();
        }
        regions_.push_back(std::move(region));
      }
    }
    native_row_ = NativeRow(options_.device, options_.providers);
    if (!regions_.empty() && native_row_ == nullptr) {
      const Node& node = graph_.nodes()[static_cast<size_t>(regions_.front().nodes.front())];
      return Err("custom_ops: {} is to run as native code, which this build makes for no {}",
                 node.op->name, Name(options_.device));
    }
    return {};
  }

  // The result shares the memory of operand 0.
  void AddView(const Node& node) {
    const auto in = static_cast<size_t>(node.in[0]);
    const auto out = static_cast<size_t>(node.out[0]);
    root_[out] = RootOf(node.in[0]);  // FindLastUses saw it before values were written in place
    Slot slot = slots_[in];
    if (slot.row_stride == 0) slot.row_stride = Width(slot);
    if (node.op->view_offset != nullptr) {
      slot.offset += node.op->view_offset(node.attrs) * static_cast<int64_t>(SizeOf(slot.dtype));
    }
    slot.dims = Extents(graph_.type(node.out[0]).dims);
    slots_[out] = std::move(slot);
  }

  // Elements of a row. Only the first dim of a value is ever a symbol.
  static int64_t Width(const Slot& slot) {
    int64_t width = 1;
    for (size_t i = 1; i < slot.dims.size(); ++i) width *= slot.dims[i].value;
    return width;
  }

  void AddBuffers(const Node& node, int step, int region) {
    for (size_t result = 0; result < node.out.size(); ++result) {
      const ValueId id = node.out[result];
      const auto out = static_cast<size_t>(id);
      if (graph_.type(id).is_kv()) {
        for (const ValueId in : node.in) {
          if (graph_.type(in).is_kv()) kv_layer_[out] = kv_layer_[static_cast<size_t>(in)];
        }
        continue;
      }
      if (region >= 0) {  // all rows at once: nothing lies where an operand lies
        const std::vector<ValueId>& stored = regions_[static_cast<size_t>(region)].out;
        if (std::ranges::find(stored, id) == stored.end()) root_[out] = kNoValue;
      } else if (node.op->memory == Memory::kInPlace && MayOverwrite(node, result, step)) {
        const auto in = static_cast<size_t>(node.in[result]);
        const auto root = static_cast<size_t>(root_[in]);
        root_[out] = root_[in];
        slots_[out] = slots_[in];
        last_use_[root] = std::max(last_use_[root], last_use_[out]);
        continue;
      }
      if (root_[out] == kNoValue) continue;  // it never leaves the registers
      root_[out] = id;
      slots_[out] = NewSlot(Slot::Space::kArena, 0, graph_.type(id));
      first_step_[out] = step;
    }
  }

  // For each value that owns memory, the last node that reads it or a view of it; the number of
  // nodes for outputs of the graph.
  void FindLastUses() {
    last_use_.assign(graph_.values().size(), -1);
    const auto count = static_cast<int>(graph_.nodes().size());
    for (int i = 0; i < count; ++i) {
      const Node& node = graph_.nodes()[static_cast<size_t>(i)];
      for (const ValueId id : node.in) {
        last_use_[static_cast<size_t>(RootOf(id))] = step_of_[static_cast<size_t>(i)];
      }
      if (node.op->memory == Memory::kView) {
        root_[static_cast<size_t>(node.out[0])] = RootOf(node.in[0]);
      }
    }
    for (const ValueId id : graph_.outputs()) last_use_[static_cast<size_t>(RootOf(id))] = count;
  }

  ValueId RootOf(ValueId id) const { return root_[static_cast<size_t>(id)]; }

  // Whether result i of the node may lie where operand i lies: the same type, memory of our own,
  // and nobody else reads it now or later.
  bool MayOverwrite(const Node& node, size_t i, int step) const {
    if (i >= node.in.size() || graph_.type(node.in[i]) != graph_.type(node.out[i])) return false;
    const ValueId root = RootOf(node.in[i]);
    if (graph_.value(root).kind != Value::Kind::kResult) return false;
    if (last_use_[static_cast<size_t>(root)] != step) return false;
    for (size_t j = 0; j < node.in.size(); ++j) {
      if (j != i && RootOf(node.in[j]) == root) return false;
    }
    return true;
  }

  // Bytes at the largest allowed number of rows.
  Result<int64_t> MaxBytes(ValueId id) const {
    const Slot& slot = slots_[static_cast<size_t>(id)];
    int64_t count = static_cast<int64_t>(SizeOf(slot.dtype));
    for (const Extent& extent : slot.dims) {
      const int64_t size =
          extent.symbol < 0 ? extent.value : exec_.limits[static_cast<size_t>(extent.symbol)];
      if (size <= 0) {
        return Err("lower: {} is {}, and no limit is given for its size", graph_.value(id).name,
                   ToString(graph_.type(id)));
      }
      if (__builtin_mul_overflow(count, size, &count)) {
        return Err("lower: {} is too large", graph_.value(id).name);
      }
    }
    return count;
  }

  // A value lives from the step that writes it to the last step that reads it or a view of it.
  Status PlaceArena() {
    std::vector<Block> blocks;
    std::vector<int> block_of(graph_.values().size(), -1);
    for (size_t i = 0; i < graph_.values().size(); ++i) {
      const bool own = graph_.values()[i].kind == Value::Kind::kResult &&
                       root_[i] == static_cast<ValueId>(i) && !graph_.values()[i].type.is_kv();
      if (!own) continue;
      RW_ASSIGN(const int64_t bytes, MaxBytes(static_cast<ValueId>(i)));
      block_of[i] = static_cast<int>(blocks.size());
      blocks.push_back({bytes, first_step_[i], std::max(first_step_[i], last_use_[i])});
    }
    exec_.arena_bytes = PlaceBlocks(blocks);
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (root_[i] == kNoValue) continue;
      const int block = block_of[static_cast<size_t>(root_[i])];
      if (block >= 0) slots_[i].offset += blocks[static_cast<size_t>(block)].offset;
    }
    return {};
  }

  const Slot& Place(ValueId id) const { return slots_[static_cast<size_t>(id)]; }

  // Piece by piece. A piece equal to an earlier one takes over its kernels.
  Status AddSteps() {
    std::vector<const KernelRow*> kernels(graph_.nodes().size());
    for (const Piece& piece : pieces_) {
      const int shift = pieces_[static_cast<size_t>(piece.equal_to)].first - piece.first;
      const auto first_step = static_cast<int>(exec_.steps.size());
      for (int i = piece.first; i < piece.last; ++i) {
        const Node& node = graph_.nodes()[static_cast<size_t>(i)];
        if (node.op->memory == Memory::kView) continue;
        if (region_of_[static_cast<size_t>(i)] >= 0) {
          if (step_of_[static_cast<size_t>(i)] == i) AddRegionStep(i);
          continue;
        }
        const KernelRow*& kernel = kernels[static_cast<size_t>(i)];
        kernel = kernels[static_cast<size_t>(i + shift)];
        if (kernel == nullptr) {
          RW_ASSIGN(kernel, FindKernelFor(node));
        }
        AddStep(node, *kernel);
      }
      exec_.pieces.push_back(
          {first_step, static_cast<int>(exec_.steps.size()), piece.splitting, piece.equal_to});
    }
    return {};
  }

  // Regions of equal programs share one.
  void AddRegionStep(int first_node) {
    const Region& region =
        regions_[static_cast<size_t>(region_of_[static_cast<size_t>(first_node)])];
    auto& program = programs_[native::Print(region.program)];
    if (program == nullptr) program = std::make_shared<native::Program>(region.program);
    Step step{.kernel = native_row_,
              .layer = graph_.nodes()[static_cast<size_t>(first_node)].layer,
              .program = program};
    for (const ValueId id : region.in) step.in.push_back(Place(id));
    for (const ValueId id : region.out) step.out.push_back(Place(id));
    if (region.kv != kNoValue) step.kv_layer = kv_layer_[static_cast<size_t>(region.kv)];
    exec_.steps.push_back(std::move(step));
  }

  Result<const KernelRow*> FindKernelFor(const Node& node) const {
    const CallTypes call = TypesOf(graph_, node.in, node.out);
    const KernelRow* kernel =
        FindKernel(node.op->name, options_.device, {call.in, call.out, call.kv}, node.attrs,
                   options_.providers);
    if (kernel != nullptr) return kernel;
    std::string types;
    for (const ValueId id : node.in) types += " " + ToString(graph_.type(id));
    return Err(
        "lower: no kernel of providers {} on {} for {} with operands{}",
        options_.providers.empty() ? "any" : fmt::format("{}", fmt::join(options_.providers, ", ")),
        Name(options_.device), node.op->name, types);
  }

  void AddStep(const Node& node, const KernelRow& kernel) {
    Step step{.kernel = &kernel, .attrs = node.attrs, .layer = node.layer};
    const auto add = [&](ValueId id, std::vector<Slot>& slots) {
      if (graph_.type(id).is_kv()) {
        step.kv_layer = kv_layer_[static_cast<size_t>(id)];
      } else {
        slots.push_back(Place(id));
      }
    };
    for (const ValueId id : node.in) add(id, step.in);
    for (const ValueId id : node.out) add(id, step.out);
    exec_.steps.push_back(std::move(step));
  }

  const Graph& graph_;
  const LowerOptions& options_;
  Executable exec_;
  std::vector<Piece> pieces_;
  std::vector<Region> regions_;
  const KernelRow* native_row_ = nullptr;
  std::map<std::string, std::shared_ptr<const native::Program>, std::less<>> programs_;  // by text
  std::vector<int> region_of_;  // by node, -1: a kernel of its own
  std::vector<int> step_of_;    // by node: the node at which it runs
  std::vector<Slot> slots_;     // by value
  // The value whose memory it is; itself unless a view; kNoValue: it has none.
  std::vector<ValueId> root_;
  std::vector<int> kv_layer_;    // by value, -1 for tensors
  std::vector<int> first_step_;  // by value: when it is written
  std::vector<int> last_use_;    // by value that owns memory
};

}  // namespace

Result<Executable> Lower(const Graph& graph, const LowerOptions& options) {
  return Lowering(graph, options).Run();
}

}  // namespace rw
