#include "delivery/http_handler.h"

#include <algorithm>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <sstream>

namespace sealpost {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

using Clock = std::chrono::steady_clock;
using Protocol = asio::generic::stream_protocol;
using Request = http::request<http::span_body<const std::uint8_t>>;
using Reply = http::response<http::vector_body<std::uint8_t>>;

constexpr auto kTick = std::chrono::milliseconds(20);  // between two checks of the stop flag

// Thrown if the stop flag interrupts a step.
struct Interrupted {};

// One connection to an application, which is kept for later messages.
class Connection {
 public:
  explicit Connection(const Protocol::endpoint& to) : to_(to) {}

  // Sends a request and waits for the answer.  Throws boost::system::system_error or Interrupted;
  // the connection cannot be used afterwards.
  Reply exchange(const Request& request, Clock::time_point deadline,
                 const std::atomic<bool>& stop) {
    stream_.expires_at(deadline);
    if (!connected_) {
      step(stop, [&](auto done) { stream_.async_connect(to_, done); });
      connected_ = true;
    }
    step(stop, [&](auto done) {
      http::async_write(stream_, request, [done](auto error, std::size_t) { done(error); });
    });
    http::response_parser<Reply::body_type> parser;
    parser.body_limit(kReplyMax);
    step(stop, [&](auto done) {
      http::async_read_header(stream_, buffer_, parser,
                              [done](auto error, std::size_t) { done(error); });
    });
    // Beast 1.74 applies its limit only if the answer has no Content-Length.
    if (parser.content_length().value_or(0) > kReplyMax) {
      throw boost::system::system_error(make_error_code(http::error::body_limit));
    }
    step(stop, [&](auto done) {
      http::async_read(stream_, buffer_, parser, [done](auto error, std::size_t) { done(error); });
    });
    keep_ = parser.keep_alive() && buffer_.size() == 0;
    return parser.release();
  }

  // Whether it can be used again: as far as this side knows, the other side has not closed it.
  [[nodiscard]] bool is_alive() {
    char next = 0;
    const int file = stream_.socket().native_handle();
    const bool silent =
        recv(file, &next, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR);
    return keep_ && silent;
  }
  // Whether it failed without a byte from the other side and without a timeout.
  [[nodiscard]] bool was_silent(const boost::system::error_code& error) const {
    return buffer_.size() == 0 && error != beast::error::timeout;
  }

 private:
  template <class Start>
  void step(const std::atomic<bool>& stop, Start start) {
    std::optional<boost::system::error_code> ended;
    start([&ended](const boost::system::error_code& error) { ended = error; });
    context_.restart();
    while (!ended) {
      if (stop) throw Interrupted{};
      context_.run_one_for(kTick);
    }
    if (*ended) throw boost::system::system_error(*ended);
  }

  Protocol::endpoint to_;
  asio::io_context context_;
  beast::basic_stream<Protocol> stream_{context_};
  beast::flat_buffer buffer_;
  bool connected_ = false;
  bool keep_ = true;
};

Protocol::endpoint endpoint_of(const std::string& address, std::uint16_t port) {
  if (port == 0) return asio::local::stream_protocol::endpoint(address);
  return asio::ip::tcp::endpoint(asio::ip::make_address(address), port);
}

// In header names "_" becomes "-", because many servers drop headers with "_".  Claims' values have
// no control characters (PROTOCOL 2), so a value cannot end its header line.
void set_message(Request& request, const DeliveryJob& job) {
  request.set(http::field::user_agent, "sealpost/" SEALPOST_VERSION);
  request.set(http::field::content_type, "application/octet-stream");
  request.set("X-Sealpost-Name", job.name);
  request.set("X-Sealpost-Role", job.claims.role());
  for (const auto& [key, value] : job.claims.values()) {
    if (key == "role") continue;
    std::string name = "X-Sealpost-Claim-" + key;
    std::replace(name.begin(), name.end(), '_', '-');
    request.set(name, value);
  }
  request.set("X-Sealpost-Topic", job.topic);
  request.set("X-Sealpost-Attempt", std::to_string(job.attempt));
  request.set("Idempotency-Key", job.idempotency_key);
  request.body() = {job.body.data(), job.body.size()};
  request.prepare_payload();
}

HandlerResult result_of(Reply reply) {
  HandlerResult result;
  if (reply.result_int() / 100 == 2) {
    result.kind = HandlerResult::Kind::kDone;
    result.reply = std::move(reply.body());
  } else {
    result.why = "HTTP status " + std::to_string(reply.result_int());
  }
  return result;
}

// Whether this process lacks descriptors or memory.
bool is_ours(const boost::system::error_code& error) {
  return error == asio::error::no_descriptors || error == asio::error::no_memory ||
         error == asio::error::no_buffer_space;
}

std::string sentence_of(const boost::system::error_code& error) {
  if (error == beast::error::timeout) return "no answer in time";
  if (error == http::error::body_limit) return "the answer is larger than 64 KiB";
  if (error == http::error::partial_message) return "the answer ended early";
  if (error == http::error::end_of_stream) return "it closed the connection without an answer";
  return error.message();
}

}  // namespace

HandlerResult run_http_handler(const std::string& address, std::uint16_t port,
                               const std::string& request_target, const DeliveryJob& job,
                               const Limits& limits) {
  thread_local std::map<std::pair<std::string, std::uint16_t>, std::unique_ptr<Connection>> all;
  std::unique_ptr<Connection>& connection = all[{address, port}];
  const auto deadline = Clock::now() + std::chrono::milliseconds(limits.timeout);
  const Protocol::endpoint to = endpoint_of(address, port);
  const std::string host =
      port == 0
          ? "localhost"
          : (std::ostringstream() << asio::ip::tcp::endpoint(asio::ip::make_address(address), port))
                .str();
  Request request{http::verb::post, request_target, 11};
  request.set(http::field::host, host);
  set_message(request, job);
  for (;;) {
    const bool kept = connection && connection->is_alive();
    if (!kept) connection = std::make_unique<Connection>(to);
    try {
      return result_of(connection->exchange(request, deadline, *limits.stop));
    } catch (const Interrupted&) {
      connection.reset();
      return {.kind = HandlerResult::Kind::kInterrupted};
    } catch (const boost::system::system_error& error) {
      // The application may have closed a kept connection just before the write: try a new one.
      const bool is_stale = kept && connection->was_silent(error.code());
      connection.reset();
      if (is_ours(error.code())) throw;
      if (!is_stale) return {.why = sentence_of(error.code())};
    }
  }
}

}  // namespace sealpost
