// Runs Project Wycheproof's test vectors through src/crypto/primitives.
//
//   wycheproof FOLDER      one with aes_gcm_test.json, hkdf_sha256_test.json,
//   hmac_sha256_test.json, x25519_test.json
//
// The project's own (github.com/C2SP/wycheproof) lie in its testvectors_v1/. Every `valid` case
// must give the same bytes, and every `invalid` one must be rejected.  `acceptable` leaves it to
// the implementation: sealpost accepts a key that is not canonical or lies on the twist, and
// rejects an all-zero X25519 result.  Exits 1 if any case fails, or a file is missing.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/result.h"
#include "crypto/primitives.h"
#include "support/hex.h"

namespace sealpost {
namespace {

using Json = nlohmann::json;

// Why a group is not run; empty if it is.
using Skip = std::string;

struct Case {
  const Json& group;
  const Json& test;

  [[nodiscard]] Bytes bytes(const char* key) const {
    const auto found = test::from_hex(test.at(key).get<std::string>());
    if (!found) throw std::invalid_argument(std::string(key) + " is not hexadecimal");
    return *found;
  }
  [[nodiscard]] bool is(const char* result) const { return test.at("result") == result; }
  [[nodiscard]] bool has_flag(const char* flag) const {
    const auto flags = test.value("flags", Json::array());
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
  }
};

template <std::size_t N>
std::span<const std::uint8_t, N> exactly(const Bytes& bytes) {
  if (bytes.size() != N) throw std::invalid_argument("not " + std::to_string(N) + " bytes");
  return std::span<const std::uint8_t, N>(bytes);
}

Skip unless(const Json& group, const char* key, int size) {
  const int is = group.at(key).get<int>();
  return is == size ? "" : std::string(key) + " " + std::to_string(is);
}

// --- One function for each kind: whether a case is as it must be ---

Skip skip_gcm(const Json& group) {
  for (const auto& [key, size] : {std::pair("keySize", 256), {"ivSize", 96}, {"tagSize", 128}}) {
    if (Skip why = unless(group, key, size); !why.empty()) return why;
  }
  return "";
}

bool holds_gcm(const Case& one) {
  const Bytes key_bytes = one.bytes("key");
  const Bytes iv = one.bytes("iv");
  const crypto::Key key(exactly<32>(key_bytes));
  crypto::GcmNonce nonce;
  std::copy_n(exactly<12>(iv).begin(), nonce.size(), nonce.begin());
  const Bytes associated = one.bytes("aad");
  const Bytes message = one.bytes("msg");
  Bytes sealed = one.bytes("ct");
  const Bytes tag = one.bytes("tag");
  sealed.insert(sealed.end(), tag.begin(), tag.end());

  const std::optional<Bytes> opened = crypto::gcm_open(key, nonce, associated, sealed);
  if (one.is("invalid")) return !opened;
  Bytes ours;
  crypto::gcm_seal(key, nonce, associated, message, ours);
  return opened == message && ours == sealed;
}

Skip skip_hkdf(const Json& group) { return group.at("type") == "HkdfTest" ? "" : "another type"; }

bool holds_hkdf(const Case& one) {
  const Bytes input = one.bytes("ikm");
  const Bytes salt = one.bytes("salt");
  const Bytes info = one.bytes("info");
  Bytes out(one.test.at("size").get<std::size_t>());
  try {
    crypto::hkdf(salt, input, info, out);
  } catch (const Fault&) {
    return one.is("invalid");
  }
  Bytes in_two_steps(out.size());
  crypto::hkdf_expand(crypto::hkdf_extract(salt, input), info, in_two_steps);
  return !one.is("invalid") && out == one.bytes("okm") && in_two_steps == out;
}

// Ours is 256 bits; a shorter tag is its start, as in a receipt.
Skip skip_hmac(const Json& group) {
  const int size = group.at("tagSize").get<int>();
  return size % 8 == 0 && size <= 256 ? "" : "tagSize " + std::to_string(size);
}

bool holds_hmac(const Case& one) {
  const Bytes key = one.bytes("key");
  const Bytes message = one.bytes("msg");
  const crypto::Digest mac = crypto::hmac_sha256(key, {message});
  const std::size_t size = one.group.at("tagSize").get<std::size_t>() / 8;
  return crypto::equal(ByteView(mac).first(size), one.bytes("tag")) == !one.is("invalid");
}

Skip skip_x25519(const Json& group) {
  const std::string curve = group.at("curve").get<std::string>();
  if (group.at("type") != "XdhComp") return "another encoding of keys";
  return curve == "curve25519" || curve == "x25519" ? "" : curve;
}

bool holds_x25519(const Case& one) {
  const Bytes private_bytes = one.bytes("private");
  const Bytes public_bytes = one.bytes("public");
  const Bytes shared = one.bytes("shared");
  if (one.is("invalid") && public_bytes.size() != 32) return true;  // its type rejects it
  const crypto::Key private_key(exactly<32>(private_bytes));
  crypto::PublicKey public_key;
  std::copy_n(exactly<32>(public_bytes).begin(), crypto::PublicKey::kSize,
              public_key.bytes.begin());

  const auto ours = crypto::x25519(private_key, public_key);
  const bool zero = std::all_of(shared.begin(), shared.end(), [](auto byte) { return byte == 0; });
  if (zero || one.has_flag("ZeroSharedSecret") || one.is("invalid")) return !ours;
  return ours && crypto::equal(ours->reveal(), shared);
}

struct Kind {
  const char* file;
  const char* algorithm;
  Skip (*skip)(const Json& group);
  bool (*holds)(const Case& one);
};
constexpr std::array<Kind, 4> kKinds{{
    {"aes_gcm_test.json", "AES-GCM", skip_gcm, holds_gcm},
    {"hkdf_sha256_test.json", "HKDF-SHA-256", skip_hkdf, holds_hkdf},
    {"hmac_sha256_test.json", "HMACSHA256", skip_hmac, holds_hmac},
    {"x25519_test.json", "XDH", skip_x25519, holds_x25519},
}};

// --- Counting ---

struct Count {
  int passed = 0;
  int failed = 0;
  std::map<Skip, int> skipped;  // cases, by reason
};

void run_case(const Kind& kind, const Case& one, Count& count) {
  std::string why = "it is not as it must be";
  try {
    if (kind.holds(one)) {
      ++count.passed;
      return;
    }
  } catch (const std::exception& trouble) {
    why = trouble.what();
  }
  ++count.failed;
  std::cout << kind.file << ": case " << one.test.value("tcId", 0) << " ("
            << one.test.value("result", "") << ", " << one.test.value("comment", "")
            << ") failed: " << why << '\n';
}

void run_file(const Kind& kind, const Json& file, Count& count) {
  if (file.at("algorithm") != kind.algorithm) {
    throw std::invalid_argument("it is for " + file.at("algorithm").get<std::string>());
  }
  for (const Json& group : file.at("testGroups")) {
    const Skip why = kind.skip(group);
    const Json& tests = group.at("tests");
    if (!why.empty()) count.skipped[why] += static_cast<int>(tests.size());
    if (!why.empty()) continue;
    for (const Json& test : tests) run_case(kind, {group, test}, count);
  }
  if (count.passed + count.failed == 0) throw std::invalid_argument("no case of it was run");
}

// Whether all went well.
bool report(const Kind& kind, const std::string& folder) {
  Count count;
  try {
    std::ifstream in(std::filesystem::path(folder) / kind.file);
    if (!in) throw std::invalid_argument("it is not there");
    run_file(kind, Json::parse(in), count);
  } catch (const std::exception& trouble) {
    std::cout << kind.file << ": " << trouble.what() << '\n';
    ++count.failed;
  }
  std::cout << kind.file << ": " << count.passed << " passed, " << count.failed << " failed";
  for (const auto& [why, cases] : count.skipped) {
    std::cout << "; skipped " << cases << " of " << why;
  }
  std::cout << '\n';
  return count.failed == 0;
}

}  // namespace
}  // namespace sealpost

int main(int count, char** words) {
  if (count != 2) {
    std::cerr << "usage: wycheproof FOLDER\n";
    return 2;
  }
  bool good = true;
  for (const auto& kind : sealpost::kKinds) good = sealpost::report(kind, words[1]) && good;
  return good ? 0 : 1;
}
