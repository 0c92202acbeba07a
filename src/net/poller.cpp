#include "net/poller.hpp"

#include "net/signal.hpp"

#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace vestibule::net {

int Socket::release() noexcept { return std::exchange(fd_, -1); }

void Socket::close() noexcept {
  if (fd_ >= 0) ::close(release());
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

// ------------------------------------------------------------------------------------- Watched

Watched::Watched(Poller& poller, Socket socket) noexcept : poller_(&poller), socket_(std::move(socket)) {
  const int flags = ::fcntl(fd(), F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) ::fcntl(fd(), F_SETFL, flags | O_NONBLOCK);
  if (!poller_->add(*this)) socket_.close();
}

Watched::~Watched() { close(); }

void Watched::close() noexcept {
  if (!socket_.is_open()) return;
  if (poller_ != nullptr) poller_->remove(*this);
  socket_.close();
  tell_later(reader_);
  tell_later(writer_);
  if (hang_up_ != nullptr) hang_up_->notify_all();
}

Socket Watched::take() noexcept {
  if (socket_.is_open() && poller_ != nullptr) poller_->remove(*this);
  return std::move(socket_);
}

// Not here and now: who closes may stand on the stack of who waits.
void Watched::tell_later(std::optional<Handler>& waiting) noexcept {
  if (!waiting) return;
  Handler h = std::move(*waiting);
  waiting.reset();
  const auto executor = h.get_executor();
  asio::post(executor, [h = std::move(h), open = is_open()]() mutable { h(open); });
}

void Watched::Wait::Start::operator()(Handler handler, Watched* w, For kind) const {
  std::optional<Handler>& waiting = kind == For::writable ? w->writer_ : w->reader_;
  waiting.emplace(std::move(handler));
  if (kind == For::writable && w->is_open()) w->ask_writable();
  const bool at_once = kind == For::next_turn || !w->is_open() || (kind == For::readable && w->readable_);
  if (at_once) w->tell_later(waiting);
}

void Watched::ask_writable() noexcept {
  if (asks_writable_) return;
  // Changing what is asked for tells once more what is there already: no edge is lost.
  epoll_event ev{};
  ev.events = EPOLLIN | EPOLLRDHUP | EPOLLET | EPOLLOUT;
  ev.data.ptr = this;
  asks_writable_ = ::epoll_ctl(poller_->epoll_.native_handle(), EPOLL_CTL_MOD, fd(), &ev) == 0;
  if (!asks_writable_) close();  // tells who waits
}

bool Watched::up_to_date() const noexcept { return poller_->all_told_; }

// A coroutine that is resumed may destroy this: nothing is touched after the last resumption.
void Watched::happened(std::uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    hung_up_ = true;
    if (hang_up_ != nullptr) hang_up_->notify_all();  // resumes on a later turn
  }
  const bool in = (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  const bool out = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
  if (in) readable_ = true;
  std::optional<Handler> writer;
  if (out && writer_) {
    writer.emplace(std::move(*writer_));
    writer_.reset();
  }
  if (in && reader_) {
    Handler reader = std::move(*reader_);
    reader_.reset();
    reader(true);
  }
  if (writer) (*writer)(true);
}

// -------------------------------------------------------------------------------------- Poller

Poller::Poller(asio::io_context& context) : epoll_(context) {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  epoll_.assign(fd);
  watch_again();
}

// Coroutines that still wait are destroyed with what they own, as Asio does with its own.
Poller::~Poller() {
  while (first_ != nullptr) {
    Watched& w = *first_;
    unlink(w);
    w.poller_ = nullptr;
    const std::optional<Watched::Handler> reader = std::exchange(w.reader_, std::nullopt);
    const std::optional<Watched::Handler> writer = std::exchange(w.writer_, std::nullopt);
  }
}

void Poller::stop() noexcept {
  stopped_ = true;
  ErrorCode ignored;
  epoll_.cancel(ignored);
}

bool Poller::add(Watched& w) noexcept {
  epoll_event ev{};
  ev.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  ev.data.ptr = &w;
  if (::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, w.fd(), &ev) != 0) return false;
  w.next_ = first_;
  if (first_ != nullptr) first_->prev_ = &w;
  first_ = &w;
  return true;
}

void Poller::unlink(Watched& w) noexcept {
  (w.prev_ != nullptr ? w.prev_->next_ : first_) = w.next_;
  if (w.next_ != nullptr) w.next_->prev_ = w.prev_;
  w.prev_ = w.next_ = nullptr;
}

// Closing alone would not do: a child that was just forked may still hold the socket, and its events
// would come with the address of what is gone.
void Poller::remove(Watched& w) noexcept {
  ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, w.fd(), nullptr);
  unlink(w);
  for (epoll_event& ev : left_) {
    if (ev.data.ptr == &w) ev.data.ptr = nullptr;
  }
}

void Poller::watch_again() {
  epoll_.async_wait(decltype(epoll_)::wait_read, [this](const ErrorCode& ec) {
    if (ec || stopped_) return;
    on_events();
    watch_again();
  });
}

void Poller::on_events() {
  const int n = ::epoll_wait(epoll_.native_handle(), events_.data(), static_cast<int>(events_.size()), 0);
  left_ = std::span(events_).first(static_cast<std::size_t>(std::max(n, 0)));
  const bool all = left_.size() < events_.size();
  begin_turn(left_.size());
  while (!left_.empty()) {
    const epoll_event ev = left_.front();
    left_ = left_.subspan(1);
    all_told_ = all && left_.empty();
    if (ev.data.ptr != nullptr) static_cast<Watched*>(ev.data.ptr)->happened(ev.events);
  }
  go_by_stages();
}

void Poller::begin_turn(std::size_t many) noexcept {
  many_ = many;
  now_ = Stage::reads;
}

void Poller::go_by_stages() {
  for (std::size_t stage = 1; stage < kStages; ++stage) {
    now_ = static_cast<Stage>(stage);
    resumed_.swap(waiting_[stage]);  // who is resumed waits for later ones alone
    for (Handler& h : resumed_) h();
    resumed_.clear();
  }
  many_ = 0;
  all_told_ = false;
}

void Poller::Reach::Start::operator()(Handler handler, Poller* p, Stage to) const {
  p->waiting_[static_cast<std::size_t>(to)].push_back(std::move(handler));
}

}  // namespace vestibule::net
