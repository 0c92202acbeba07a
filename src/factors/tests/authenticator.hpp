#pragma once
// A software authenticator with one ES256 key, for tests of everything above the verification itself
// (which the vectors of another implementation hold). It reads the options as a browser does.

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "crypto/hash.hpp"
#include "factors/cbor.hpp"
#include "json/value.hpp"

namespace vestibule::testing {

class SoftAuthenticator {
 public:
  SoftAuthenticator() : key_(EVP_EC_gen("P-256")), id_(next_id()) {}

  // What tests change.
  std::string origin = "http://localhost:8422";
  std::string rp_id;              ///< empty: as asked
  bool user_verified = true;
  bool backup_eligible = false;
  bool backed_up = false;
  bool attests = true;            ///< packed, by itself; otherwise none
  std::uint32_t counter = 0;      ///< of the last signature; each adds `steps`
  std::uint32_t steps = 1;
  std::optional<Bytes> user;      ///< the handle it gives; nothing: the one it was registered with

  [[nodiscard]] const Bytes& id() const { return id_; }
  void set_id(Bytes id) { id_ = std::move(id); }

  /// RegistrationResponseJSON for PublicKeyCredentialCreationOptionsJSON.
  std::string create(std::string_view options) {
    const json::Value o = json::parse(options).value_or(json::Value());
    handle_ = unbase64url(o.find("user")->get_string("id").value_or("")).value_or(Bytes{});
    const std::string client = client_data("webauthn.create", o.get_string("challenge").value_or(""));
    Bytes data = head(o.find("rp")->get_string("id").value_or(""), 0x40);
    data.insert(data.end(), 16, 0);  // of no particular model
    data.push_back(static_cast<std::uint8_t>(id_.size() >> 8U));
    data.push_back(static_cast<std::uint8_t>(id_.size()));
    data.insert(data.end(), id_.begin(), id_.end());
    append_key(data);
    using factors::append_cbor;
    using Type = factors::CborReader::Type;
    Bytes object;
    factors::append_cbor_head(object, Type::map, 3);
    append_cbor(object, "fmt");
    append_cbor(object, attests ? "packed" : "none");
    append_cbor(object, "attStmt");
    factors::append_cbor_head(object, Type::map, attests ? 2 : 0);
    if (attests) {
      append_cbor(object, "alg");
      factors::append_cbor_head(object, Type::negative_integer, 6);
      append_cbor(object, "sig");
      append_cbor(object, ByteView(sign(data, client)));
    }
    append_cbor(object, "authData");
    append_cbor(object, ByteView(data));
    json::Value response;
    response.set("clientDataJSON", base64url(as_bytes(client))).set("attestationObject", base64url(object));
    response.set("transports", json::Value(json::Array{"usb", "nfc"}));
    return wrapped(std::move(response));
  }

  /// AuthenticationResponseJSON for PublicKeyCredentialRequestOptionsJSON.
  std::string get(std::string_view options) {
    const json::Value o = json::parse(options).value_or(json::Value());
    const std::string client = client_data("webauthn.get", o.get_string("challenge").value_or(""));
    counter += steps;
    const Bytes data = head(o.get_string("rpId").value_or(""), 0);
    json::Value response;
    response.set("clientDataJSON", base64url(as_bytes(client))).set("authenticatorData", base64url(data));
    response.set("signature", base64url(sign(data, client))).set("userHandle", base64url(user.value_or(handle_)));
    return wrapped(std::move(response));
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
    void operator()(EVP_MD_CTX* p) const noexcept { EVP_MD_CTX_free(p); }
  };

  static Bytes next_id() {
    static std::uint32_t n = 0;
    ++n;
    const Digest d = crypto::sha256(ByteView(reinterpret_cast<const std::uint8_t*>(&n), sizeof n));
    return {d.begin(), d.end()};
  }
  [[nodiscard]] std::string client_data(std::string_view type, const std::string& challenge) const {
    json::Value v;
    v.set("type", type).set("challenge", challenge).set("origin", origin).set("crossOrigin", false);
    return v.dump();
  }
  [[nodiscard]] Bytes head(const std::string& asked_rp, std::uint8_t more) const {
    const Digest rp = crypto::sha256(as_bytes(rp_id.empty() ? asked_rp : rp_id));
    Bytes out(rp.begin(), rp.end());
    out.push_back(static_cast<std::uint8_t>(0x01 | (user_verified ? 0x04 : 0) | (backup_eligible ? 0x08 : 0) |
                                            (backed_up ? 0x10 : 0) | more));
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(counter >> shift));
    return out;
  }
  void append_key(Bytes& out) const {
    Bytes point(65);
    std::size_t size = 0;
    EXPECT_EQ(EVP_PKEY_get_octet_string_param(key_.get(), "pub", point.data(), point.size(), &size), 1);
    using Type = factors::CborReader::Type;
    factors::append_cbor_head(out, Type::map, 5);
    const auto number = [&out](int n) {
      factors::append_cbor_head(out, n < 0 ? Type::negative_integer : Type::unsigned_integer,
                                static_cast<std::uint64_t>(n < 0 ? -1 - n : n));
    };
    for (const auto& [label, value] : {std::pair{1, 2}, std::pair{3, -7}, std::pair{-1, 1}}) {
      number(label);
      number(value);
    }
    number(-2);
    factors::append_cbor(out, ByteView(point).subspan(1, 32));
    number(-3);
    factors::append_cbor(out, ByteView(point).subspan(33, 32));
  }
  [[nodiscard]] Bytes sign(const Bytes& data, const std::string& client) const {
    const Digest hash = crypto::sha256(as_bytes(client));
    Bytes message = data;
    message.insert(message.end(), hash.begin(), hash.end());
    const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
    std::size_t size = 0;
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get());
    EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size());
    Bytes out(size);
    EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size());
    out.resize(size);
    return out;
  }
  [[nodiscard]] std::string wrapped(json::Value response) const {
    json::Value v;
    v.set("id", base64url(id_)).set("rawId", base64url(id_)).set("type", "public-key");
    v.set("response", std::move(response)).set("clientExtensionResults", json::Value(json::Object{}));
    return v.dump();
  }

  std::unique_ptr<EVP_PKEY, Free> key_;
  Bytes id_;
  Bytes handle_;
};

}  // namespace vestibule::testing
