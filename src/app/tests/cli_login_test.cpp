#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "app/cli/authority.hpp"
#include "app/cli/login_answer.hpp"
#include "app/cli/loopback.hpp"

namespace vestibule::app::cli {
namespace {

using Kind = LoginAnswer::Kind;
constexpr std::string_view kIssuer = "http://localhost:8421";

TEST(LoginAnswer, Table) {
  struct Row {
    const char* name;
    const char* target;
    Kind kind;
  };
  const Row rows[] = {
      {"the answer", "/callback?code=vz_1&state=s1&iss=http%3A%2F%2Flocalhost%3A8421", Kind::code},
      {"in another order", "/callback?iss=http://localhost:8421&state=s1&code=vz_1", Kind::code},
      {"a refusal", "/callback?error=access_denied&state=s1&iss=http://localhost:8421", Kind::refused},
      {"no state", "/callback?code=c&iss=http://localhost:8421", Kind::not_ours},
      {"another state", "/callback?code=c&state=s2&iss=http://localhost:8421", Kind::not_ours},
      {"an empty state", "/callback?code=c&state=&iss=http://localhost:8421", Kind::not_ours},
      {"the state twice", "/callback?code=c&state=s1&state=s1&iss=http://localhost:8421", Kind::not_ours},
      {"another path", "/other?code=c&state=s1&iss=http://localhost:8421", Kind::not_ours},
      {"a longer path", "/callback/x?code=c&state=s1&iss=http://localhost:8421", Kind::not_ours},
      {"no query", "/callback", Kind::not_ours},
      {"broken escape", "/callback?code=%zz&state=s1&iss=http://localhost:8421", Kind::not_ours},
      {"no iss", "/callback?code=c&state=s1", Kind::mixed_up},
      {"another iss", "/callback?code=c&state=s1&iss=http://evil.example", Kind::mixed_up},
      {"iss but for a slash", "/callback?code=c&state=s1&iss=http://localhost:8421/", Kind::mixed_up},
      {"iss twice", "/callback?code=c&state=s1&iss=http://localhost:8421&iss=http://localhost:8421", Kind::mixed_up},
      {"code twice", "/callback?code=c&code=d&state=s1&iss=http://localhost:8421", Kind::mixed_up},
      {"code and error", "/callback?code=c&error=e&state=s1&iss=http://localhost:8421", Kind::mixed_up},
      {"neither", "/callback?state=s1&iss=http://localhost:8421", Kind::mixed_up},
      {"an empty code", "/callback?code=&state=s1&iss=http://localhost:8421", Kind::mixed_up},
      {"a code that steers terminals", "/callback?code=%1b[2J&state=s1&iss=http://localhost:8421", Kind::not_ours},
      {"an error that does", "/callback?error=%c2%9b2J&state=s1&iss=http://localhost:8421", Kind::not_ours},
      {"an error that is quoted", "/callback?error=%22x&state=s1&iss=http://localhost:8421", Kind::mixed_up},
  };
  for (const Row& r : rows) EXPECT_EQ(read_login_answer(r.target, "s1", kIssuer).kind, r.kind) << r.name;
  EXPECT_EQ(read_login_answer(rows[0].target, "s1", kIssuer).code, "vz_1");
  EXPECT_EQ(read_login_answer(rows[0].target, "", kIssuer).kind, Kind::not_ours) << "no state is waited for";
  const std::string longest = "/callback?state=s1&iss=http://localhost:8421&code=" + std::string(513, 'c');
  EXPECT_EQ(read_login_answer(longest, "s1", kIssuer).kind, Kind::mixed_up);
}

TEST(ResourceAddress, Table) {
  for (const char* text : {"http://localhost:8420/main", "http://localhost:8420/main/", "http://localhost:8420/main/v1", "http://localhost:8420/main/v1/"}) {
    EXPECT_EQ(resource_address(text).value_or(""), "http://localhost:8420/main") << text;
  }
  EXPECT_EQ(resource_address("http://localhost:8420/v1").value_or(""), "http://localhost:8420");
  for (const char* text : {"", "localhost:8420", "ftp://localhost", "http://localhost/?x=1", "http://a@localhost/", "http://localhost/#x", "http://localhost/../x"}) {
    EXPECT_FALSE(resource_address(text)) << text;
  }
}

class Visitor {
 public:
  explicit Visitor(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  }
  ~Visitor() { ::close(fd_); }
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;
  [[nodiscard]] bool connected() const { return connected_; }
  void say(std::string_view text) const { static_cast<void>(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL)); }
  [[nodiscard]] std::string hear() const {
    std::string out;
    char buffer[2048];
    for (ssize_t n = 0; (n = ::recv(fd_, buffer, sizeof buffer, 0)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
    return out;
  }

 private:
  int fd_;
  bool connected_ = false;
};

TEST(Loopback, TakesOneAnswerAndShowsNothingOfIt) {
  auto made = Loopback::open();
  ASSERT_TRUE(made);
  const std::uint16_t port = made->port();
  const std::string host = "Host: 127.0.0.1:" + std::to_string(port) + "\r\n\r\n";
  const std::string query = "?code=secret-code&state=s1&iss=http://localhost:8421";
  auto waiting = std::async(std::launch::async, [&] { return made->wait("s1", kIssuer, std::chrono::seconds(20)); });
  const Visitor silent(port);  // as browsers connect ahead
  ASSERT_TRUE(silent.connected());
  const auto ask = [&](const std::string& text) {
    const Visitor v(port);
    v.say(text);
    return v.hear();
  };
  EXPECT_TRUE(ask("GET /favicon.ico HTTP/1.1\r\n" + host).starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(ask("GET /callback" + query + " HTTP/1.1\r\nHost: evil.example:" + std::to_string(port) + "\r\n\r\n").starts_with("HTTP/1.1 404 ")) << "DNS rebinding";
  EXPECT_TRUE(ask("GET /callback" + query + " HTTP/1.1\r\nHost: localhost:" + std::to_string(port) + "\r\n\r\n").starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(ask("POST /callback" + query + " HTTP/1.1\r\nContent-Length: 0\r\n" + host).starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(ask("GET /callback?code=x&state=guessed&iss=http://localhost:8421 HTTP/1.1\r\n" + host).starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask("GET /" + std::string(9000, 'x')).starts_with("HTTP/1.1 4"));
  const std::string page = ask("GET /callback" + query + " HTTP/1.1\r\n" + host);
  EXPECT_TRUE(page.starts_with("HTTP/1.1 200 ")) << page;
  for (const char* none : {"secret-code", "s1", "8421"}) EXPECT_EQ(page.find(none), std::string::npos) << none;
  for (const char* field : {"Content-Security-Policy: default-src 'none'", "Cache-Control: no-store", "Referrer-Policy: no-referrer"}) {
    EXPECT_NE(page.find(field), std::string::npos) << field;
  }
  const auto answer = waiting.get();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->kind, Kind::code);
  EXPECT_EQ(answer->code, "secret-code");
  EXPECT_FALSE(Visitor(port).connected()) << "one answer, and nobody listens any more";
}

TEST(Loopback, WhoComesInPiecesIsHeardAndACrowdKeepsNobodyOut) {
  auto made = Loopback::open();
  ASSERT_TRUE(made);
  const std::uint16_t port = made->port();
  auto waiting = std::async(std::launch::async, [&] { return made->wait("s1", kIssuer, std::chrono::seconds(20)); });
  std::vector<std::unique_ptr<Visitor>> crowd;
  for (int i = 0; i < 40; ++i) crowd.push_back(std::make_unique<Visitor>(port));
  const Visitor v(port);
  const std::string text = "GET /callback?error=access_denied&state=s1&iss=http://localhost:8421 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\n\r\n";
  for (const char c : text) v.say(std::string_view(&c, 1));
  const auto answer = waiting.get();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->kind, Kind::refused);
  EXPECT_EQ(answer->error, "access_denied");
}

TEST(Loopback, NobodyComes) {
  auto made = Loopback::open();
  ASSERT_TRUE(made);
  const auto answer = made->wait("s1", kIssuer, std::chrono::seconds(1));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Reason::request_timeout);
}

}  // namespace
}  // namespace vestibule::app::cli
