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
      case State::done:
        consumed = i;
        return Step::done;
      case State::bad:
        return Step::bad;
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
  constexpr std::uint64_t refused = [] {
    std::uint64_t mask = 0;
    for (const Known k : {Known::accept,
                          Known::accept_encoding,
                          Known::accept_language,
                          Known::age,
                          Known::authorization,
                          Known::cache_control,
                          Known::content_encoding,
                          Known::content_language,
                          Known::content_length,
                          Known::content_range,
                          Known::content_type,
                          Known::cookie,
                          Known::date,
                          Known::expect,
                          Known::host,
                          Known::if_match,
                          Known::if_modified_since,
                          Known::if_none_match,
                          Known::last_event_id,
                          Known::location,
                          Known::max_forwards,
                          Known::mcp_protocol_version,
                          Known::mcp_session_id,
                          Known::origin,
                          Known::range,
                          Known::referer,
                          Known::retry_after,
                          Known::set_cookie,
                          Known::user_agent,
                          Known::vary,
                          Known::www_authenticate}) {
      mask |= std::uint64_t{1} << static_cast<unsigned>(k);
    }
    return mask;
  }();
  return (refused >> static_cast<unsigned>(known) & 1U) == 0 && !hop_by_hop(known) &&
         !identity_header(name);
}

}  // namespace vestibule::http
