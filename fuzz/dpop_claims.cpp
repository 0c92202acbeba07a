// The claims of a DPoP proof, well signed by a key that is a stranger's like all else of it: what passes is for
// this method, address, token and moment, and passes once.
#include <cstdint>
#include <memory>
#include <optional>

#include "crypto/hash.hpp"
#include "crypto/jose.hpp"
#include "crypto/p256.hpp"
#include "gate/dpop.hpp"
#include "require.hpp"

using namespace vestibule;

namespace {

class Signer {
 public:
  Signer() : key_(std::move(*crypto::JwsKey::generate(crypto::JwsAlg::es256))) {
    const auto raw = json::parse(key_.secret().reveal_text());
    scalar_.emplace(std::move(*crypto::P256Key::from_scalar(Secret(*unbase64url(*raw->get_string("d"))))));
    header_ = base64url(as_bytes(R"({"typ":"dpop+jwt","alg":"ES256","jwk":)" + key_.public_json() + "}"));
  }
  [[nodiscard]] std::string sign(std::string_view claims) const {
    const std::string input = header_ + "." + base64url(as_bytes(claims));
    return input + "." + base64url(scalar_->sign(as_bytes(input)));
  }

 private:
  crypto::JwsKey key_;
  std::optional<crypto::P256Key> scalar_;
  std::string header_;
};

constexpr std::string_view kToken = "vt_token";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Signer signer;
  static const ManualClock clock;  // at 1 800 000 000
  static std::unique_ptr<gate::Dpop> memory;
  static unsigned runs = 0;
  if (runs++ % 20'000 == 0) memory = std::make_unique<gate::Dpop>(clock);  // before it is full
  gate::Dpop& dpop = *memory;
  const std::string proof = signer.sign(std::string_view(reinterpret_cast<const char*>(data), size));
  const gate::DpopWanted wanted{"POST", "localhost:8420", "/main/v1/chat/completions", false, kToken};
  gate::DpopWanted other = wanted;
  other.method = "GET";
  require(!dpop.check(proof, other) || !dpop.check(proof, wanted));
  other = wanted;
  other.path = "/other/v1/chat/completions";
  require(!dpop.check(proof, other) || !dpop.check(proof, wanted));
  if (!dpop.check(proof, wanted)) return 0;
  require(!dpop.check(proof, wanted));  // once
  const auto claims = json::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  require(claims && claims->is_object());
  const auto iat = claims->get_int("iat");
  require(iat && *iat >= 1'800'000'000 && *iat <= 1'800'000'010);
  require(claims->get_string("ath").value_or("") == base64url(crypto::sha256(as_bytes(kToken))));
  return 0;
}
