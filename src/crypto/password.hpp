#pragma once
// Passwords by Argon2id (RFC 9106), with the pepper as Argon2's secret input, so that a stolen
// database alone is worth no guess.
//
// Thread-safe: nothing is shared. Every function but needs_rehash() blocks for the cost it is given
// and takes memory_kib of memory: run them on the bounded blocking pool, never on an I/O thread.
// Argon2's memory is wiped before it is freed. std::bad_alloc if there is none to be had.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace vestibule::crypto {

/// The default is the least that is accepted for new hashes (OWASP Password Storage Cheat Sheet:
/// 19 MiB, 2 passes, 1 lane). A hash is computed by one thread whatever the lanes.
struct PasswordCost {
  std::uint32_t memory_kib = 19 * 1024;
  std::uint32_t passes = 2;
  std::uint32_t lanes = 1;
  bool operator==(const PasswordCost&) const = default;
};
inline constexpr PasswordCost kLeastPasswordCost{};
/// A stored hash that asks for more is not one of ours and is not computed.
inline constexpr PasswordCost kMostPasswordCost{1024 * 1024, 64, 16};
inline constexpr std::size_t kMaxPassword = 1024;  ///< bytes

/// Measures this machine (processor time of the calling thread): the most memory up to
/// `max_memory_kib`, then the most passes, that stay near `target` for one hash. Never below
/// kLeastPasswordCost, even where that takes longer. Takes a few times the target. Keep the result:
/// measured anew at each start it would differ a little, and needs_rehash() with it.
[[nodiscard]] PasswordCost calibrate_password_cost(
    std::chrono::milliseconds target = std::chrono::milliseconds(250),
    std::uint32_t max_memory_kib = 64 * 1024);

/// "$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>" (PHC string format; 16-byte salt, 32-byte hash).
/// invalid_argument if the password is empty or longer than kMaxPassword, or the cost is out of
/// bounds.
/// The password is taken as bytes: whoever accepts it from a keyboard normalises it first.
[[nodiscard]] Result<std::string> hash_password(std::string_view password, ByteView pepper,
                                                const PasswordCost& cost, Rng& rng);

/// True only if this is the password. Anything malformed or out of bounds is false.
[[nodiscard]] bool verify_password(std::string_view password, std::string_view encoded,
                                   ByteView pepper);

/// For a user who does not exist, or has no password: costs what verify_password() costs at `cost`
/// (give the cost of the stored hashes), and is always false.
[[nodiscard]] bool verify_no_password(std::string_view password, ByteView pepper,
                                      const PasswordCost& cost);

/// True if the hash was made at another cost than this, or is malformed. Cheap.
[[nodiscard]] bool needs_rehash(std::string_view encoded, const PasswordCost& cost) noexcept;

/// Argon2id itself, version 0x13, for other uses and RFC 9106's test vector. `cost` is passed on as
/// given; invalid_argument if Argon2 refuses it or an input (salt: at least 8 bytes).
[[nodiscard]] Result<Bytes> argon2id(ByteView password, ByteView salt, ByteView secret,
                                     ByteView associated, const PasswordCost& cost,
                                     std::size_t length);

}  // namespace vestibule::crypto
