#include "http/sse.hpp"

#include <cstring>

namespace vestibule::http {

// Takes bytes up to the end of an event (true: event_ is set) or all of them (false: into held_).
bool SseSplitter::take(std::string_view& bytes) {
  if (too_large_) return false;
  const std::size_t n = bytes.size();
  std::size_t i = 0;
  bool complete = false;
  while (i < n && !complete) {
    const char c = bytes[i];
    if (cr_) {
      cr_ = false;
      if (c == '\n') ++i;  // CRLF
      complete = ending_;
    } else if (c == '\n') {
      ++i;
      complete = line_empty_;
      line_empty_ = true;
    } else if (c == '\r') {
      ++i;
      cr_ = true;
      ending_ = line_empty_;
      line_empty_ = true;
    } else {
      line_empty_ = false;
      const char* const from = bytes.data() + i;
      const auto* end = static_cast<const char*>(std::memchr(from, '\n', n - i));
      std::size_t size = end == nullptr ? n - i : static_cast<std::size_t>(end - from);
      if (const void* cr = std::memchr(from, '\r', size)) {
        size = static_cast<std::size_t>(static_cast<const char*>(cr) - from);
      }
      i += size;
    }
  }
  if (held_.size() + i > max_) {
    too_large_ = true;
    return false;
  }
  if (complete && held_.empty()) {
    event_ = bytes.substr(0, i);
  } else {
    held_.append(bytes.data(), i);
    event_ = held_;
  }
  bytes.remove_prefix(i);
  return complete;
}

bool SseSplitter::end_of_stream() noexcept {
  if (too_large_ || !cr_ || !ending_ || held_.empty()) return false;
  cr_ = false;
  event_ = held_;
  return true;
}

SseEvent SseSplitter::read() {
  SseEvent out;
  out.raw = event_;
  std::string_view rest = event_;
  if (first_ && rest.substr(0, 3) == "\xEF\xBB\xBF") rest.remove_prefix(3);
  bool joining = false;
  // Each byte is looked at once, also where lines end in CR only.
  const char* lf = nullptr;
  const auto line_end = [&lf](std::string_view text) {
    const char* const stop = text.data() + text.size();
    if (lf == nullptr || lf < text.data()) {
      lf = static_cast<const char*>(std::memchr(text.data(), '\n', text.size()));
      if (lf == nullptr) lf = stop;
    }
    const auto size = static_cast<std::size_t>(lf - text.data());
    const auto* cr = static_cast<const char*>(std::memchr(text.data(), '\r', size));
    if (cr != nullptr) return static_cast<std::size_t>(cr - text.data());
    return lf == stop ? std::string_view::npos : size;
  };
  while (!rest.empty()) {
    const std::size_t end = line_end(rest);
    const std::string_view line = rest.substr(0, end);
    if (end == std::string_view::npos) {
      rest = {};
    } else {
      const bool crlf = rest[end] == '\r' && end + 1 < rest.size() && rest[end + 1] == '\n';
      rest.remove_prefix(end + (crlf ? 2 : 1));
    }
    const std::size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    std::string_view value;
    if (colon != std::string_view::npos) value = line.substr(colon + 1);
    if (!value.empty() && value[0] == ' ') value.remove_prefix(1);
    const bool named = field == "data" || field == "event" || field == "id" || field == "retry" || (field.empty() && colon == 0);
    if (!line.empty() && (!named || (field == "data" ? out.has_data : line.find('{') != std::string_view::npos))) out.strict = false;
    if (field == "event") {
      out.name = value;
    } else if (field == "data") {
      if (!out.has_data) {
        out.has_data = true;
        out.data = value;
        continue;
      }
      if (!joining) joined_ = out.data;
      joining = true;
      joined_.push_back('\n');
      joined_.append(value);
      out.data = joined_;
    }
  }
  return out;
}

void SseSplitter::next() noexcept {
  held_.clear();
  event_ = {};
  line_empty_ = true;
  ending_ = false;
  first_ = false;
}

}  // namespace vestibule::http
