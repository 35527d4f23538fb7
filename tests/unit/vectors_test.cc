#define BOOST_TEST_MODULE vectors
#include "support/vectors.h"

#include <boost/test/unit_test.hpp>

namespace sealpost {
namespace {

// The bytes on the wire may never change; this test fails if they do.  Another implementation
// confirms the file itself (tests/interop).
BOOST_AUTO_TEST_CASE(wire_bytes_match_published_vectors) {
  const nlohmann::json published = test::vectors("sealpost_v1.json");
  const nlohmann::json computed = test::sealpost_vectors();
  for (const auto& difference : nlohmann::json::diff(published, computed)) {
    BOOST_ERROR(difference.dump());
  }
  BOOST_TEST(computed["records"].size() == 4U);
}

}  // namespace
}  // namespace sealpost
