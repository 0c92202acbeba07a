// Receipts from strangers, under the log key of seed 7 x 32. The corpus holds some that are good and some that the
// last checks refuse. What is taken is what it was: in its one text, confirmed, by its log.
#include <cstdlib>

#include "approval/receipt.hpp"
#include "crypto/signature.hpp"
#include "json/canonical.hpp"

using namespace vestibule;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const approval::ReceiptExpectations expected = [] {
    const auto signer = crypto::SigningKey::from_seed(Secret(Bytes(32, 7)));
    const auto& key = signer->public_key();
    approval::ReceiptExpectations e;
    e.logs.push_back({"vestibule.local/audit", Bytes(key.begin(), key.end())});
    e.unbound = true;
    return e;
  }();
  const std::string_view text = as_text({data, size});
  const auto receipt = approval::check_receipt(text, expected);
  if (!receipt) return 0;
  if (receipt->confirmed.empty() || json::canonicalize(text).value_or("") != text) std::abort();
  if (json::canonicalize(receipt->arguments).value_or("") != receipt->arguments) std::abort();
  for (const auto& c : receipt->confirmed) {
    if (c.log != "vestibule.local/audit" || c.at >= receipt->expires) std::abort();
  }
  return 0;
}
