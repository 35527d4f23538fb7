// What becomes of a message if its counter turns out to be new (PROTOCOL 6, step 8).
#pragma once

#include "base/time.h"
#include "delivery/routes.h"
#include "protocol/record.h"
#include "store/store.h"

namespace sealpost {

struct Routing {
  Decision decision;
  const Target* handler = nullptr;  // kHandler: in `routes`
  std::string route;  // kHandler: what shares the worker pool; empty if there is no other
  int line = 0;       // kNoRoute: of the route that rejects it; 0 if none takes it
};

// Decides on the message's time, its claims' times, its topic and the routes.  Pure: the caller
// reserves the handler's place once the store knows that the counter is new.
//
// `tolerance` is how far sent_at may be from `now`; zero means any distance.
[[nodiscard]] Routing decide(const OpenedRecord& record, const Routes& routes,
                             Milliseconds tolerance, Time now);

}  // namespace sealpost
