#include "protocol/status.h"

#include <array>

namespace sealpost {
namespace {

struct Row {
  std::string_view name;
  int http;
};

// PROTOCOL 6, "Status", in its order.
constexpr std::array<Row, 15> kRows{{
    {"accepted", 200},
    {"duplicate", 409},
    {"in_progress", 409},
    {"conflict", 409},
    {"too_old", 409},
    {"late", 409},
    {"forbidden", 403},
    {"revoked", 403},
    {"malformed", 409},
    {"failed", 409},
    {"unavailable", 503},
    {"no_route", 403},
    {"too_large", 409},
    {"withdrawn", 409},
    {"suspended", 409},
}};

const Row& row_of(Status status) { return kRows.at(static_cast<std::size_t>(status)); }

}  // namespace

std::optional<Status> status_of(std::uint8_t number) {
  if (number >= kRows.size()) return std::nullopt;
  return static_cast<Status>(number);
}

std::string_view name_of(Status status) { return row_of(status).name; }
int http_status_of(Status status) { return row_of(status).http; }

}  // namespace sealpost
