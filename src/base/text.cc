#include "base/text.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace rw {

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

size_t Nearest(std::string_view word, std::span<const std::string> known) {
  // Of names that begin with the word, the shortest.
  const auto distance = [&](const std::string& name) {
    return name.starts_with(word) ? std::pair<size_t, size_t>{0, name.size()}
                                  : std::pair<size_t, size_t>{EditDistance(word, name), 0};
  };
  return static_cast<size_t>(std::ranges::min_element(known, {}, distance) - known.begin());
}

}  // namespace rw
