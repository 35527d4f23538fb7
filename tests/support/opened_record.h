// Opened records for tests, made the only way there is: by sealing and opening them.
#pragma once

#include "protocol/record.h"
#include "store/store.h"

namespace sealpost::test {

inline OpenedRecord opened_record(const Session& session, const Message& message,
                                  const Claims& claims, const Receipt& receipt, Time sent_at) {
  const crypto::Key key;
  const ClaimsProof proof{receipt, claims, {}};
  const Envelope envelope = seal_record(key, session.id, crypto::random_array<32>(), {}, message,
                                        proof, sent_at, message.counter);
  auto header = RecordHeader::read(envelope.message);
  auto seal = OpenedSeal::open(envelope, *header, session, key);
  return std::move(*OpenedRecord::read(std::move(*seal)));
}

// A pool in which every candidate finds a place.
inline WorkerPool& large_pool() {
  static WorkerPool pool;
  return pool;
}

inline Candidate candidate(const Session& session, const Message& message,
                           Decision decision = Decision::kInbox, const Receipt& receipt = {},
                           Time sent_at = {}, WorkerPool& pool = large_pool(),
                           std::size_t max_running = 1000) {
  return {opened_record(session, message, *Claims::of({{"role", "sensor"}}), receipt, sent_at),
          decision,
          {pool, max_running, {}}};
}

// As Store::admit takes them.
inline std::vector<Candidate*> pointers_to(std::vector<Candidate>& candidates) {
  std::vector<Candidate*> pointers;
  for (Candidate& one : candidates) pointers.push_back(&one);
  return pointers;
}

}  // namespace sealpost::test
