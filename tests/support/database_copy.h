// A copy of the database, to be put back without the gateway's knowledge.
#pragma once

#include <filesystem>
#include <string>

#include "store/backup.h"
#include "support/gateway_fixture.h"

namespace sealpost::test {

struct DatabaseCopy {
  explicit DatabaseCopy(GatewayFixture& of) : fixture(of) {
    Database database = fixture.database();
    back_up(database, file);
  }
  // As an operator does with `cp`; the gateway does not run meanwhile.
  void put_back() const {
    fixture.restart();
    for (const char* part : {"", "-wal", "-shm"}) {
      std::filesystem::remove(fixture.home.store_paths().database + part);
    }
    std::filesystem::copy_file(file, fixture.home.store_paths().database);
    fixture.restart();
  }
  GatewayFixture& fixture;
  std::string file = fixture.folder / "copy.db";
};

}  // namespace sealpost::test
