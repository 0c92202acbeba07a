#pragma once
// Users with push devices: what is asked of them, and what they answer.

#include "factors/tests/device.hpp"
#include "factors/tests/world.hpp"

namespace vestibule::testing {

inline const std::string kSubscription =
    R"({"endpoint":"https://fcm.googleapis.com/fcm/send/x","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}})";

class PushWorld : public FactorWorld {
 protected:
  using Actor = identity::Actor;
  using FactorKind = domain::FactorKind;

  void set_up() {
    alice = make_user("alice");
    bob = make_user("bob");
    session = SessionId::make(rng);
    other_session = SessionId::make(rng);
  }

  Actor by(UserId user, SessionId of) {
    Actor a = known(user);
    a.session = of;
    a.client = "Firefox";
    return a;
  }
  Actor by(UserId user) { return by(user, session); }
  Result<factors::PendingEnrolment> begin_enrolment(UserId user, const Device& device, const std::string& subscription = {}) {
    factors::EnrolmentWish wish;
    wish.push.emplace();
    wish.push->key = device.point();
    if (!subscription.empty()) wish.push->subscription = notify::parse_subscription(subscription);
    return database->write_blocking([&](store::Tx& tx) {
      return factors->begin_enrolment_in(tx, user, FactorKind::push, "phone", factors::Authority::existing_factor, by(user), clock.now(), wish);
    });
  }
  Reason confirm(UserId user, FactorId pending, std::string_view answer) {
    auto settled = database->write_blocking([&](store::Tx& tx) -> Result<factors::Settled<Result<factors::Confirmed>>> {
      auto charged = factors->charge_enrolment_in(tx, user, pending, clock.now());
      if (!charged) return std::move(charged).error();
      auto done = factors->confirm_in(tx, user, pending, answer, by(user), clock.now());
      if (!done && !factors::commits(done.error().code)) return std::move(done).error();
      return factors::Settled<Result<factors::Confirmed>>{std::move(done)};
    });
    if (!settled) return settled.error().code;
    return settled->value ? Reason::ok : settled->value.error().code;
  }
  Reason enrol(UserId user, Device& device, const std::string& subscription = {}) {
    auto pending = begin_enrolment(user, device, subscription);
    if (!pending) return pending.error().code;
    device.id = pending->id;
    return confirm(user, pending->id, device.confirmation(pending->options, pending->secret.reveal_text()));
  }
  struct Asked {
    factors::ChallengeId id{};
    std::string digits;
    Reason reason = Reason::ok;
  };
  Asked ask(UserId user, SessionId of, std::string_view purpose = "signin", FactorKind kind = FactorKind::push) {
    auto c = database->write_blocking([&](store::Tx& tx) { return factors->begin_in(tx, kind, purpose, by(user, of), clock.now()); });
    if (!c) return {{}, {}, c.error().code};
    EXPECT_TRUE(c->options.starts_with(R"({"digits":")")) << c->options;
    return {c->id, c->options.substr(11, c->options.size() - 13), Reason::ok};
  }
  Asked ask(UserId user) { return ask(user, session); }
  net::Task<Result<std::optional<factors::PromptState>>> answering(factors::DeviceAnswer a) {
    Result<factors::Prompts::Looked> looked = co_await factors->prompts().look(a);
    if (!looked) co_return std::move(looked).error();
    Actor owner;
    owner.user = looked->user;
    auto job = [this, a, l = std::move(*looked), owner](store::Tx& tx) { return factors->prompts().answer_in(tx, a, l, owner, clock.now()); };
    auto done = co_await database->write(std::move(job));
    co_return done;
  }
  /// "approved", "declined", "not_me", "expired", or a reason.
  std::string answer(const factors::DeviceAnswer& a, unsigned core = 0) {
    auto done = run(answering(a), core);
    if (!done) return std::string(info(done.error().code).code);
    if (!*done) return "expired";
    switch (**done) {
      case factors::PromptState::approved: return "approved";
      case factors::PromptState::declined: return "declined";
      case factors::PromptState::not_me: return "not_me";
      default: return "?";
    }
  }
  std::string approve(const Device& device, const Asked& asked) {
    return answer(device.answer(asked.id, factors::Verdict::approve, asked.digits, clock.wall()));
  }
  net::Task<Result<domain::Proof>> proving(factors::Attempt a) {
    auto same = [](store::Tx&, const domain::Proof& p) { return Result<domain::Proof>(p); };
    auto done = co_await factors->prove_and(std::move(a), std::move(same));
    co_return done;
  }
  Result<domain::Proof> prove(UserId user, factors::ChallengeId challenge, std::string purpose, SessionId of, FactorKind kind = FactorKind::push) {
    factors::Attempt a;
    a.kind = kind;
    a.answer = Secret(std::string_view(""));
    a.purpose = std::move(purpose);
    a.by = by(user, of);
    a.challenge = challenge;
    return run(proving(std::move(a)));
  }
  Reason proved(UserId user, factors::ChallengeId challenge, std::string purpose = "signin") {
    const auto p = prove(user, challenge, std::move(purpose), session);
    return p ? Reason::ok : p.error().code;
  }
  std::size_t open_prompts(const Device& device) {
    auto inbox = run(factors->prompts().inbox(device.inbox(clock.wall())));
    EXPECT_TRUE(inbox) << (inbox ? "" : info(inbox.error().code).code);
    return inbox ? inbox->prompts.size() : 0;
  }

  UserId alice, bob;
  SessionId session, other_session;
};

}  // namespace vestibule::testing
