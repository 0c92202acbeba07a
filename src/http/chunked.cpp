#include "http/chunked.hpp"

#include <algorithm>

#include "http/field.hpp"
#include "http/hop.hpp"

namespace vestibule::http {

ChunkedDecoder::Step ChunkedDecoder::fail(const char* why) noexcept {
  why_ = why;
  state_ = State::bad;
  return Step::bad;
}

void ChunkedDecoder::reset() {
  state_ = State::size_first;
  digits_ = 0;
  left_ = total_ = 0;
  text_.clear();
  line_ = 0;
  trailers_.clear();
  why_ = "";
}

ChunkedDecoder::Step ChunkedDecoder::step(std::string_view in, std::string_view& data,
                                          std::size_t& consumed) {
  data = {};
  consumed = 0;
  std::size_t i = 0;
  while (i < in.size() || state_ == State::done || state_ == State::bad) {
    switch (state_) {
      case State::size_first:
      case State::size_next: {
        const char c = in[i];
        const int digit = chars::hex_value(c);
        if (digit >= 0) {
          if (++digits_ > 16) return fail("chunk size of more than 16 digits");
          left_ = left_ * 16 + static_cast<unsigned>(digit);
          state_ = State::size_next;
        } else if (c == '\r' && state_ == State::size_next) {
          if (left_ > options_.max_body - std::min(total_, options_.max_body)) {
            return fail("body over the limit");
          }
          state_ = State::size_lf;
        } else {
          return fail("malformed chunk size or chunk extension");
        }
        ++i;
        break;
      }
      case State::size_lf:
        if (in[i] != '\n') return fail("chunk size without CRLF");
        ++i;
        state_ = left_ == 0 ? State::trailer : State::data;
        break;
      case State::data: {
        const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size() - i));
        data = in.substr(i, take);
        consumed = i + take;
        left_ -= take;
        total_ += take;
        if (left_ == 0) state_ = State::data_cr;
        return Step::data;
      }
      case State::data_cr:
        if (in[i] != '\r') return fail("chunk data without CRLF");
        ++i;
        state_ = State::data_lf;
        break;
      case State::data_lf:
        if (in[i] != '\n') return fail("chunk data without CRLF");
        ++i;
        state_ = State::size_first;
        digits_ = 0;
        break;
      case State::trailer:
        if (!trailer_byte(in[i])) return Step::bad;
        ++i;
        break;
      case State::done: consumed = i; return Step::done;
      case State::bad: return Step::bad;
    }
  }
  consumed = i;
  return state_ == State::done ? Step::done : Step::more;
}

bool ChunkedDecoder::trailer_byte(char c) {
  const auto refuse = [this](const char* why) {
    fail(why);
    return false;
  };
  if (text_.size() >= std::min<std::size_t>(options_.max_trailer_size, 65535)) {
    return refuse("trailers over the limit");
  }
  text_.push_back(c);
  if (c != '\n') return true;
  std::string_view line = std::string_view(text_).substr(line_, text_.size() - 1 - line_);
  if (line.empty() || line.back() != '\r') return refuse("bare LF in the trailers");
  line.remove_suffix(1);
  line_ = text_.size();
  if (line.empty()) {
    trailers_.rebase(text_.data());
    state_ = State::done;
    return true;
  }
  HeaderField field;
  if (const char* why = parse_field(line, chars::ObsText::refuse, field)) return refuse(why);
  if (!allowed_in_trailer(field.name, field.known)) return refuse("a field that is no trailer");
  if (trailers_.size() >= options_.max_trailer_fields || !trailers_.add(text_.data(), field)) {
    return refuse("too many trailers");
  }
  return true;
}

std::size_t write_chunk_head(std::uint64_t size, std::array<char, kChunkHeadMax>& out) noexcept {
  if (size == 0) return 0;
  unsigned digits = 1;
  for (std::uint64_t rest = size >> 4U; rest != 0; rest >>= 4U) ++digits;
  for (unsigned i = digits; i-- > 0; size >>= 4U) out[i] = "0123456789abcdef"[size & 15U];
  out[digits] = '\r';
  out[digits + 1] = '\n';
  return digits + 2;
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;
  std::array<char, kChunkHeadMax> head;
  out.append(head.data(), write_chunk_head(data.size(), head));
  out += data;
  out += kChunkEnd;
}

bool append_last_chunk(std::string& out, const Headers& trailers) {
  for (const HeaderField& f : trailers) {
    if (!allowed_in_trailer(f.name, f.known) || !chars::is_token(f.name) ||
        !chars::is_field_text(f.value.data(), f.value.size(), chars::ObsText::allow)) {
      return false;
    }
  }
  out += "0\r\n";
  for (const HeaderField& f : trailers) {
    out.append(f.name).append(": ").append(f.value).append(kChunkEnd);
  }
  out += kChunkEnd;
  return true;
}

bool allowed_in_trailer(std::string_view name, Known known) noexcept {
  if (hop_by_hop(known) || identity_header(name)) return false;
  switch (known) {
    case Known::accept:
    case Known::accept_encoding:
    case Known::accept_language:
    case Known::age:
    case Known::authorization:
    case Known::cache_control:
    case Known::content_encoding:
    case Known::content_language:
    case Known::content_length:
    case Known::content_range:
    case Known::content_type:
    case Known::cookie:
    case Known::date:
    case Known::expect:
    case Known::host:
    case Known::if_match:
    case Known::if_modified_since:
    case Known::if_none_match:
    case Known::last_event_id:
    case Known::location:
    case Known::max_forwards:
    case Known::mcp_protocol_version:
    case Known::mcp_session_id:
    case Known::origin:
    case Known::range:
    case Known::referer:
    case Known::retry_after:
    case Known::set_cookie:
    case Known::user_agent:
    case Known::vary:
    case Known::www_authenticate: return false;
    default: return true;  // a list of exceptions, not a choice among all names
  }
}

}  // namespace vestibule::http
