// Replies that come whole. The first byte picks the protocol.
#include "inspect_input.hpp"

using namespace vestibule::dialect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  judge_reply(static_cast<ReplyShape>(data[0] % 4), ReplyForm::json, {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
