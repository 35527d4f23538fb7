// Shows Boost.Test how to print the project's own types, so that BOOST_TEST can compare them.
#pragma once

#include <boost/test/unit_test.hpp>
#include <ostream>

#include "base/encoding.h"
#include "base/id.h"
#include "base/time.h"
#include "protocol/reason.h"

namespace sealpost {

template <class Tag, std::size_t N>
std::ostream& boost_test_print_type(std::ostream& out, const Id<Tag, N>& id) {
  return out << hex(id);
}

inline std::ostream& boost_test_print_type(std::ostream& out, Reason reason) {
  return out << text_of(reason);
}

}  // namespace sealpost

namespace boost::test_tools::tt_detail {

template <>
struct print_log_value<sealpost::Milliseconds> {
  void operator()(std::ostream& out, sealpost::Milliseconds span) { out << span.count() << " ms"; }
};

template <>
struct print_log_value<sealpost::ClockOffset> {
  void operator()(std::ostream& out, sealpost::ClockOffset offset) {
    out << offset.count() << " ms";
  }
};

template <>
struct print_log_value<sealpost::Time> {
  void operator()(std::ostream& out, sealpost::Time time) { out << sealpost::to_ms(time) << " ms"; }
};

}  // namespace boost::test_tools::tt_detail
