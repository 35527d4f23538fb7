// Answers that are not sealed (PROTOCOL 4).
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>

#include "support/peer.h"

namespace sealpost::test {

struct ExpectedAnswer {
  int status;
  const char* body;
};
constexpr ExpectedAnswer kRejected{403, "refused\n"};

inline void expect_plain(const Reply& reply, const ExpectedAnswer& expected,
                         const std::string& why) {
  BOOST_TEST(reply.status == expected.status, why);
  BOOST_TEST(reply.body == expected.body, why);
  BOOST_TEST(reply.type == "text/plain", why);
}

}  // namespace sealpost::test
