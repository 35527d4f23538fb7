#include "admin/claims.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "admin/usage_error.h"

namespace sealpost {
namespace {

// Parses the arguments of --claim.
Claims::Map named_claims(const std::vector<std::string>& claims) {
  Claims::Map named;
  for (const std::string& claim : claims) {
    const std::size_t equals = claim.find('=');
    if (equals == std::string::npos) throw UsageError("--claim " + claim + " is not KEY=VALUE.");
    const std::string key = claim.substr(0, equals);
    if (key == "role") throw UsageError("--claim cannot set the role. Use --role.");
    if (!named.emplace(key, claim.substr(equals + 1)).second) {
      throw UsageError("--claim " + key + " is given twice. Give one value.");
    }
  }
  return named;
}

// A credential that could never be used is a mistake of the operator's.
void require_usable(const Claims& claims, Time now) {
  const auto begin = claims.values().find("not_before");
  const auto end = claims.end();
  if (end && *end <= now) {
    throw UsageError("not_after " + iso_time(*end) + " has passed. Give a time in the future.");
  }
  if (end && begin != claims.values().end() &&
      time_from_ms(std::stoull(begin->second) * 1000) >= *end) {
    throw UsageError(
        "not_before is not earlier than not_after. The credential would never be valid.");
  }
}

}  // namespace

Claims::Map claims_of(const ClientRow& client) {
  return nlohmann::ordered_json::parse(client.claims).get<Claims::Map>();
}

Claims merge_claims(Claims::Map former, const ClaimsRequest& request, Time now) {
  former.erase("not_before");
  former.erase("not_after");
  if (request.role) former["role"] = *request.role;
  for (auto& [key, value] : named_claims(request.claims)) former[key] = value;
  if (!request.expires.empty()) {
    if (former.contains("not_after")) {
      throw UsageError("--expires and --claim not_after are both given. Give only one, not both.");
    }
    const auto life = parse_duration(request.expires);
    if (!life || *life == Milliseconds::zero()) {
      throw UsageError("--expires " + request.expires + " is not a duration such as 90d or 24h.");
    }
    former["not_after"] = std::to_string((now + *life).time_since_epoch() / kSecond);
  } else if (request.lifetime) {  // unless --claim names another end
    former.emplace("not_after",
                   std::to_string((now + *request.lifetime).time_since_epoch() / kSecond));
  }
  Result<Claims, ClaimsError> claims = Claims::of(std::move(former));
  if (!claims) {
    throw UsageError("These claims cannot be issued: " + std::string(sentence_of(claims.error())) +
                     ".");
  }
  require_usable(*claims, now);
  return std::move(*claims);
}

std::optional<Milliseconds> lifetime_of(const ClientRow& client) {
  const Result<Claims, ClaimsError> claims = Claims::of(claims_of(client));
  const auto end = claims ? claims->end() : std::nullopt;
  if (!end || *end <= client.issued_at) return std::nullopt;
  return std::chrono::ceil<std::chrono::seconds>(*end - client.issued_at);
}

Standing standing_of(const ClientRow& client, const std::vector<Home::KeyFile>& keys, Time now) {
  if (client.revoked_at) return Standing::kRevoked;
  const auto is_its_key = [&](const Home::KeyFile& key) { return key.kid == client.kid; };
  if (std::none_of(keys.begin(), keys.end(), is_its_key)) return Standing::kNoKey;
  const Result<Claims, ClaimsError> claims = Claims::of(claims_of(client));
  if (!claims || claims->valid_at(now)) return Standing::kValid;
  const auto end = claims->end();
  return end && *end <= now ? Standing::kExpired : Standing::kNotYet;
}

std::string_view name_of(Standing standing) {
  switch (standing) {
    case Standing::kValid:
      return "valid";
    case Standing::kNotYet:
      return "not yet";
    case Standing::kExpired:
      return "expired";
    case Standing::kRevoked:
      return "revoked";
    case Standing::kNoKey:
      return "no key";
  }
  return "";
}

}  // namespace sealpost
