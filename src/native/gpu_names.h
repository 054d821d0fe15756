// What the instructions of a part are called in its text for a GPU.
//
// k counts the heads of a thread, r its octets of a segment, j the numbers of an octet. What is the
// same for all heads of a row is computed once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "native/gpu_mapping.h"
#include "native/program.h"

namespace rw::native {

bool IsStore(const Instr& instr);
std::string_view GpuType(DType dtype);
std::string GpuNumber(float x);  // finite (checked)

class GpuNames {
 public:
  GpuNames(const Program& program, const Part& part, const GpuMapping& map);

  const Instr& At(size_t i) const { return part_.code[i]; }
  int64_t Reps(size_t i) const { return map_.RepsOf(At(i).length); }

  // When a load can be on its way: what is constant, before earlier kernels have ended. Of a table
  // whose rows are picked by numbers that are not, the row that seems to be asked for then: a
  // guess, which is made good afterwards. Rows of its own are late always: in a model kernels make
  // them.
  enum class When : uint8_t { kEarly, kGuessed, kLate };
  When WhenOf(const Instr& load) const;
  bool IsConstant(int port) const { return program_.in[static_cast<size_t>(port)].constant; }

  // Octets come from memory or a rounding as they would lie in memory, and are widened where used.
  bool IsPacked(size_t i) const;
  // Whether it computes numbers by a formula.
  static bool HasFormula(const Instr& instr);

  std::string_view Heads(size_t i) const { return own_[i] ? "kHeads" : "1"; }  // how many
  std::string_view Head(size_t i) const { return own_[i] ? "k" : "0"; }
  std::string OctetsLoop(size_t i) const;
  std::string Octet() const;         // the number of octet r in its segment
  std::string Held(size_t i) const;  // how much of it the thread has

  std::string OctetOf(size_t i, std::string_view rep = "r") const;
  std::string Value(size_t i) const;  // number j, or the one of a scalar
  std::string Formula(const Instr& instr) const;

  // The address of the row that an access goes to, from element `begin` of it on.
  std::string Place(const Instr& instr, int64_t begin) const;
  // What a store stores, and the loop over all that are stored.
  std::string Stored(size_t i) const;
  std::string StoresLoop(size_t i) const;

 private:
  const Program& program_;
  const Part& part_;
  const GpuMapping& map_;
  std::vector<bool> own_;  // instructions whose result each head has for itself
};

}  // namespace rw::native
