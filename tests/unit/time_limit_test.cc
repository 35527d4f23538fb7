// How long a transfer may take.
#define BOOST_TEST_MODULE time_limit
#include "client/time_limit.h"

#include <boost/test/unit_test.hpp>

namespace sealpost {
namespace {

struct Row {
  std::uint64_t moved;   // s
  std::uint64_t silent;  // s
  std::uint64_t left;    // s
  Cut cut;
  const char* why;
};

BOOST_AUTO_TEST_CASE(cuts_what_stands_still_and_what_does_not_move_when_time_is_up) {
  const Row rows[] = {
      {0, 14, 1, Cut::kNone, "waits for the answer until the time is up"},
      {0, 15, 0, Cut::kTimeIsUp, "a small request without an answer"},
      {0, 3, 0, Cut::kTimeIsUp, "the same with a shorter limit"},
      {15, 1, 0, Cut::kNone, "a body that moves goes on"},
      {200, 19, 0, Cut::kNone, "after a long body the answer has 20 s"},
      {200, 20, 0, Cut::kStandsStill, "20 s without a byte"},
      {14, 13, 0, Cut::kNone, "a body that ended just in time gets its answer"},
      {14, 14, 0, Cut::kTimeIsUp, "but not for ever"},
      {5, 20, 600, Cut::kStandsStill, "20 s without a byte, with much time left"},
  };
  for (const Row& row : rows) {
    const Cut cut = cut_of({row.moved * kSecond, row.silent * kSecond}, row.left * kSecond);
    BOOST_TEST((cut == row.cut), row.why);
  }
}

BOOST_AUTO_TEST_CASE(time_is_up_until_restart) {
  TimeLimit limit(Milliseconds{0});
  BOOST_TEST((limit.left() == Milliseconds{0}));
  limit = TimeLimit(kHour);
  BOOST_TEST((limit.left() > kMinute));
  BOOST_TEST((limit.left() <= kHour));
}

}  // namespace
}  // namespace sealpost
