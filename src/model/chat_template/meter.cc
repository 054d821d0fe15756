#include "model/chat_template/meter.h"

namespace rw::jinja {

tl::unexpected<Error> Meter::OutOfSteps() {
  steps_left_ = 0;  // a caller that goes on regardless gets nowhere
  return Err("the template does more work than its limit of steps allows");
}

tl::unexpected<Error> Meter::OutOfBytes() const {
  return Err("the template builds values larger than its limit of memory allows");
}

}  // namespace rw::jinja
