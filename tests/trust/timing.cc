// Whether response times tell a client what the answers do not (PROTOCOL 1).
//
//   timing [SAMPLES]      of each kind, default 20000; where a pair fails, four times as many have
//   the last word
//
// Requests of several kinds, in random order, go straight to a gateway's socket, each on a kept
// connection: no web server and no network blurs what is there.  Two kinds are compared as dudect
// does it (Reparaz, Balasch, Verbauwhede, 2017): Welch's t of all samples and of those below a row
// of percentiles, the greatest of them counting.  Where the times of two kinds are alike, t stays
// below 4.5.  A pair that must differ is measured along with the others, so that silence means
// something.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>

#include "support/fastcgi_peer.h"
#include "support/site.h"

namespace sealpost {
namespace {

using test::Peer;

constexpr double kAlike = 4.5;       // dudect's
constexpr double kSurelyNot = 10;    // likewise, the one from which the client sends of certainty
constexpr std::size_t kForms = 256;  // of each kind, all different, one after the other

enum Kind : std::size_t {
  kUnknownName,
  kUnknownNameAgain,
  kWrongKey,
  kWrongTag,
  kUnknownSession,
  kRecordWrongTag,
  kUnknownKid,
  kKinds
};
constexpr std::array<const char*, kKinds> kNames{
    "handshake: unknown name",          "handshake: unknown name (the same again)",
    "handshake: known name, wrong key", "handshake: known name, wrong tag",
    "record: unknown session",          "record: known session, wrong tag",
    "handshake: unknown kid",
};

struct Pair {
  Kind one;
  Kind other;
  enum Must { kBeAlike, kDiffer, kMayDiffer } must;
  const char* why;
};
constexpr Pair kPairs[] = {
    {kUnknownName, kUnknownNameAgain, Pair::kBeAlike, "one kind against itself"},
    {kUnknownName, kWrongKey, Pair::kBeAlike, "promised"},
    {kUnknownName, kWrongTag, Pair::kBeAlike, "promised"},
    {kWrongKey, kWrongTag, Pair::kBeAlike, "promised"},
    {kUnknownSession, kRecordWrongTag, Pair::kMayDiffer,
     "whether a session id is live is no secret (PROTOCOL 1)"},
    {kUnknownKid, kUnknownName, Pair::kDiffer,
     "kids are no secret; shows that differences are seen"},
};

// --- The requests ---

// A gateway of its own with one client, and no web server.
struct TimingSite : test::Site {
  std::string socket = folder / "socket";
  test::Process gateway{{"/usr/bin/spawn-fcgi", "-n", "-s", socket, "-M", "0600", "--",
                         test::program("sealpost.fcgi")},
                        folder / "out"};
  crypto::SecretText credential = client("client1").credential.json();

