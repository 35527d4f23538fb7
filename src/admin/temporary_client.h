// A client that exists only while the gateway is checked.
#pragma once

#include <functional>
#include <string>

#include "base/time.h"
#include "store/home.h"

namespace sealpost {

class TemporaryClient {
 public:
  // `report` receives a message if the destructor cannot remove the client.
  TemporaryClient(const Home& home, std::function<void(const std::string&)> report);
  // Deletes the credential file and removes the client.
  ~TemporaryClient();
  TemporaryClient(const TemporaryClient&) = delete;
  TemporaryClient& operator=(const TemporaryClient&) = delete;

  // Adds the client and writes its credential to credential_file().  Call it once.  Throws Fault.
  void issue(const std::string& url, Time now);
  [[nodiscard]] const std::string& credential_file() const { return file_; }

 private:
  const Home& home_;
  std::function<void(const std::string&)> report_;
  std::string file_;
  bool issued_ = false;
};

}  // namespace sealpost
