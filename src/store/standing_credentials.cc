#include "store/standing_credentials.h"

namespace sealpost {

bool stands(const StandingCredentials& row, Kid kid, Generation generation, Time now) {
  if (row.revoked) return false;
  if (generation == row.generation) return kid == row.kid;
  if (generation > row.generation) {
    return generation - row.generation <= kGenerationsAhead && kid >= row.kid;
  }
  const auto& former = row.former;
  return former && generation == former->generation && kid == former->kid && now < former->until;
}

}  // namespace sealpost
