// FastCGI streams through the real accept loop: requests cut into records in every way, with
// records between them that do not belong there.  A second reader of the stream says which requests
// are whole, and naive_answer() what each must hear.  Whatever came, the loop must serve the next
// one.
//
// Three things are left out, in which libfcgi trusts the web server, and nobody else can connect: a
// parameter's length is never made up (it aborts where it cannot allocate what was announced);
// there are no management records (it leaks 48 bytes at each); and a record that breaks into its
// own request is empty, a second BEGIN_REQUEST 8 bytes (another content would be read as records).
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "fuzz/fuzz.h"
#include "fuzz/http.h"
#include "server/fastcgi.h"
#include "store/home.h"
#include "support/fastcgi_peer.h"
#include "support/temp_dir.h"

namespace sealpost {
namespace {

using fuzz::require;

constexpr std::uint8_t kBegin = 1, kAbort = 2, kParams = 4, kStdin = 5;
constexpr std::uint8_t kId = 1;
constexpr int kTimeout = 10'000;  // ms, after which the loop is taken to hang

// Every setting is the gateway's own argument, so that no variable makes it another gateway.
SettingTexts arguments(const test::TempDir& folder) {
  SettingTexts texts{folder / "home", "/dev/null", "4096", "300s", "24h", "8",
                     "10s",           "1h",        "0",    "0"};
  umask(077);
  Home(texts[kHome]).create(system_now());
  return texts;
}

class Server {
 public:
  Server() : path_(folder_ / "socket"), arguments_(arguments(folder_)) {
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    require(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                listen(listener, 16) == 0 && dup2(listener, 0) == 0,
            "a listening socket");
    close(listener);
    std::thread([this] { serve_fastcgi(arguments_, 1); }).detach();
  }
  [[nodiscard]] int connect() const {
    const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    require(::connect(file, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
            "it can be connected to");
    return file;
  }

 private:
  test::TempDir folder_;
  std::string path_;
  SettingTexts arguments_;
};

// For as long as the process lives: at its end what the loop uses would go before it.
const Server& server() {
  static const Server& server = *new Server;
  return server;
}

// One request as it is sent, and how a reader that follows the specification understands it.
struct Stream {
  std::string bytes;
  bool whole = true;  // one request, from its BEGIN_REQUEST to the end of its STDIN, and no more
  bool keep = false;
  std::string params;
  std::string body;

