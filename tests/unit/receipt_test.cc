#define BOOST_TEST_MODULE receipt
#include "protocol/receipt.h"

#include <boost/test/unit_test.hpp>

namespace sealpost {
namespace {

const Installation kInstallation{"client1", 1, InstallNonce{1}};
const Epoch kEpoch{2};

crypto::Key key_of(std::uint8_t first) {
  crypto::Key key;
  key.fill()[0] = first;
  return key;
}

BOOST_AUTO_TEST_CASE(receipt_is_genuine_for_its_key_epoch_and_installation_only) {
  const Receipt receipt = make_receipt(key_of(1), kEpoch, kInstallation, 5);
  BOOST_TEST(receipt.next == 5U);
  BOOST_TEST(is_genuine(receipt, key_of(1), kEpoch, kInstallation));

  BOOST_TEST(!is_genuine(receipt, key_of(2), kEpoch, kInstallation));
  BOOST_TEST(!is_genuine(receipt, key_of(1), Epoch{3}, kInstallation));
  BOOST_TEST(!is_genuine(receipt, key_of(1), kEpoch, {"client2", 1, InstallNonce{1}}));
  BOOST_TEST(!is_genuine(receipt, key_of(1), kEpoch, {"client1", 2, InstallNonce{1}}));
  BOOST_TEST(!is_genuine(receipt, key_of(1), kEpoch, {"client1", 1, InstallNonce{2}}));

  Receipt raised = receipt;
  raised.next = 6;
  BOOST_TEST(!is_genuine(raised, key_of(1), kEpoch, kInstallation));
  Receipt forged = receipt;
  forged.proof[15] ^= 1;
  BOOST_TEST(!is_genuine(forged, key_of(1), kEpoch, kInstallation));
}

BOOST_AUTO_TEST_CASE(missing_receipt_is_24_zero_bytes_and_proves_nothing) {
  const Receipt none = make_receipt(key_of(1), kEpoch, kInstallation, 0);
  Writer writer;
  none.write(writer);
  BOOST_TEST(writer.view().size() == Receipt::kSize);
  BOOST_TEST(writer.take() == Bytes(24), boost::test_tools::per_element());
  BOOST_TEST(!is_genuine(none, key_of(1), kEpoch, kInstallation));
}

BOOST_AUTO_TEST_CASE(receipt_survives_round_trip) {
  const Receipt receipt = make_receipt(key_of(1), kEpoch, kInstallation, kCounterEnd - 1);
  Writer writer;
  receipt.write(writer);
  Reader reader(writer.view());
  BOOST_TEST((Receipt::read(reader) == receipt));
  BOOST_TEST(reader.expect_end());
}

}  // namespace
}  // namespace sealpost
