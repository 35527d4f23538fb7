// The runner of Project Wycheproof's vectors: it passes samples in their format with the standards'
// values, and notices each altered one.
#define BOOST_TEST_MODULE wycheproof
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "support/process.h"
#include "support/temp_dir.h"
#include "support/vectors.h"

namespace sealpost {
namespace {

using Json = nlohmann::json;

const std::string kSamples = "tests/vectors/wycheproof-format";

test::RunResult wycheproof(const std::string& folder) {
  return test::run({test::program("../tests/wycheproof"), folder});
}

bool has(const test::RunResult& ran, const std::string& line) {
  return ("\n" + ran.out).find("\n" + line) != std::string::npos;
}

int times(const test::RunResult& ran, const std::string& words) {
  int count = 0;
  for (std::size_t at = 0; (at = ran.out.find(words, at)) != std::string::npos; ++at) ++count;
  return count;
}

BOOST_AUTO_TEST_CASE(accepts_samples_and_skips_unsupported_cases) {
  const test::RunResult ran = wycheproof(kSamples);
  BOOST_TEST(ran.status == 0, ran.out);
  BOOST_TEST(has(ran,
                 "aes_gcm_test.json: 10 passed, 0 failed; skipped 1 of ivSize 64; skipped 1 of "
                 "keySize 128\n"),
             ran.out);
  BOOST_TEST(has(ran, "hkdf_sha256_test.json: 4 passed, 0 failed\n"), ran.out);
  BOOST_TEST(has(ran, "hmac_sha256_test.json: 15 passed, 0 failed\n"), ran.out);
  BOOST_TEST(has(ran, "x25519_test.json: 10 passed, 0 failed\n"), ran.out);
}

// The samples again, with one file changed.
struct ChangedSamples {
  test::TempDir folder;
  std::string file;
  Json content;

  explicit ChangedSamples(const std::string& which)
      : file(which), content(test::vectors("wycheproof-format/" + which)) {
    std::filesystem::copy(kSamples, folder.path(), std::filesystem::copy_options::recursive);
  }
  [[nodiscard]] test::RunResult run() const {
    test::write_text(folder / file, content.dump());
    return wycheproof(folder.path());
  }
};

void flip_first_bit(Json& text) {
  std::string hex = text.get<std::string>();
  hex.front() = hex.front() == '0' ? '1' : '0';
  text = hex;
}

// Changed so that it must fail: a valid case becomes invalid, or an invalid one is marked valid.
void doctor(Json& test) {
  if (test["result"] == "invalid") {
    test["result"] = "valid";
  } else if (test["flags"] == Json::array({"LowOrderPublic", "ZeroSharedSecret"})) {
    test["flags"] = Json::array();
    flip_first_bit(test["shared"]);
  } else {
    for (const char* expected : {"tag", "okm", "shared"}) {
      if (test.contains(expected)) flip_first_bit(test[expected]);
    }
  }
}

BOOST_AUTO_TEST_CASE(each_altered_case_fails_alone) {
  int doctored = 0;
  for (const char* file : {"aes_gcm_test.json", "hkdf_sha256_test.json", "hmac_sha256_test.json",
                           "x25519_test.json"}) {
    ChangedSamples copy(file);
    const Json good = copy.content;
    for (std::size_t g = 0; g < good["testGroups"].size(); ++g) {
      const Json& group = good["testGroups"][g];
      if (group.value("keySize", 0) == 128 || group.value("ivSize", 96) != 96) continue;
      for (std::size_t i = 0; i < group["tests"].size(); ++i) {
        copy.content = good;
        doctor(copy.content["testGroups"][g]["tests"][i]);
        const test::RunResult ran = copy.run();
        BOOST_TEST(ran.status == 1, file << " " << group["tests"][i].dump());
        BOOST_TEST(has(ran, std::string(file) + ": case " + group["tests"][i]["tcId"].dump() + " "),
                   ran.out);
        BOOST_TEST(times(ran, " passed, 1 failed") == 1, ran.out);
        BOOST_TEST(times(ran, " passed, 0 failed") == 3, ran.out);
        ++doctored;
      }
    }
  }
  BOOST_TEST(doctored == 39);
}

BOOST_AUTO_TEST_CASE(requires_rejection_of_zero_result_despite_flags) {
  ChangedSamples copy("x25519_test.json");
  for (Json& test : copy.content["testGroups"][0]["tests"]) test.erase("flags");
  const test::RunResult unflagged = copy.run();
  BOOST_TEST(unflagged.status == 0, "the shared secret itself says so: " + unflagged.out);
  ChangedSamples flagged("x25519_test.json");
  flagged.content["testGroups"][0]["tests"][0]["flags"] = {"ZeroSharedSecret"};
  BOOST_TEST(flagged.run().status == 1, "one that is not zero is not rejected");
}

BOOST_AUTO_TEST_CASE(fails_for_missing_broken_empty_or_wrong_file) {
  const test::TempDir empty;
  BOOST_TEST(wycheproof(empty.path()).status == 1);
  ChangedSamples other("hmac_sha256_test.json");
  other.content["algorithm"] = "HMACSHA512";
  BOOST_TEST(other.run().status == 1);
  ChangedSamples skipped("aes_gcm_test.json");
  for (Json& group : skipped.content["testGroups"]) group["keySize"] = 192;
  BOOST_TEST(skipped.run().status == 1, "nothing was run");
  ChangedSamples broken("hkdf_sha256_test.json");
  broken.content["testGroups"][0]["tests"][0]["ikm"] = "0x";
  const test::RunResult ran = broken.run();
  BOOST_TEST(ran.status == 1);
  BOOST_TEST(has(ran, "hkdf_sha256_test.json: 3 passed, 1 failed\n"), ran.out);
  BOOST_TEST(test::run({test::program("../tests/wycheproof")}).status == 2);
}

}  // namespace
}  // namespace sealpost
