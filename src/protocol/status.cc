#include "protocol/status.h"

#include <array>

namespace sealpost {
namespace {

struct Row {
  std::string_view name;
  int http;
  Fate fate;
};

// PROTOCOL 6, "Status", in its order.
constexpr std::array<Row, 11> kRows{{
    {"accepted", 200, Fate::kSettled},
    {"duplicate", 409, Fate::kSettled},
    {"in_progress", 409, Fate::kOpen},
    {"conflict", 409, Fate::kUnknown},
    {"too_old", 409, Fate::kUnknown},
    {"late", 409, Fate::kOpen},
    {"forbidden", 403, Fate::kSettled},
    {"revoked", 403, Fate::kOpen},
    {"malformed", 409, Fate::kSettled},
    {"failed", 409, Fate::kSettled},
    {"unavailable", 503, Fate::kOpen},
}};

const Row& row_of(Status status) { return kRows.at(static_cast<std::size_t>(status)); }

}  // namespace

std::optional<Status> status_of(std::uint8_t number) {
  if (number >= kRows.size()) return std::nullopt;
  return static_cast<Status>(number);
}

std::string_view name_of(Status status) { return row_of(status).name; }
int http_status_of(Status status) { return row_of(status).http; }
Fate fate_of(Status status) { return row_of(status).fate; }

}  // namespace sealpost
