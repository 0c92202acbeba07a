#include "dialect/inspect_text.hpp"

#include <algorithm>
#include <array>

#include "dialect/inspect_spelt.hpp"

namespace vestibule::dialect {
namespace {

constexpr std::size_t kLookBack = 9;
// Longer than this nothing stays unclear: it counts as what it may be. Nor is anybody's mind made up by what comes behind: that
// may be here already, or not.
constexpr std::size_t kUnclear = 256;
constexpr std::size_t kAgain = std::size_t{1} << 20U;  // bytes that may be judged twice

// Bytes that a mark, an object or a list may begin with.
constexpr std::array<bool, 256> kTriggers = [] {
  std::array<bool, 256> out{};
  for (const Format& f : kFormats) out[static_cast<unsigned char>(f.begin.front())] = true;
  out['{'] = out['['] = out['>'] = true;
  return out;
}();

std::size_t next_trigger(std::string_view text, std::size_t from) {
  while (from < text.size() && !kTriggers[static_cast<unsigned char>(text[from])]) ++from;
  return from;
}

}  // namespace

bool TextScan::stands_before(std::size_t at, std::string_view text) const {
  const std::string_view here = std::string_view(window_).substr(0, at);
  if (here.size() >= text.size()) return agrees(here.substr(here.size() - text.size()), text);
  const std::size_t missing = text.size() - here.size();
  return before_.size() >= missing && agrees(std::string_view(before_).substr(before_.size() - missing), text.substr(0, missing)) &&
         agrees(here, text.substr(missing));
}

TextScan::Fit TextScan::mark_at(std::size_t at) {
  const std::string_view rest = std::string_view(window_).substr(at);
  Fit fit = Fit::none;
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    const Format& f = kFormats[i];
    if (!agrees(rest, f.begin) || !stands_before(at, f.before)) continue;
    if (rest.size() < f.begin.size()) {
      fit = Fit::unclear;
      continue;
    }
    format_ = i;
    mark_ = f.begin.size();
    return Fit::mark;
  }
  return fit;
}

// `[name(key=`, `[name()`
TextScan::Fit TextScan::python_at(std::size_t at) const {
  const std::string_view text = std::string_view(window_).substr(0, at + kUnclear + 1);
  const auto word = [&] {
    if (at < text.size() && !is_letter(text[at])) return false;
    while (at < text.size() && is_word(text[at])) ++at;
    return true;
  };
  at = behind_space(text, at + 1);
  if (!word()) return Fit::none;
  at = behind_space(text, at);
  if (at == text.size()) return Fit::unclear;
  if (text[at] != '(') return Fit::none;
  at = behind_space(text, at + 1);
  if (at == text.size()) return Fit::unclear;
  if (text[at] == ')') return Fit::mark;
  if (!word()) return Fit::none;
  at = behind_space(text, at);
  if (at == text.size()) return Fit::unclear;
  return text[at] == '=' ? Fit::mark : Fit::none;
}

// Functionary 3.2: `>>>name` and the end of the line; `>>>all` leads in words.
TextScan::Fit TextScan::prompt_at(std::size_t at) const {
  const std::string_view rest = std::string_view(window_).substr(at, kUnclear + 1);
  if (!agrees(rest, ">>>")) return Fit::none;
  std::size_t end = std::min<std::size_t>(rest.size(), 3);
  if (end < rest.size() && !is_letter(rest[end])) return Fit::none;
  while (end < rest.size() && is_word(rest[end])) ++end;
  if (end == rest.size()) return Fit::unclear;
  if (rest[end] != '\n' && rest[end] != '{') return Fit::none;
  return rest.substr(3, end - 3) == "all" ? Fit::none : Fit::mark;
}

// What begins at this trigger.
TextScan::Fit TextScan::fit(std::size_t at, More more) {
  Fit fit = mark_at(at);
  if (fit == Fit::mark) return fit;
  const auto also = [&fit](Fit other) {
    if (other != Fit::none) fit = other;
  };
  if (window_[at] == '{' && window_at_ + at >= objects_from_) {
    const std::string_view near = std::string_view(window_).substr(0, at + kUnclear + 1);
    const std::size_t next = behind_space(near, at + 1);
    if (next < near.size() ? near[next] == '"' : next - at > kUnclear) return Fit::object;
    if (next == near.size()) fit = Fit::unclear;
  }
  if (fit != Fit::unclear && window_[at] == '[') also(python_at(at));
  if (fit != Fit::unclear && window_[at] == '>') also(prompt_at(at));
  if (fit == Fit::unclear && window_.size() - at > kUnclear) fit = Fit::mark;
  if (fit == Fit::mark) {
    format_ = kFormats.size();
    mark_ = 1;
  }
  return fit == Fit::unclear && more == More::none ? Fit::none : fit;
}

