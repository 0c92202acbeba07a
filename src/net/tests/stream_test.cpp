// Sockets under the poller: what arrives is read, what closes is told, and nothing is told to what has
// gone. On socket pairs, whose other end the test holds.
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "net/listener.hpp"

namespace vestibule::net {
namespace {

using namespace std::chrono_literals;

struct Pair {
  Pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    mine = Socket(fds[0]);
    other = Socket(fds[1]);
  }
  void say(std::string_view text) const { EXPECT_EQ(::send(other.fd(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size())); }
  Socket mine, other;
};

// Runs a task on the core of a fresh set and waits for it.
void run(Task<> (*story)(Core&)) {
  Cores cores(1);
  cores.start();
  std::promise<void> done;
  cores.at(0).post([&] {
    asio::co_spawn(cores.at(0).executor(), story(cores.at(0)), [&](std::exception_ptr e) {
      EXPECT_FALSE(e);
      done.set_value();
    });
  });
  ASSERT_EQ(done.get_future().wait_for(20s), std::future_status::ready);
  cores.stop();
}

Task<std::string> read_all(Stream& s, ErrorCode& end) {
  std::string out;
  std::array<char, 8> buffer{};
  for (;;) {
    const IoResult r = co_await s.read_some(buffer);
    end = r.ec;
    if (r.ec || r.n == 0) co_return out;
    out.append(buffer.data(), r.n);
  }
}

Task<> bytes_then_end(Core& core) {
  Pair p;
  Stream s(core, std::move(p.mine));
  p.say("a text that is longer than the buffer");
  p.other.close();
  ErrorCode end;
  const std::string text = co_await read_all(s, end);
  EXPECT_EQ(text, "a text that is longer than the buffer");
  EXPECT_EQ(end, asio::error::eof);
  EXPECT_TRUE(s.peer_gone());
}
TEST(Stream, GivesAllBytesAndThenTheEnd) { run(bytes_then_end); }

Task<> half_closed(Core& core) {
  Pair p;
  Stream s(core, std::move(p.mine));
  EXPECT_FALSE(s.peer_gone());
  p.say("last");
  ::shutdown(p.other.fd(), SHUT_WR);
  ErrorCode end;
  const std::string text = co_await read_all(s, end);
  EXPECT_EQ(text, "last");
  const ErrorCode ec = co_await s.write(Pieces("the", " answer"));
  EXPECT_FALSE(ec);
  std::array<char, 16> got{};
  EXPECT_EQ(::recv(p.other.fd(), got.data(), got.size(), 0), 10);
}
TEST(Stream, AHalfClosedPeerIsStillAnswered) { run(half_closed); }

Task<> quiet_or_not(Core& core) {
  Pair p;
  Stream s(core, std::move(p.mine));
  EXPECT_TRUE(s.quiet());
  p.say("nobody asked");
  EXPECT_FALSE(s.quiet());  // before epoll has told
  co_await sleep_for(core, 50ms);
  EXPECT_FALSE(s.quiet());  // and after
  std::array<char, 64> buffer{};
  const IoResult r = co_await s.read_some(buffer);
  EXPECT_EQ(r.n, 12U);
  EXPECT_TRUE(s.quiet());
  p.other.close();
  EXPECT_FALSE(s.quiet());
}
TEST(Stream, AnIdleConnectionIsQuiet) { run(quiet_or_not); }

Task<> late_bytes(Core& core) {
  Pair p;
  Stream s(core, std::move(p.mine));
  std::array<char, 64> buffer{};
  EXPECT_FALSE(s.try_read(buffer));  // nothing yet, and no wait
  std::thread writer([&] {
    std::this_thread::sleep_for(100ms);
    p.say("late");
  });
  const bool open = co_await s.wait_to_read();
  EXPECT_TRUE(open);
  const std::optional<IoResult> r = s.try_read(buffer);
  EXPECT_TRUE(r && r->n == 4);
  EXPECT_FALSE(s.try_read(buffer));
  writer.join();
}
TEST(Stream, WaitsForWhatIsNotThereYet) { run(late_bytes); }

// Short ones are joined, longer ones are not, and a socket may stop taking them anywhere.
Task<> pieces_in_order(Core& core) {
  Pair p;
  Stream s(core, std::move(p.mine));
  std::string sent, got;
  std::thread reader([&] {
    std::vector<char> buffer(10'000);
    for (;;) {
      const ssize_t n = ::recv(p.other.fd(), buffer.data(), buffer.size(), 0);
      if (n <= 0) return;
      got.append(buffer.data(), static_cast<std::size_t>(n));
    }
  });
  for (const std::size_t size : {0UL, 1UL, 2047UL, 2048UL, 2049UL, 4095UL, 4096UL, 4097UL, 300'000UL}) {
    const std::string first(size, 'a'), second(2048, 'b'), third(size / 2, 'c'), fourth(1, 'd');
    sent += first + second + third + fourth + first;
    const ErrorCode four = co_await s.write(Pieces(first, second, third, fourth));
    const ErrorCode one = co_await s.write(Pieces(first));
    EXPECT_FALSE(four);
    EXPECT_FALSE(one);
  }
  s.shutdown_send();
  reader.join();
  EXPECT_TRUE(got == sent);
}
TEST(Stream, PiecesOfEverySizeArriveInOrder) { run(pieces_in_order); }

Task<> full_socket(Core& core) {
  Pair p;
  Stream s(core, std::move(p.mine));
  const std::string much(std::size_t{8} << 20U, 'x');
  Pieces pieces(much);
  EXPECT_FALSE(s.try_write(pieces));  // more than the socket takes
  EXPECT_FALSE(pieces.empty());
  std::size_t read = 0;
  std::thread reader([&] {
    std::vector<char> buffer(std::size_t{1} << 16U);
    while (read < much.size()) {
      const ssize_t n = ::recv(p.other.fd(), buffer.data(), buffer.size(), 0);
      if (n <= 0) return;
      read += static_cast<std::size_t>(n);
    }
  });
  const ErrorCode ec = co_await s.write(pieces);
  EXPECT_FALSE(ec);
  reader.join();
  EXPECT_EQ(read, much.size());
}
TEST(Stream, WritesOnWhenTheSocketTakesMore) { run(full_socket); }

Task<> nobody_reads(Core& core) {
  Pair p;
  Stream s(core, std::move(p.mine));
  s.set_write_limit(200ms);
  const std::string much(std::size_t{8} << 20U, 'x');
  const ErrorCode ec = co_await s.write(Pieces(much));
  EXPECT_EQ(ec, asio::error::timed_out);
  EXPECT_TRUE(s.timed_out());
  EXPECT_FALSE(s.is_open());
}
TEST(Stream, APeerThatTakesNothingMeetsTheLimit) { run(nobody_reads); }

Task<> wait_for_bytes(Stream& s, IoResult& out, int& ended) {
  std::array<char, 16> buffer{};
  out = co_await s.read_some(buffer);
  ++ended;
}

// Both are told in one batch; the first that is resumed ends the other, whose event must not be told.
Task<> close_each_other(Stream*& victim, Stream& mine, int& ended) {
  std::array<char, 16> buffer{};
  co_await mine.read_some(buffer);
  if (victim != nullptr) {
    Stream* v = std::exchange(victim, nullptr);
    v->close();
  }
  ++ended;
}
Task<> closed_in_the_batch(Core& core) {
  Pair p, q;
  auto a = std::make_unique<Stream>(core, std::move(p.mine));
  auto b = std::make_unique<Stream>(core, std::move(q.mine));
  TaskGroup group(core);
  int ended = 0;
  Stream* for_a = b.get();
  Stream* for_b = a.get();
  group.spawn(close_each_other(for_a, *a, ended));
  group.spawn(close_each_other(for_b, *b, ended));
  co_await sleep_for(core, 20ms);
  p.say("x");
  q.say("y");
  co_await group.join();
  EXPECT_EQ(ended, 2);
}
TEST(Stream, WhatClosesWithinABatchIsToldOnce) { run(closed_in_the_batch); }

Task<> closed_from_outside(Core& core) {
  Pair p;
  Stream s(core, std::move(p.mine));
  TaskGroup group(core);
  IoResult r;
  int ended = 0;
  group.spawn(wait_for_bytes(s, r, ended));
  co_await sleep_for(core, 20ms);
  s.close();
  EXPECT_EQ(ended, 0);  // later, not on the stack of who closes
  co_await group.join();
  EXPECT_EQ(r.ec, asio::error::operation_aborted);
  std::array<char, 4> buffer{};
  const IoResult after = co_await s.read_some(buffer);
  EXPECT_EQ(after.ec, asio::error::operation_aborted);
}
TEST(Stream, ClosingEndsTheWait) { run(closed_from_outside); }

Task<> deadline_ends_it(Core& core) {
  Pair p;
  Stream s(core, std::move(p.mine));
  s.set_deadline(150ms);
  std::array<char, 4> buffer{};
  const IoResult r = co_await s.read_some(buffer);
  EXPECT_EQ(r.ec, asio::error::timed_out);
}
TEST(Stream, TheDeadlineEndsTheWait) { run(deadline_ends_it); }

// A peer that sends without end must not keep the core to itself.
Task<> read_for_ever(Stream& s, std::size_t& got) {
  std::vector<char> buffer(1024);
  for (;;) {
    const IoResult r = co_await s.read_some(buffer);
    if (r.ec || r.n == 0) co_return;
    got += r.n;
  }
}
Task<> others_have_their_turn(Core& core) {
  Pair p;
  Stream s(core, std::move(p.mine));
  std::atomic<bool> stop{false};
  std::thread flood([&] {
    const std::string much(65536, 'x');
    while (!stop && ::send(p.other.fd(), much.data(), much.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  TaskGroup group(core);
  std::size_t got = 0;
  group.spawn(read_for_ever(s, got));
  const auto begin = std::chrono::steady_clock::now();
  co_await sleep_for(core, 200ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
  EXPECT_GT(got, 0U);
  stop = true;
  s.close();
  co_await group.join();
  flood.join();  // it sends on `p.other` until it sees the close
}
TEST(Stream, AFloodLeavesTheOthersTheirTurn) { run(others_have_their_turn); }

// What came in one turn of the core is all read before any of it is answered.
Task<> read_then_answer(Core& core, Stream& s, std::string& order) {
  std::array<char, 8> buffer{};
  const IoResult r = co_await s.read_some(buffer);
  EXPECT_EQ(r.n, 1U);
  order += 'r';
  if (core.poller().others_before(Stage::writes)) co_await core.poller().reach(Stage::writes);
  order += 'a';
}
Task<> read_before_answered(Core& core) {
  std::array<Pair, 3> p;
  Stream a(core, std::move(p[0].mine)), b(core, std::move(p[1].mine)), c(core, std::move(p[2].mine));
  std::string order;
  TaskGroup group(core);
  group.spawn(read_then_answer(core, a, order));
  group.spawn(read_then_answer(core, b, order));
  group.spawn(read_then_answer(core, c, order));
  co_await sleep_for(core, 10ms);  // all three wait to read
  for (const Pair& each : p) each.say("x");
  co_await group.join();
  EXPECT_EQ(order, "rrraaa");
}
TEST(Stream, ATurnIsReadBeforeItIsAnswered) { run(read_before_answered); }

// All of a turn pass one stage before any passes the next; one may leave out stages, and whoever is alone waits for nobody.
Task<> pass_stages(Core& core, Stream& s, std::string& order, bool body) {
  std::array<char, 8> buffer{};
  const IoResult r = co_await s.read_some(buffer);
  EXPECT_EQ(r.n, 1U);
  Poller& poller = core.poller();
  if (poller.others_before(Stage::heads)) co_await poller.reach(Stage::heads);
  order += 'h';
  EXPECT_FALSE(poller.others_before(Stage::heads)) << "it is there";
  if (body && poller.others_before(Stage::bodies)) co_await poller.reach(Stage::bodies);
  if (body) order += 'b';
  if (poller.others_before(Stage::completions)) co_await poller.reach(Stage::completions);
  order += 'c';
}
Task<> staged_turn(Core& core) {
  std::array<Pair, 3> p;
  Stream a(core, std::move(p[0].mine)), b(core, std::move(p[1].mine)), c(core, std::move(p[2].mine));
  std::string order;
  TaskGroup group(core);
  group.spawn(pass_stages(core, a, order, true));
  group.spawn(pass_stages(core, b, order, false));
  group.spawn(pass_stages(core, c, order, true));
  co_await sleep_for(core, 10ms);
  for (const Pair& each : p) each.say("x");
  co_await group.join();
  EXPECT_EQ(order, "hhhbbccc");
  order.clear();
  TaskGroup alone(core);
  alone.spawn(pass_stages(core, a, order, true));
  co_await sleep_for(core, 10ms);
  p[0].say("x");
  co_await alone.join();
  EXPECT_EQ(order, "hbc");
  EXPECT_FALSE(core.poller().others_before(Stage::completions)) << "between turns there are no others";
}
TEST(Stream, ATurnGoesByStages) { run(staged_turn); }

// Whether a connection is quiet is asked of the kernel only while it may know more than has been told.
Task<> ask_whether_quiet(Core& core, Stream& mine, Stream& stray, Stream& idle) {
  std::array<char, 8> buffer{};
  const IoResult r = co_await mine.read_some(buffer);
  EXPECT_EQ(r.n, 1U);
  EXPECT_FALSE(stray.quiet()) << "not told yet";
  EXPECT_TRUE(idle.quiet());
  EXPECT_TRUE(core.poller().others_before(Stage::heads));
  if (core.poller().others_before(Stage::heads)) co_await core.poller().reach(Stage::heads);
  EXPECT_FALSE(stray.quiet()) << "told";
  EXPECT_TRUE(idle.quiet());
}
Task<> quiet_in_a_turn(Core& core) {
  std::array<Pair, 3> p;
  Stream mine(core, std::move(p[0].mine)), stray(core, std::move(p[1].mine)), idle(core, std::move(p[2].mine));
  TaskGroup group(core);
  group.spawn(ask_whether_quiet(core, mine, stray, idle));
  co_await sleep_for(core, 10ms);
  p[0].say("x");
  p[1].say("nobody asked");
  co_await group.join();
}
TEST(Stream, BytesThatNobodyAskedForAreSeenInTheirTurn) { run(quiet_in_a_turn); }

// Whoever waits for the others may be told to go meanwhile, or be closed by one of them.
Task<> close_another(Stream& s, Stream& victim) {
  std::array<char, 8> buffer{};
  const IoResult r = co_await s.read_some(buffer);
  EXPECT_EQ(r.n, 1U);
  victim.close();
}
Task<> answer_late(Core& core, Stream& s, ErrorCode& written) {
  std::array<char, 8> buffer{};
  const IoResult r = co_await s.read_some(buffer);
  EXPECT_EQ(r.n, 1U);
  if (core.poller().others_before(Stage::writes)) co_await core.poller().reach(Stage::writes);
  written = co_await s.write(Pieces("late"));
}
Task<> closed_while_others_go_first(Core& core) {
  std::array<Pair, 2> p;
  Stream a(core, std::move(p[0].mine)), b(core, std::move(p[1].mine));
  ErrorCode written;
  TaskGroup group(core);
  group.spawn(answer_late(core, a, written));
  group.spawn(close_another(b, a));
  co_await sleep_for(core, 10ms);
  for (const Pair& each : p) each.say("x");  // in this order they are told
  co_await group.join();
  EXPECT_TRUE(written);
}
TEST(Stream, WhoIsClosedWhileOthersGoFirstWritesNothing) { run(closed_while_others_go_first); }

// A forked child may hold a copy of a socket that is closed here: its events must not reach us.
Task<> held_by_another(Core& core) {
  Pair p;
  Socket copy(::dup(p.mine.fd()));
  {
    Stream s(core, std::move(p.mine));
    co_await sleep_for(core, 10ms);
  }
  p.say("to nobody");
  co_await sleep_for(core, 50ms);
}
TEST(Stream, ACopyOfAClosedSocketTellsNothing) { run(held_by_another); }

// Cores that stop while tasks wait destroy them (the sanitizers would tell).
Task<> wait_for_ever(Core& core, Socket socket) {
  Stream s(core, std::move(socket));
  std::array<char, 4> buffer{};
  co_await s.read_some(buffer);
}
TEST(Stream, WaitingTasksEndWithTheirCore) {
  Pair p;
  {
    Cores cores(1);
    cores.start();
    cores.on_each([&](Core& core) { asio::co_spawn(core.executor(), wait_for_ever(core, std::move(p.mine)), asio::detached); });
    std::this_thread::sleep_for(50ms);
    cores.stop();
  }
  char byte = 0;
  EXPECT_EQ(::recv(p.other.fd(), &byte, 1, 0), 0);  // its socket is closed
}

Task<> connecting(Core& core) {
  Listener listener(core);
  Address any;
  any.host = "127.0.0.1";
  const Result<void> opened = listener.open(any);
  EXPECT_TRUE(opened);
  Address here;
  here.host = "localhost";  // by name
  here.port = listener.port();
  int accepted = 0;
  TaskGroup group(core);
  std::function<void(Socket)> count = [&](Socket) { ++accepted; };
  group.spawn(listener.run(count));
  const Result<Socket> socket = co_await connect(core, here, 2000ms);
  EXPECT_TRUE(socket);
  co_await sleep_for(core, 50ms);
  EXPECT_EQ(accepted, 1);
  listener.close();
  co_await group.join();
  const Result<Socket> refused = co_await connect(core, here, 2000ms);
  EXPECT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Reason::upstream_unreachable);
  Address nowhere;
  nowhere.host = "no-such-name.invalid";
  nowhere.port = 1;
  const auto begin = std::chrono::steady_clock::now();
  const Result<Socket> unknown = co_await connect(core, nowhere, 1000ms);
  EXPECT_FALSE(unknown);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);  // however long the resolver takes
}
TEST(Connect, ByNameRefusedUnknown) { run(connecting); }

TEST(Listen, CoresShareAPortAndNobodyElseGetsIn) {
  Address any;
  any.host = "127.0.0.1";
  Cores first(2);
  Listener a(first.at(0));
  ASSERT_TRUE(a.open(any));
  Address here = any;
  here.port = a.port();
  Listener b(first.at(1));
  EXPECT_TRUE(b.open(here));
  Cores second(1);
  Listener stranger(second.at(0));
  const Result<void> refused = stranger.open(here);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("something listens there already"), std::string::npos) << refused.error().detail;
  a.close();
  EXPECT_FALSE(stranger.open(here)) << "one of two still listens";
  b.close();
  EXPECT_TRUE(stranger.open(here));
}

// A Unix socket whose queue is full: waited for, within the limit.
Task<> full_queue(Core& core) {
  char dir[] = "/tmp/vestibule-net-XXXXXX";
  EXPECT_NE(::mkdtemp(dir), nullptr);
  Address to;
  to.path = std::string(dir) + "/s";
  Listener listener(core);
  const Result<void> opened = listener.open(to, 1);
  EXPECT_TRUE(opened);
  std::vector<Socket> queued;
  Reason reason = Reason::ok;
  for (int i = 0; i < 8 && reason == Reason::ok; ++i) {
    Result<Socket> socket = co_await connect(core, to, 300ms);
    if (socket) {
      queued.push_back(std::move(*socket));
    } else {
      reason = socket.error().code;
    }
  }
  EXPECT_EQ(reason, Reason::upstream_timeout);
  listener.close();
  ::rmdir(dir);
}
TEST(Connect, AFullQueueMeetsTheLimit) { run(full_queue); }

}  // namespace
}  // namespace vestibule::net
