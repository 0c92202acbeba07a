#pragma once
// The chunked transfer coding (RFC 9112 section 7.1), both ways.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/head.hpp"

namespace vestibule::http {

/// Decodes without copying. Strict: a size is 1 to 16 hexadecimal digits; chunk extensions are
/// refused; every line ends in CRLF; trailer fields are parsed like fields of a head and may not be
/// ones that frame, route, authenticate or describe the content (RFC 9110 section 6.5.1), nor
/// identity headers. Not thread-safe; one a body.
class ChunkedDecoder {
 public:
  struct Options {
    std::uint64_t max_body = std::uint64_t{1} << 40;  ///< bytes decoded
    std::size_t max_trailer_fields = 16;
    std::size_t max_trailer_size = 4096;  ///< bytes of the trailer section
  };
  enum class Step : std::uint8_t {
    more,  ///< all of `in` was consumed; call again with what comes next
    data,  ///< `data` is a part of the body, never empty, a view into `in`
    done,  ///< the body has ended; what lies behind `consumed` is the next message
    bad,   ///< malformed or over a limit; final
  };

  ChunkedDecoder() = default;
  explicit ChunkedDecoder(const Options& options) noexcept : options_(options) {}
  ChunkedDecoder(const ChunkedDecoder&) = delete;
  ChunkedDecoder& operator=(const ChunkedDecoder&) = delete;

  /// Looks at `in`, what follows the bytes consumed so far, and says how much of it to drop.
  [[nodiscard]] Step step(std::string_view in, std::string_view& data, std::size_t& consumed);

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }  ///< bytes decoded
  /// After done; valid as long as the decoder. Most often empty.
  [[nodiscard]] const Headers& trailers() const noexcept { return trailers_; }
  [[nodiscard]] const char* why() const noexcept { return why_; }  ///< after bad
  void reset();

 private:
  enum class State : std::uint8_t {
    size_first,
    size_next,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer,
    done,
    bad
  };
  Step fail(const char* why) noexcept;
  bool trailer_byte(char c);

  Options options_;
  State state_ = State::size_first;
  unsigned digits_ = 0;
  std::uint64_t left_ = 0;  // of the present chunk
  std::uint64_t total_ = 0;
  std::string text_;      // the trailer section so far
  std::size_t line_ = 0;  // where its current line begins
  Headers trailers_;
  const char* why_ = "";
};

/// Longest chunk head: 16 digits and CRLF.
inline constexpr std::size_t kChunkHeadMax = 18;
inline constexpr std::string_view kChunkEnd = "\r\n";        ///< after the data of each chunk
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";  ///< ends a body without trailers

/// Writes what precedes `size` bytes of data and returns its length. For size 0 nothing is written
/// and 0 returned: an empty chunk would end the body. The caller then leaves out kChunkEnd too.
[[nodiscard]] std::size_t write_chunk_head(std::uint64_t size,
                                           std::array<char, kChunkHeadMax>& out) noexcept;
/// Appends one whole chunk; nothing at all for empty data.
void append_chunk(std::string& out, std::string_view data);
/// Ends a body with trailers. False, and nothing appended, if a field cannot be a trailer.
[[nodiscard]] bool append_last_chunk(std::string& out, const Headers& trailers);

/// True if a field of that name may stand in a trailer section.
[[nodiscard]] bool allowed_in_trailer(std::string_view name, Known known) noexcept;

}  // namespace vestibule::http