void TextScan::drop(std::size_t n) {
  if (n == 0) return;
  before_.append(window_, n - std::min(n, kLookBack), std::min(n, kLookBack));
  if (before_.size() > kLookBack) before_.erase(0, before_.size() - kLookBack);
  window_.erase(0, n);
  window_at_ += n;
  look_ = 0;
}

void TextScan::close(std::size_t n, TextCall call) {
  call.begin = window_at_;
  call.end = window_at_ + n;
  call.unit = unit_;
  calls_.push_back(std::move(call));
  drop(n);
  state_ = State::plain;
}

// True: there is more to do.
bool TextScan::plain(More more) {
  const std::size_t at = next_trigger(window_, look_);
  if (at == window_.size()) {
    drop(at);
    return false;
  }
  switch (fit(at, more)) {
    case Fit::none: look_ = at + 1; return true;
    case Fit::unclear: drop(at); return false;
    case Fit::mark:
      drop(at);
      state_ = State::marked;
      look_ = mark_;
      return true;
    case Fit::object:
      drop(at);
      state_ = State::object;
      depth_open_ = 0;
      quoted_ = escaped_ = false;
      look_ = 0;
      return true;
  }
  return false;
}

bool TextScan::marked(More more) {
  static constexpr Format kNoMark{};
  const Format& format = format_ < kFormats.size() ? kFormats[format_] : kNoMark;
  const std::string_view text = window_;
  std::size_t end = format.end.empty() ? std::string::npos : find_folded(text, format.end, look_);
  if (end == std::string::npos) {
    look_ = std::max(mark_, text.size() - std::min(text.size(), format.end.size()));
    if (more == More::may_come) return false;
    end = text.size();
  }
  std::size_t size = std::min(end + format.end.size(), text.size());
  // Behind the end mark's own bracket, as in </tool_call> and </tool_calls>.
  if (end < text.size() && !format.end.ends_with('>') && !format.end.ends_with(']')) {
    while (size < text.size() && is_word(text[size])) ++size;
    if (size == text.size() && more == More::may_come) {
      look_ = end;
      return false;
    }
    if (size < text.size() && text[size++] != '>') {
      state_ = State::rest;
      return true;
    }
  }
  TextCall call;
  if (read_marked(format, text.substr(mark_, end - mark_), depth_, call)) {
    close(size, std::move(call));
  } else {
    state_ = State::rest;
  }
  return true;
}

// A call whose end is not sure.
bool TextScan::rest(More more) {
  if (more == More::may_come) return false;
  TextCall call;
  make_unknown(window_, call);
  close(window_.size(), std::move(call));
  return true;
}

bool TextScan::object(More more) {
  while (look_ < window_.size()) {
    const char c = window_[look_++];
    if (quoted_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        quoted_ = false;
      }
      continue;
    }
    if (c == '"') quoted_ = true;
    if (c == '{' || c == '[') ++depth_open_;
    if ((c == '}' || c == ']') && --depth_open_ == 0) break;
  }
  const bool closed = depth_open_ == 0;
  if (!closed && more == More::may_come) return false;
  const std::size_t size = look_;
  TextCall call;
  Judged judged = judge_object(std::string_view(window_).substr(0, size), depth_, call);
  if (judged == Judged::no_json) {
    // Quotes may have been taken the wrong way round: what begins within is judged for itself, but not without end.
    again_ += size;
    if (again_ > kAgain) judged = Judged::unsure;
  }
  if (judged == Judged::unsure) {
    state_ = State::rest;
    return true;
  }
  if (judged == Judged::call) {
    close(size, std::move(call));
    return true;
  }
  // Marks may stand within.
  if (judged == Judged::no_call) objects_from_ = window_at_ + size;
  state_ = State::plain;
  look_ = 1;
  return true;
}

void TextScan::run(More more) {
  while (!window_.empty()) {
    bool again = false;
    switch (state_) {
      case State::plain: again = plain(more); break;
      case State::marked: again = marked(more); break;
      case State::object: again = object(more); break;
      case State::rest: again = rest(more); break;
    }
    if (!again) return;
  }
}

Result<void> TextScan::feed(std::string_view text, std::size_t unit) {
  unit_ = unit;
  if (window_.empty()) {
    // Most text has nothing of it.
    const std::size_t plain = next_trigger(text, 0);
    if (plain >= kLookBack) {
      before_.assign(text.substr(plain - kLookBack, kLookBack));
    } else if (plain > 0) {
      before_.append(text.substr(0, plain));
      if (before_.size() > kLookBack) before_.erase(0, before_.size() - kLookBack);
    }
    window_at_ = size_ + plain;
    look_ = 0;
    size_ += text.size();
    text.remove_prefix(plain);
  } else {
    size_ += text.size();
  }
  window_.append(text);
  run(More::may_come);
  if (window_.size() > most_) return fail(Reason::reply_too_large, "a tool call in text");
  return {};
}

Result<void> TextScan::finish() {
  run(More::none);
  return {};
}

}  // namespace vestibule::dialect
