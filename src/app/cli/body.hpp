#pragma once
// A request's JSON body that may hold secrets: flat, in order, wiped when it goes.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.hpp"
#include "json/writer.hpp"

namespace vestibule::app::cli {

class Body {
 public:
  Body() = default;
  Body(Body&&) = default;
  Body& operator=(Body&&) = delete;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body() {
    for (auto& m : members_) wipe(m.second);
  }

  Body& set(std::string_view key, std::string_view text) {
    std::string json;
    json.reserve(text.size() * 6 + 2);  // grows nowhere: no copy of a secret is left behind
    json::append_string(json, text);
    return put(key, std::move(json));
  }
  Body& set(std::string_view key, const char* text) { return set(key, std::string_view(text)); }
  Body& set(std::string_view key, const Secret& secret) { return set(key, secret.reveal_text()); }
  Body& set(std::string_view key, std::int64_t number) { return put(key, std::to_string(number)); }
  Body& set(std::string_view key, const std::vector<std::string>& list) {
    json::Writer w;
    w.begin_array();
    for (const std::string& s : list) w.value(s);
    w.end_array();
    return put(key, w.take());
  }
  /// If there is something to say.
  Body& set_if(std::string_view key, std::string_view text) { return text.empty() ? *this : set(key, text); }

  /// "{...}"; the caller wipes it.
  [[nodiscard]] std::string text() const {
    std::size_t size = 2;
    for (const auto& m : members_) size += m.first.size() + m.second.size() + 4;
    std::string out;
    out.reserve(size);
    out += '{';
    for (const auto& m : members_) {
      if (out.size() > 1) out += ',';
      out += '"' + m.first + "\":";
      out += m.second;
    }
    out += '}';
    return out;
  }

 private:
  Body& put(std::string_view key, std::string json) {
    for (auto& m : members_) {
      if (m.first != key) continue;
      wipe(m.second);
      m.second = std::move(json);
      return *this;
    }
    members_.emplace_back(key, std::move(json));
    return *this;
  }
  std::vector<std::pair<std::string, std::string>> members_;  // key, JSON of the value
};

}  // namespace vestibule::app::cli
