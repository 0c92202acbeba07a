#include "crypto/password.hpp"

#include <argon2.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <limits>
#include <new>
#include <optional>

namespace vestibule::crypto {
namespace {

constexpr std::size_t kPasswordSalt = 16;
constexpr std::size_t kHashSize = 32;
constexpr std::size_t kSaltText = 22;  // base64 without padding
constexpr std::size_t kHashText = 43;

bool within(const PasswordCost& c, const PasswordCost& least, const PasswordCost& most) noexcept {
  return c.memory_kib >= least.memory_kib && c.memory_kib <= most.memory_kib &&
         c.passes >= least.passes && c.passes <= most.passes && c.lanes >= least.lanes &&
         c.lanes <= most.lanes && c.memory_kib >= 8 * c.lanes;  // RFC 9106 section 3.1
}
constexpr PasswordCost kLeastReadable{8, 1, 1};

struct Encoded {
  PasswordCost cost;
  std::string_view salt;
  std::string_view hash;
};

bool eat(std::string_view& rest, std::string_view expected) noexcept {
  if (!rest.starts_with(expected)) return false;
  rest.remove_prefix(expected.size());
  return true;
}

bool eat_number(std::string_view& rest, std::uint32_t& out) noexcept {
  if (rest.empty() || rest[0] < '1' || rest[0] > '9') return false;  // no sign, no leading zero
  const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out);
  if (error != std::errc{}) return false;
  rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
  return true;
}

std::optional<Encoded> parse(std::string_view text) noexcept {
  Encoded out;
  if (!eat(text, "$argon2id$v=19$m=") || !eat_number(text, out.cost.memory_kib) ||
      !eat(text, ",t=") || !eat_number(text, out.cost.passes) || !eat(text, ",p=") ||
      !eat_number(text, out.cost.lanes) || !eat(text, "$") ||
      text.size() != kSaltText + 1 + kHashText || text[kSaltText] != '$')
    return std::nullopt;
  out.salt = text.substr(0, kSaltText);
  out.hash = text.substr(kSaltText + 1);
  if (!within(out.cost, kLeastReadable, kMostPasswordCost)) return std::nullopt;
  return out;
}

std::string unpadded(ByteView bytes) {
  std::string out = base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  return out;
}
std::optional<Bytes> from_unpadded(std::string_view text) {
  std::string padded(text);
  while (padded.size() % 4 != 0) padded.push_back('=');
  return unbase64(padded);
}

// libargon2 takes pointers to non-const, but writes through them only if told to clear its inputs.
std::uint8_t* input(ByteView bytes) noexcept { return const_cast<std::uint8_t*>(bytes.data()); }

std::chrono::nanoseconds cpu_time() noexcept {
  timespec ts{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

/// The better of two runs: the first one also pays for pages and caches.
double seconds_for(const PasswordCost& cost) {
  static constexpr std::array<std::uint8_t, kPasswordSalt> kSalt{};
  double best = std::numeric_limits<double>::max();
  for (int run = 0; run < 2; ++run) {
    const auto start = cpu_time();
    (void)argon2id(as_bytes("calibration"), kSalt, {}, {}, cost, kHashSize);
    best = std::min(best, std::chrono::duration<double>(cpu_time() - start).count());
  }
  return std::max(best, 1e-6);
}

}  // namespace

Result<Bytes> argon2id(ByteView password, ByteView salt, ByteView secret, ByteView associated,
                       const PasswordCost& cost, std::size_t length) {
  constexpr std::size_t kMax = std::numeric_limits<std::uint32_t>::max();
  if (password.size() > kMax || salt.size() > kMax || secret.size() > kMax ||
      associated.size() > kMax || length > kMax)
    return fail(Reason::invalid_argument, "Argon2: an input of 4 GiB or more");
  Bytes out(length);
  argon2_context context{};
  context.out = out.data();
  context.outlen = static_cast<std::uint32_t>(length);
  context.pwd = input(password);
  context.pwdlen = static_cast<std::uint32_t>(password.size());
  context.salt = input(salt);
  context.saltlen = static_cast<std::uint32_t>(salt.size());
  context.secret = input(secret);
  context.secretlen = static_cast<std::uint32_t>(secret.size());
  context.ad = input(associated);
  context.adlen = static_cast<std::uint32_t>(associated.size());
  context.t_cost = cost.passes;
  context.m_cost = cost.memory_kib;
  context.lanes = cost.lanes;
  context.threads = 1;  // the blocking pool bounds the threads, not Argon2
  context.version = ARGON2_VERSION_13;
  context.flags = ARGON2_DEFAULT_FLAGS;
  const int status = argon2_ctx(&context, Argon2_id);
  if (status == ARGON2_MEMORY_ALLOCATION_ERROR) throw std::bad_alloc();
  if (status != ARGON2_OK)
    return fail(Reason::invalid_argument, std::string("Argon2: ") + argon2_error_message(status));
  return out;
}

PasswordCost calibrate_password_cost(std::chrono::milliseconds target,
                                     std::uint32_t max_memory_kib) {
  const std::uint32_t most =
      std::clamp(max_memory_kib, kLeastPasswordCost.memory_kib, kMostPasswordCost.memory_kib);
  const double wanted = std::chrono::duration<double>(target).count();
  PasswordCost cost = kLeastPasswordCost;
  double took = seconds_for(cost);
  // Time grows with memory, and a little faster once caches are left behind: approach from above.
  for (int round = 0; round < 3; ++round) {
    const double scaled = static_cast<double>(cost.memory_kib) * wanted / took;
    auto memory = static_cast<std::uint32_t>(
        std::clamp(scaled, static_cast<double>(kLeastPasswordCost.memory_kib),
                   static_cast<double>(most)));
    memory = std::max(memory / 1024 * 1024, kLeastPasswordCost.memory_kib);
    if (memory == cost.memory_kib) break;
    cost.memory_kib = memory;
    took = seconds_for(cost);
    if (took <= wanted) break;
  }
  const double passes = static_cast<double>(cost.passes) * wanted / took;
  cost.passes = static_cast<std::uint32_t>(std::clamp(
      passes, double{kLeastPasswordCost.passes}, double{kMostPasswordCost.passes}));
  return cost;
}

Result<std::string> hash_password(std::string_view password, ByteView pepper,
                                  const PasswordCost& cost, Rng& rng) {
  if (password.empty() || password.size() > kMaxPassword)
    return fail(Reason::invalid_argument, "a password has 1 to 1024 bytes");
  if (!within(cost, kLeastPasswordCost, kMostPasswordCost))
    return fail(Reason::invalid_argument, "password cost out of bounds");
  const auto salt = rng.take<kPasswordSalt>();
  const auto hash = argon2id(as_bytes(password), salt, pepper, {}, cost, kHashSize);
  if (!hash) return hash.error();
  return "$argon2id$v=19$m=" + std::to_string(cost.memory_kib) + ",t=" +
         std::to_string(cost.passes) + ",p=" + std::to_string(cost.lanes) + '$' + unpadded(salt) +
         '$' + unpadded(*hash);
}

bool verify_password(std::string_view password, std::string_view encoded, ByteView pepper) {
  if (password.empty() || password.size() > kMaxPassword) return false;
  const auto parsed = parse(encoded);
  if (!parsed) return false;
  const auto salt = from_unpadded(parsed->salt);
  const auto wanted = from_unpadded(parsed->hash);
  if (!salt || !wanted) return false;
  const auto hash = argon2id(as_bytes(password), *salt, pepper, {}, parsed->cost, kHashSize);
  return hash && equal_constant_time(*hash, *wanted);
}

bool verify_no_password(std::string_view password, ByteView pepper, const PasswordCost& cost) {
  if (password.empty() || password.size() > kMaxPassword) return false;
  if (!within(cost, kLeastReadable, kMostPasswordCost)) return false;
  static constexpr std::array<std::uint8_t, kPasswordSalt> kSalt{};
  static constexpr std::array<std::uint8_t, kHashSize> kNoHash{};
  const auto hash = argon2id(as_bytes(password), kSalt, pepper, {}, cost, kHashSize);
  // The comparison is made so that the work is the same; its outcome does not count.
  const bool equal = hash && equal_constant_time(*hash, kNoHash);
  return equal && false;
}

bool needs_rehash(std::string_view encoded, const PasswordCost& cost) noexcept {
  const auto parsed = parse(encoded);
  return !parsed || parsed->cost != cost;
}

}  // namespace vestibule::crypto
