#include "notify/message.hpp"

#include "json/writer.hpp"

namespace vestibule::notify {

std::string_view name(Bell bell) noexcept {
  switch (bell) {
    case Bell::enrol: return "enrol";
    case Bell::prompt: return "prompt";
    case Bell::notice: return "notice";
  }
  return "";
}

std::string payload(Bell bell, std::string_view code) {
  json::Writer w;
  w.begin_object().member("v", 1).member("type", name(bell));
  if (!code.empty()) w.member("code", code);
  w.end_object();
  return w.take();
}

Treatment treatment(Bell bell) noexcept {
  using std::chrono::seconds;
  switch (bell) {
    case Bell::enrol: return {seconds(300), "high"};
    case Bell::prompt: return {seconds(120), "high"};  // as long as a prompt lives
    case Bell::notice: return {seconds(24 * 3600), "normal"};
  }
  return {seconds(0), "normal"};
}

}  // namespace vestibule::notify
