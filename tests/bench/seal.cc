// Makes homes with many clients, and messages of theirs: forms of one size, one after the other,
// for a load generator to read.  What it writes to stdout says how many bytes each has.
//
//   seal home HOME --clients N
//   seal records HOME OUT --clients N --from I --count M --body B --topic T
//   seal handshakes | unknown | forged | garbage, likewise
//
// Message i is of client i * 7919 mod N, so that neighbours in time are none in the database, with
// the counter i / N.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "bench/crowd.h"

namespace sealpost::bench {
namespace {

struct Order {
  std::string kind;
  std::string home;
  std::string out;
  std::uint64_t clients = 1000;
  std::uint64_t from = 0;
  std::uint64_t count = 0;
  std::size_t body = 256;
  std::string topic = "t";
};

// A form like any other, of bytes that are nothing.
std::string garbage(std::size_t size) {
  Envelope envelope;
  envelope.message.resize(size);
  crypto::random_bytes(envelope.message);
  envelope.message.front() |= 0x80;  // neither a handshake nor a record
  return envelope.form();
}

std::string form(const Crowd& crowd, const Order& order, std::uint64_t i) {
  const std::uint64_t client = i * 7919 % order.clients;
  const std::uint64_t counter = i / order.clients;
  if (order.kind == "records") return crowd.record(client, counter, order.topic, order.body);
  if (order.kind == "handshakes") return crowd.handshake(client);
  if (order.kind == "unknown") {
    return crowd.record(order.clients + i, counter, order.topic, order.body);
  }
  if (order.kind == "forged") return crowd.forged(client, order.body);
  if (order.kind == "garbage") return garbage(order.body);
  throw Fault("there is no kind " + order.kind);
}

void write(const Crowd& crowd, const Order& order) {
  std::ofstream out(order.out, std::ios::binary | std::ios::trunc);
  std::size_t size = 0;
  for (std::uint64_t i = order.from; i < order.from + order.count; ++i) {
    const std::string text = form(crowd, order, i);
    if (size != 0 && text.size() != size) throw Fault("the forms are not of one size");
    size = text.size();
    out << text;
  }
  if (!out.flush()) throw Fault(order.out + " cannot be written");
  std::cout << size << '\n';
}

int run(int argc, char** argv) {
  Order order;
  CLI::App app;
  app.add_option("kind", order.kind)->required();
  app.add_option("home", order.home)->required();
  app.add_option("out", order.out);
  app.add_option("--clients", order.clients);
  app.add_option("--from", order.from);
  app.add_option("--count", order.count);
  app.add_option("--body", order.body);
  app.add_option("--topic", order.topic);
  CLI11_PARSE(app, argc, argv);
  umask(077);
  const Crowd crowd(order.home);
  order.kind == "home" ? crowd.move_in(order.clients) : write(crowd, order);
  return 0;
}

}  // namespace
}  // namespace sealpost::bench

int main(int argc, char** argv) {
  try {
    return sealpost::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "seal: " << error.what() << '\n';
    return 1;
  }
}
