// Replies that come as events or lines. The first byte picks the protocol and which of the two.
#include "inspect_input.hpp"

using namespace vestibule::dialect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const ReplyForm form = (data[0] & 4U) == 0 ? ReplyForm::events : ReplyForm::ndjson;
  judge_reply(static_cast<ReplyShape>(data[0] % 4), form, {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