  void record(std::uint8_t type, std::uint8_t id, const std::string& content,
              std::uint8_t padding) {
    bytes += std::string{1, static_cast<char>(type), 0, static_cast<char>(id)};
    bytes += static_cast<char>(content.size() >> 8);
    bytes += static_cast<char>(content.size());
    bytes += static_cast<char>(padding);
    bytes += '\0';
    bytes += content + std::string(padding, 'p');
  }
};

void put_length(std::string& out, std::size_t size, bool short_form) {
  if (short_form && size < 128) {
    out += static_cast<char>(size);
    return;
  }
  for (const int shift : {24, 16, 8, 0}) {
    out += static_cast<char>((size >> shift & 0xff) | (shift == 24 ? 0x80 : 0));
  }
}

constexpr std::string_view kForm = "application/x-www-form-urlencoded";
constexpr std::string_view kEnvelope = "encrypted_message=EgA";

std::vector<std::string> lines_of(fuzz::Choices& choices, const std::string& body) {
  std::vector<std::string> lines;
  if (choices.of(8) != 7) lines.emplace_back("REQUEST_METHOD=POST");
  if (choices.of(8) != 7) lines.push_back("CONTENT_TYPE=" + std::string(kForm));
  if (choices.of(8) != 7) lines.push_back("CONTENT_LENGTH=" + std::to_string(body.size()));
  for (std::size_t more = choices.of(4); more > 0; --more) {
    const std::string name = choices.text();
    const std::string line = name.substr(0, name.find('=')) + "=" + choices.text();
    lines.push_back(line);
  }
  return lines;
}

// A stream, cut into records of sizes the fuzzer chooses, with what it likes between them.
void put_stream(fuzz::Choices& choices, Stream& stream, std::uint8_t type, const std::string& all) {
  std::size_t at = 0;
  while (at < all.size()) {
    const std::size_t chosen = std::size_t{31} * choices.byte();  // 0: all of it
    const std::size_t size = std::min(all.size() - at, chosen == 0 ? all.size() : chosen);
    const std::uint8_t habit = choices.byte();
    stream.record(type, kId, all.substr(at, size), static_cast<std::uint8_t>(habit & 7));
    at += size;
    if (habit < 0xf0) continue;
    stream.whole = false;
    const auto other = static_cast<std::uint8_t>(1 + choices.of(12));
    const auto id = static_cast<std::uint8_t>(kId + choices.of(3));
    std::string content = choices.text();
    for (char& c : content) c = static_cast<char>(c & 0x7f);  // no long length
    if (id == kId && other != type) content.clear();
    if (other == kBegin) content.resize(8, 'x');
    stream.record(other, id, content, 0);
  }
  if (choices.of(16) == 15) {
    stream.whole = false;  // its end is missing
  } else {
    stream.record(type, kId, "", 0);
  }
}

Stream request_of(fuzz::Choices& choices, std::vector<std::string>& lines) {
  Stream stream;
  const std::size_t what = choices.of(8);
  stream.body = what < 4 ? std::string(kEnvelope) : choices.text();
  if (what == 7) stream.body = std::string(4000 + choices.byte(), 'x');
  lines = lines_of(choices, stream.body);
  for (const std::string& line : lines) {
    const std::size_t equals = line.find('=');
    put_length(stream.params, equals, choices.of(4) != 3);
    put_length(stream.params, line.size() - equals - 1, choices.of(4) != 3);
    stream.params += line.substr(0, equals) + line.substr(equals + 1);
  }
  stream.keep = choices.yes();
  const std::size_t begin = choices.of(16);
  stream.record(begin == 15 ? kAbort : kBegin, begin == 14 ? kId + 1 : kId,
                std::string{0, static_cast<char>(begin == 13 ? 2 : 1),
                            static_cast<char>(stream.keep ? 1 : 0), 0, 0, 0, 0, 0},
                0);
  if (begin >= 13) stream.whole = false;
  put_stream(choices, stream, kParams, stream.params);
  put_stream(choices, stream, kStdin, stream.body);
  if (choices.of(16) == 15) {
    stream.whole = false;
    stream.bytes.resize(stream.bytes.size() -
                        std::min<std::size_t>(choices.byte(), stream.bytes.size()));
  }
  return stream;
}

void send_all(int file, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t put = send(file, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (put <= 0) return;
    at += static_cast<std::size_t>(put);
  }
}

// What is not whole may be answered or not; but the connection must end.
void expect_end(int file) {
  shutdown(file, SHUT_WR);
  std::array<char, 4096> piece;
  for (;;) {
    pollfd wait{file, POLLIN, 0};
    require(poll(&wait, 1, kTimeout) == 1, "the loop does not hang");
    if (read(file, piece.data(), piece.size()) <= 0) return;
  }
}

fuzz::Expected expected_of(const std::vector<std::string>& lines, const std::string& body) {
  std::vector<std::string> seen;
  for (const std::string& line : lines) seen.push_back(line.substr(0, line.find('\0')));
  fuzz::Variables variables = fuzz::naive_variables(seen);
  std::erase_if(variables,
                [](const auto& one) { return one.first.find("SEALPOST_") != std::string::npos; });
  variables["SEALPOST_MAX_BODY"] = "4096";
  return fuzz::naive_answer(variables, body, true);
}

void expect_canary() {
  test::FastcgiPeer peer(server().connect());
  peer.request("", false, {{"REQUEST_METHOD", "GET"}});
  const auto answer = peer.read();
  require(answer.ended, "the loop serves the next one");
  fuzz::check_answer(answer.text, {405, "post only\n"});
}

}  // namespace
}  // namespace sealpost

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  (void)sealpost::server();
  return 0;
}

// Its leak, where what it reads after a broken request looks like a management record.
// LeakSanitizer asks for it by this name.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libfcgi\n"; }
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sealpost;
  fuzz::Choices choices({data, size});
  std::unique_ptr<test::FastcgiPeer> peer;
  int file = -1;
  for (int i = 0; i < 8 && !choices.empty(); ++i) {
    if (!peer) {
      file = server().connect();
      peer = std::make_unique<test::FastcgiPeer>(file);
    }
    std::vector<std::string> lines;
    const Stream stream = request_of(choices, lines);
    send_all(file, stream.bytes);
    if (!stream.whole) {
      expect_end(file);
      peer.reset();
      continue;
    }
    const auto answer = peer->read();
    require(answer.ended, "a whole request is answered");
    fuzz::check_answer(answer.text, expected_of(lines, stream.body));
    if (stream.keep) continue;
    require(peer->is_closed(), "what shall not be kept is closed");
    peer.reset();
  }
  expect_canary();
  return 0;
}
