// Opened records for tests of the store, made the only way there is: by sealing and opening them.
#pragma once

#include "protocol/record.h"
#include "store/store.h"

namespace sealpost::test {

inline Candidate candidate(const Session& session, const Message& message,
                           Decision decision = Decision::kInbox, const Receipt& receipt = {},
                           Time sent_at = {}) {
  const crypto::Key key;
  const ClaimsProof proof{receipt, *Claims::of({{"role", "sensor"}}), {}};
  const Envelope envelope = seal_record(key, session.id, crypto::random_array<32>(), {}, message,
                                        proof, sent_at, message.counter);
  auto header = RecordHeader::read(envelope.message);
  auto seal = OpenedSeal::open(envelope, *header, session, key);
  auto record = OpenedRecord::read(std::move(*seal));
  return {std::move(*record), decision};
}

}  // namespace sealpost::test
