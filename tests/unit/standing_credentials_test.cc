// Which credentials the server accepts, for every kind of row.
#define BOOST_TEST_MODULE standing_credentials
#include "store/standing_credentials.h"

#include <boost/test/unit_test.hpp>

namespace sealpost {
namespace {

constexpr Time kNow = time_from_ms(1'790'000'000'000);
constexpr Milliseconds kMoment(1);

const StandingCredentials kFirst{1, 1, false, std::nullopt};
const StandingCredentials kRenewed{5, 2, false, FormerCredential{3, 1, kNow + kMoment}};
const StandingCredentials kEnded{5, 2, false, FormerCredential{3, 1, kNow}};
const StandingCredentials kRevoked{5, 2, true, std::nullopt};
// No command makes such a row: a revocation ends the former.
const StandingCredentials kRevokedWithFormer{5, 2, true, FormerCredential{3, 1, kNow + kMoment}};

BOOST_AUTO_TEST_CASE(accepts_row_former_and_newer_generations_under_their_keys) {
  const struct {
    const StandingCredentials& row;
    Kid kid;
    Generation generation;
    bool accepted;
    const char* why;
  } cases[] = {
      {kFirst, 1, 1, true, "the row's"},
      {kFirst, 2, 1, false, "the row's generation under a newer key"},
      {kFirst, 1, 2, true, "one above: the row is old"},
      {kFirst, 2, 2, true, "one above, under a newer key"},
      {kFirst, 1, 1001, true, "as far above as is accepted"},
      {kFirst, 1, 1002, false, "one too far above"},
      {kFirst, 255, 4'294'967'295, false, "the greatest generation"},
      {kFirst, 1, 0, false, "no generation"},
      {kRenewed, 2, 5, true, "the new one"},
      {kRenewed, 1, 5, false, "the new generation under the former key"},
      {kRenewed, 1, 3, true, "the former"},
      {kRenewed, 2, 3, false, "the former generation under the new key"},
      {kRenewed, 1, 4, false, "a renewal that was never used"},
      {kRenewed, 2, 4, false, "the same under the new key"},
      {kRenewed, 1, 2, false, "older than the former"},
      {kRenewed, 2, 6, true, "above the row's"},
      {kRenewed, 1, 6, false, "above the row's under a lower key"},
      {kEnded, 1, 3, false, "the former at its end"},
      {kEnded, 2, 5, true, "the new one after the former's end"},
      {kRevoked, 2, 5, false, "the revoked row's generation"},
      {kRevoked, 2, 6, false, "above a revoked row's"},
      {kRevoked, 1, 3, false, "below a revoked row's"},
      {kRevokedWithFormer, 1, 3, false, "the former of a revoked row"},
  };
  for (const auto& one : cases) {
    BOOST_TEST(stands(one.row, one.kid, one.generation, kNow) == one.accepted, one.why);
  }
}

}  // namespace
}  // namespace sealpost
