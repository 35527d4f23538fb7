#include "client/time_limit.h"

#include <algorithm>

namespace sealpost {
namespace {

constexpr Milliseconds kLongestSilence = 20 * kSecond;

}  // namespace

Milliseconds TimeLimit::left() const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      end_ - std::chrono::steady_clock::now());
  return Milliseconds(static_cast<std::uint64_t>(std::max<std::int64_t>(left.count(), 0)));
}

Cut cut_of(const Movement& movement, Milliseconds left) {
  if (movement.silent >= kLongestSilence) return Cut::kStandsStill;
  if (left > Milliseconds{0} || movement.silent < movement.moved) return Cut::kNone;
  return Cut::kTimeIsUp;
}

}  // namespace sealpost
