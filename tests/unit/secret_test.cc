#define BOOST_TEST_MODULE secret
#include "crypto/secret.h"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <new>
#include <type_traits>

// What a watched block of memory held at the moment it was freed.
static void* watched = nullptr;
static std::size_t watched_size = 0;
static std::array<char, 64> last_bytes{};

static void release(void* memory) noexcept {
  if (memory != nullptr && memory == watched) {
    std::memcpy(last_bytes.data(), memory, watched_size);
    watched = nullptr;
  }
  std::free(memory);  // NOLINT(cppcoreguidelines-no-malloc)
}
void* operator new(std::size_t size) { return std::malloc(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }

namespace sealpost::crypto {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};

static_assert(!std::is_copy_constructible_v<Key>);
static_assert(!std::is_copy_assignable_v<Key>);
static_assert(std::is_nothrow_move_constructible_v<Key>);
static_assert(!Printable<Key>);
static_assert(!Printable<SecretText>);
static_assert(!std::is_convertible_v<Key, ByteView>);

Key key_of(std::uint8_t fill) {
  Key key;
  std::fill(key.fill().begin(), key.fill().end(), fill);
  return key;
}

BOOST_AUTO_TEST_CASE(secret_is_erased_when_destroyed) {
  alignas(Key) std::array<std::uint8_t, sizeof(Key)> memory{};
  Key* key = new (memory.data()) Key(key_of(0xaa));
  BOOST_TEST(memory[0] == 0xaa);
  key->~Key();
  BOOST_TEST(memory == decltype(memory){}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(moved_from_secret_is_erased) {
  Key from = key_of(1);
  const Key to = std::move(from);
  BOOST_TEST((from == Key()));  // NOLINT(bugprone-use-after-move): that is the point
  BOOST_TEST((to == key_of(1)));

  Key other = key_of(2);
  Key target = key_of(3);
  target = std::move(other);
  BOOST_TEST((other == Key()));  // NOLINT(bugprone-use-after-move)
  BOOST_TEST((target == key_of(2)));
}

BOOST_AUTO_TEST_CASE(compares_all_bytes_of_secrets) {
  for (std::size_t i = 0; i < Key::kSize; ++i) {
    Key changed = key_of(7);
    changed.fill()[i] ^= 1;
    BOOST_TEST(!(changed == key_of(7)));
  }
  BOOST_TEST((key_of(7).clone() == key_of(7)));
}

BOOST_AUTO_TEST_CASE(equal_compares_sizes) {
  BOOST_TEST(equal(Bytes{}, Bytes{}));
  BOOST_TEST(!equal(Bytes{1}, Bytes{}));
  BOOST_TEST(!equal(Bytes{1, 2}, Bytes{1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(secret_text_is_erased_when_freed) {
  SecretText text(40, 'k');
  watched = text.data();
  watched_size = text.size();
  text = SecretText();
  text.shrink_to_fit();
  BOOST_TEST((watched == nullptr));  // it was freed while watched
  BOOST_TEST(std::string(last_bytes.data(), 40) == std::string(40, '\0'));
}

}  // namespace
}  // namespace sealpost::crypto