  TimingSite() {
    set_url("http://127.0.0.1/");
    test::eventually("it listens", [&] { return access(socket.c_str(), F_OK) == 0; });
  }
};

std::string hello(const Peer& like, const std::function<void(Credential&)>& change) {
  Peer client(Credential::parse(like.credential.json()),
              [](const std::string&) -> test::Reply { return {}; });
  change(client.credential);
  return client.handshake().form;
}

std::string with_a_bit_changed(const std::string& form, std::size_t from_end) {
  Envelope envelope = *Envelope::parse(form);
  envelope.message[envelope.message.size() - from_end] ^= 1;
  return envelope.form();
}

// Names and lengths are the same in all: only what is asked differs.
std::string form_of(Kind kind, Peer& peer, std::size_t number) {
  const auto other_name = [&](Credential& c) {
    c.name = "client" + std::to_string(2 + number % 8);
    c.client_key.fill()[0] ^= 1;
  };
  switch (kind) {
    case kUnknownName:
    case kUnknownNameAgain:
      return hello(peer, other_name);
    case kWrongKey:
      return hello(peer, [](Credential& c) { c.client_key.fill()[0] ^= 1; });
    case kWrongTag:
      return with_a_bit_changed(hello(peer, [](Credential&) {}), 1);
    case kUnknownKid:
      return hello(peer, [](Credential& c) { c.kid = 2; });
    case kUnknownSession: {
      Envelope envelope = peer.seal(peer.message(std::string(64, 'x')));
      const auto id = crypto::random_array<SessionId::kSize>();
      std::copy(id.begin(), id.end(), envelope.message.begin() + 1);
      return envelope.form();
    }
    default:
      return with_a_bit_changed(peer.seal(peer.message(std::string(64, 'x'))).form(), 1);
  }
}

double microseconds_of(test::FastcgiPeer& connection, const std::string& form,
                       const std::map<std::string, std::string>& home) {
  const auto begun = std::chrono::steady_clock::now();
  connection.request(form, true, home);
  const auto answer = connection.read();
  const auto ended = std::chrono::steady_clock::now();
  if (answer.status() != 403) throw std::runtime_error("not rejected: " + answer.text);
  return std::chrono::duration<double, std::micro>(ended - begun).count();
}

using Samples = std::array<std::vector<double>, kKinds>;

// May be called again: the client then has another session.
Samples measure(TimingSite& site, std::size_t count) {
  const std::map<std::string, std::string> home = {{"SEALPOST_HOME", site.home.root()},
                                                   {"SEALPOST_LOG", "/dev/null"}};
  test::FastcgiPeer connection(site.socket);
  Peer peer(Credential::parse(site.credential), {});
  peer.wire = [&](const std::string& form) -> test::Reply {
    connection.request(form, true, home);
    const auto answer = connection.read();
    return {answer.status(), "", answer.body()};
  };
  if (peer.handshake().status != "accepted" || peer.send().status != "accepted") {
    throw std::runtime_error("the client is not served");
  }
  std::array<std::vector<std::string>, kKinds> forms;
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    for (std::size_t i = 0; i < kForms; ++i) {
      forms[kind].push_back(form_of(static_cast<Kind>(kind), peer, i));
    }
  }
  std::vector<std::size_t> order(kKinds * count);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i % kKinds;
  std::mt19937 random{std::random_device{}()};
  std::shuffle(order.begin(), order.end(), random);
  for (std::size_t i = 0; i < 2000; ++i) {
    (void)microseconds_of(connection, forms[i % kKinds][i % kForms], home);
  }
  Samples samples;
  for (auto& of_kind : samples) of_kind.reserve(count);
  std::string form;
  for (const std::size_t kind : order) {
    // All forms are copied to one buffer first, so that their place in memory does not affect the
    // times.
    form.assign(forms[kind][random() % kForms]);
    samples[kind].push_back(microseconds_of(connection, form, home));
  }
  return samples;
}

// --- The statistic ---

struct Moments {
  double count = 0, mean = 0, square = 0;
  void add(double value) {  // Welford's
    ++count;
    const double off = value - mean;
    mean += off / count;
    square += off * (value - mean);
  }
  [[nodiscard]] double variance_of_mean() const { return square / (count - 1) / count; }
};

double welch(const std::vector<double>& a, const std::vector<double>& b, double below) {
  Moments one;
  Moments other;
  for (const double value : a) {
    if (value < below) one.add(value);
  }
  for (const double value : b) {
    if (value < below) other.add(value);
  }
  if (one.count < 100 || other.count < 100) return 0;
  const double spread = std::sqrt(one.variance_of_mean() + other.variance_of_mean());
  return spread > 0 ? (one.mean - other.mean) / spread : 0;
}

double percentile(std::vector<double> values, double part) {
  const auto at = static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

// The greatest of Welch's t over all samples and over cropped ones, because a few slow samples
// would hide a difference.
double greatest_t(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> both = a;
  both.insert(both.end(), b.begin(), b.end());
  double greatest = welch(a, b, INFINITY);
  for (const double part : {0.5, 0.75, 0.9, 0.95, 0.99}) {
    const double t = welch(a, b, percentile(both, part));
    if (std::abs(t) > std::abs(greatest)) greatest = t;
  }
  return greatest;
}

bool report(const Samples& samples) {
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    std::printf("%-46s median %7.2f us, of %zu\n", kNames[kind], percentile(samples[kind], 0.5),
                samples[kind].size());
  }
  std::printf("\n");
  bool good = true;
  for (const Pair& pair : kPairs) {
    const std::vector<double>& one = samples[pair.one];
    const std::vector<double>& other = samples[pair.other];
    const double t = greatest_t(one, other);
    const bool alike = std::abs(t) < kAlike;
    const bool as_it_must = pair.must == Pair::kMayDiffer ||
                            (pair.must == Pair::kBeAlike ? alike : std::abs(t) > kSurelyNot);
    good = good && as_it_must;
    std::printf("%s\n  %s\n  %+.2f us, t = %+.1f: %s; %s%s\n", kNames[pair.one], kNames[pair.other],
                percentile(other, 0.5) - percentile(one, 0.5), t, alike ? "alike" : "they differ",
                pair.why, as_it_must ? "" : "  FAILED");
  }
  return good;
}

}  // namespace
}  // namespace sealpost

int main(int argc, char** argv) {
  try {
    const std::size_t count = argc > 1 ? std::stoul(argv[1]) : 20'000;
    sealpost::TimingSite site;
    if (sealpost::report(sealpost::measure(site, count))) return 0;
    // A real difference shows again with more samples; chance does not.
    std::printf("\nagain, with four times as many:\n\n");
    return sealpost::report(sealpost::measure(site, 4 * count)) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "timing: %s\n", error.what());
    return 2;
  }
}
