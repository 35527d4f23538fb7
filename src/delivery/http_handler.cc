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
#include <utility>

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

// Whether this process lacks descriptors or memory.
bool is_ours(const boost::system::error_code& error) {
  return error == asio::error::no_descriptors || error == asio::error::no_memory ||
         error == asio::error::no_buffer_space;
}

// One connection to an application, which is kept for later messages.
class Connection {
 public:
  explicit Connection(const Protocol::endpoint& to) : to_(to) {}

  // Sends a request and returns its final answer.  Throws boost::system::system_error or
  // Interrupted.  The connection must be deleted afterwards, before `request`, unless
  // is_reusable().
  Reply exchange(const Request& request, Clock::time_point deadline,
                 const std::atomic<bool>& stop) {
    has_answered_ = false;
    is_reusable_ = false;
    stream_.expires_at(deadline);
    if (!connected_) {
      step(stop, [&](auto done) { stream_.async_connect(to_, done); });
      connected_ = true;
    }
    // It reads while it writes, because an application may answer before it has read everything.
    write_end_.reset();
    http::async_write(stream_, request, [this](auto error, std::size_t size) {
      write_end_ = {error, size};
    });
    return read_final(stop);
  }

  // Whether the next request may use it: exactly one final answer was read to its end, with nothing
  // behind it, and as far as this side knows, the other side has not closed it.
  [[nodiscard]] bool is_reusable() {
    if (!is_reusable_) return false;
    char next = 0;
    const int file = stream_.socket().native_handle();
    return recv(file, &next, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR);
  }
  // Whether surely no byte of the request was written.
  [[nodiscard]] bool has_written_nothing() const {
    return !connected_ || (write_end_ && write_end_->size == 0);
  }
  // Whether a byte of an answer has come, interim answers included.
  [[nodiscard]] bool has_answered() const { return has_answered_ || buffer_.size() > 0; }

 private:
  struct WriteEnd {
    boost::system::error_code error;
    std::size_t size;
  };
  using Parser = http::response_parser<Reply::body_type>;

  // Reads past every interim answer (RFC 9110, section 15.2).
  Reply read_final(const std::atomic<bool>& stop) {
    for (;;) {
      Parser parser;
      parser.body_limit(kReplyMax);
      step(stop, [&](auto done) {
        http::async_read_header(stream_, buffer_, parser,
                                [done](auto error, std::size_t) { done(error); });
      });
      has_answered_ = true;
      if (parser.get().result_int() / 100 != 1) return read_body(parser, stop);
      if (parser.get().result() == http::status::switching_protocols) return parser.release();
    }
  }

  Reply read_body(Parser& parser, const std::atomic<bool>& stop) {
    // Beast 1.74 applies its limit only if the answer has no Content-Length.
    if (parser.content_length().value_or(0) > kReplyMax) {
      throw boost::system::system_error(make_error_code(http::error::body_limit));
    }
    step(stop, [&](auto done) {
      http::async_read(stream_, buffer_, parser, [done](auto error, std::size_t) { done(error); });
    });
    // 204 and 304 have no body.  If they announce one, it may follow later.
    const bool has_announced_body = parser.chunked() || parser.content_length().value_or(0) > 0;
    const unsigned status = parser.get().result_int();
    const bool body_may_follow = has_announced_body && (status == 204 || status == 304);
    const bool has_written_all = write_end_ && !write_end_->error;
    is_reusable_ =
        parser.keep_alive() && buffer_.size() == 0 && has_written_all && !body_may_follow;
    return parser.release();
  }

  template <class Start>
  void step(const std::atomic<bool>& stop, Start start) {
    std::optional<boost::system::error_code> ended;
    start([&ended](const boost::system::error_code& error) { ended = error; });
    context_.restart();
    while (!ended) {
      if (stop) throw Interrupted{};
      if (write_end_ && is_ours(write_end_->error)) {
        throw boost::system::system_error(write_end_->error);
      }
      context_.run_one_for(kTick);
    }
    if (*ended) throw boost::system::system_error(*ended);
  }

  Protocol::endpoint to_;
  asio::io_context context_;
  beast::basic_stream<Protocol> stream_{context_};
  beast::flat_buffer buffer_;
  std::optional<WriteEnd> write_end_;
  bool connected_ = false;
  bool has_answered_ = false;  // a header of an answer to this request was read
  bool is_reusable_ = false;
};

Protocol::endpoint endpoint_of(const std::string& address, std::uint16_t port) {
  if (port == 0) return asio::local::stream_protocol::endpoint(address);
  return asio::ip::tcp::endpoint(asio::ip::make_address(address), port);
}

std::string host_of(const std::string& address, std::uint16_t port) {
  if (port == 0) return "localhost";
  std::ostringstream host;
  host << asio::ip::tcp::endpoint(asio::ip::make_address(address), port);
  return host.str();
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
  std::unique_ptr<Connection>& kept = all[{address, port}];
  const auto deadline = Clock::now() + std::chrono::milliseconds(limits.timeout);
  Request request{http::verb::post, request_target, 11};
  request.set(http::field::host, host_of(address, port));
  set_message(request, job);
  // A message that comes again uses a new connection, so that it is not interrupted for ever.
  if (job.attempt > 1) kept.reset();
  for (;;) {
    std::unique_ptr<Connection> connection = std::exchange(kept, nullptr);
    const bool was_kept = connection && connection->is_reusable();
    if (!was_kept) connection = std::make_unique<Connection>(endpoint_of(address, port));
    try {
      HandlerResult result = result_of(connection->exchange(request, deadline, *limits.stop));
      if (connection->is_reusable()) kept = std::move(connection);
      return result;
    } catch (const Interrupted&) {
      return {.kind = HandlerResult::Kind::kInterrupted};
    } catch (const boost::system::system_error& error) {
      if (connection->has_written_nothing()) {
        if (was_kept) continue;
        return {.kind = HandlerResult::Kind::kNotBegun, .why = sentence_of(error.code())};
      }
      if (is_ours(error.code())) throw;
      if (!was_kept || connection->has_answered() || error.code() == beast::error::timeout) {
        return {.why = sentence_of(error.code())};
      }
      // The application closed a kept connection, perhaps before it knew of this message.  Only a
      // new attempt may send the message again (PROTOCOL 6).
      return {.kind = HandlerResult::Kind::kInterrupted,
              .why = "it closed a kept connection without an answer"};
    }
  }
}

}  // namespace sealpost
