#pragma once
// The person at the other end: questions on /dev/tty, answers from standard input for scripts,
// colours only where they are seen.

#include <optional>
#include <string>
#include <string_view>

#include "app/cli/text.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace vestibule::app::cli {

/// The terminal can be asked (there is a /dev/tty and nobody has forbidden it by a dumb pipe-only
/// environment). Opened anew for each question.
[[nodiscard]] bool can_ask() noexcept;
[[nodiscard]] bool stdin_is_terminal() noexcept;
[[nodiscard]] bool stdout_is_terminal() noexcept;
/// Standard output is a terminal, NO_COLOR is not set, TERM is not "dumb".
[[nodiscard]] bool colours() noexcept;
/// Columns of the terminal; 80 if it does not say.
[[nodiscard]] std::size_t terminal_columns() noexcept;

enum class Echo { on, off };
/// One line from the terminal, without its end. invalid_argument if there is no terminal ("give
/// ..." is the caller's hint for scripts) or the person gave up (Ctrl-C, Ctrl-D).
[[nodiscard]] Result<Secret> ask(std::string_view question, Echo echo, std::string_view hint_for_scripts);
/// Goes on only after a "yes", typed out. conflict for anything else; scripts are told of --yes.
[[nodiscard]] Result<void> ask_yes(std::string_view question);
/// One line of standard input, without its end; nothing at the end of input. Reads no byte further,
/// so that the next line stays for the next reader. At most 64 KiB.
[[nodiscard]] std::optional<Secret> read_line();
/// All of standard input; invalid_argument beyond `most` bytes.
[[nodiscard]] Result<Secret> read_all(std::size_t most);
/// All of a file, or of standard input where it is named "-"; invalid_argument, also beyond `most` bytes of the latter.
[[nodiscard]] Result<std::string> read_given(const std::string& file, std::size_t most);

/// Standard output and standard error. Not for secrets by accident: whoever prints one says reveal.
void out(std::string_view text);
void err(std::string_view text);
/// "vestibule: ..." on standard error with a line feed.
void warn(std::string_view text);

/// The table with bold headings where colours are seen.
void print(const Table& table);

}  // namespace vestibule::app::cli
