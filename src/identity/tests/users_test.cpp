#include "identity/users.hpp"

#include <argon2.h>
#include <dlfcn.h>

#include <algorithm>
#include <mutex>

#include "identity/tests/world.hpp"

namespace vestibule::identity {
namespace {

using namespace std::chrono_literals;
using testing::kPassword;
using testing::World;

/// What Argon2 is asked to do: what argon2_ctx() below is given on its way to the library.
struct Hashing {
  std::uint32_t memory_kib, passes, lanes, password, salt, secret;
  bool operator==(const Hashing&) const = default;
};
std::mutex hashings_mutex;
std::vector<Hashing> hashings;

class UsersTest : public ::testing::Test, public World {
 protected:
  void SetUp() override { open(); }

  UserId make(const std::string& name, std::vector<std::string> roles = {"member"}, bool password = true) {
    Users::Create what;
    what.name = name;
    what.roles = std::move(roles);
    auto id = run(users->create(what, administrator()));
    EXPECT_TRUE(id) << (id ? "" : id.error().detail);
    if (password) {
      auto set = run(users->set_password(*id, Secret(kPassword), administrator()));
      EXPECT_TRUE(set) << (set ? "" : set.error().detail);
    }
    return *id;
  }
  Actor from(std::string_view source) {
    Actor a;
    a.source = *domain::Source::parse(source);
    return a;
  }
  Reason sign_in(std::string name, std::string_view password, std::string_view source = "198.51.100.7") {
    auto v = run(users->verify_password(std::move(name), Secret(password), from(source)));
    if (!v) return v.error().code;
    auto accepted = database->write_blocking([&](store::Tx& tx) { return users->accept_in(tx, *v, clock.now()); });
    return accepted ? Reason::ok : accepted.error().code;
  }
};

TEST_F(UsersTest, CreateFindAndRead) {
  const UserId id = make("alice", {"member", "ml-team"}, false);
  EXPECT_EQ(users->find("alice"), id);
  EXPECT_FALSE(users->find("Alice"));
  EXPECT_FALSE(users->find("bob"));
  domain::Subject subject;
  EXPECT_EQ(users->fill(id, subject), Users::Standing::good);
  EXPECT_EQ(subject.name.view(), "alice");
  EXPECT_TRUE(domain::has(subject.roles, domain::intern("ml-team")));
  EXPECT_FALSE(domain::has(subject.roles, domain::intern("administrator")));
  Users::Create again;
  again.name = "alice";
  EXPECT_EQ(run(users->create(again, administrator())).error().code, Reason::user_exists);
  again.name = "Bob";
  EXPECT_EQ(run(users->create(again, administrator())).error().code, Reason::invalid_argument);
  again.name = "bob";
  again.roles = {"Not A Role"};
  EXPECT_EQ(run(users->create(again, administrator())).error().code, Reason::invalid_argument);
  EXPECT_FALSE(users->find("bob")) << "a refused change leaves nothing";
  EXPECT_EQ(entries("user.create").size(), 1U) << "nor a record";
}

TEST_F(UsersTest, ChangesAreDatedAndRecorded) {
  const UserId id = make("alice", {"member"}, false);
  clock.advance(1h);
  ASSERT_TRUE(run(users->set_roles(id, {"member", "auditor"}, administrator())));
  const auto user = run(users->get(id));
  ASSERT_TRUE(user);
  EXPECT_EQ(user->roles_changed, clock.wall());
  EXPECT_EQ(user->created + 1h, clock.wall());
  ASSERT_TRUE(run(users->set_groups(id, {"research"}, administrator())));
  bool in_group = false;
  users->read(id, [&](const User& u) { in_group = domain::has(u.groups, domain::intern("research")); });
  EXPECT_TRUE(in_group);
  EXPECT_EQ(entries("user.roles").size(), 1U);
  EXPECT_EQ(entries("user.groups").at(0).object, "alice");
  EXPECT_EQ(run(users->list())->size(), 1U);
  ASSERT_TRUE(run(users->remove(id, administrator())));
  EXPECT_FALSE(users->find("alice"));
  EXPECT_EQ(users->standing(id), Users::Standing::unknown);
}

TEST_F(UsersTest, TheLastAdministratorStays) {
  const UserId only = make("root1", {"administrator"}, false);
  EXPECT_EQ(run(users->disable(only, administrator())).error().code, Reason::conflict);
  EXPECT_EQ(users->standing(only), Users::Standing::good) << "the bar is lifted again";
  EXPECT_EQ(run(users->remove(only, administrator())).error().code, Reason::conflict);
  EXPECT_EQ(run(users->set_roles(only, {"member"}, administrator())).error().code, Reason::conflict);
  const UserId other = make("root2", {"administrator"}, false);
  EXPECT_TRUE(run(users->disable(only, administrator())));
  EXPECT_EQ(run(users->disable(other, administrator())).error().code, Reason::conflict) << "a disabled one does not count";
}

TEST_F(UsersTest, EnablingWithinAJobLiftsTheBarToo) {
  const UserId id = make("alice", {"member"}, false);
  ASSERT_TRUE(run(users->disable(id, administrator())));
  ASSERT_TRUE(database->write_blocking([&](store::Tx& tx) { return users->enable_in(tx, id, administrator()); }));
  EXPECT_EQ(users->standing(id), Users::Standing::good);
}

TEST_F(UsersTest, SignInTellsNothing) {
  make("alice");
  make("bob", {"member"}, false);
  const UserId carol = make("carol");
  ASSERT_TRUE(run(users->disable(carol, administrator())));
  struct Row { const char* why; std::string name; std::string_view password; Reason reason; };
  const Row rows[] = {
      {"right", "alice", kPassword, Reason::ok},
      {"wrong password", "alice", "wrong horse battery", Reason::signin_failed},
      {"empty password", "alice", "", Reason::signin_failed},
      {"unknown", "mallory", kPassword, Reason::signin_failed},
      {"another case is another name", "Alice", kPassword, Reason::signin_failed},
      {"a space is another name", "alice ", kPassword, Reason::signin_failed},
      {"empty name", "", kPassword, Reason::signin_failed},
      {"no password set", "bob", kPassword, Reason::signin_failed},
      {"disabled, right password", "carol", kPassword, Reason::signin_failed},
  };
  for (const Row& row : rows) EXPECT_EQ(sign_in(row.name, row.password), row.reason) << row.why;
}

TEST_F(UsersTest, EnumerationAnUnknownUserCostsTheSame) {
  make("alice");
  make("bob", {"member"}, false);
  // The work that is asked of Argon2, not time: how long it takes is the machine's affair.
  const auto cost = [&](const std::string& name) {
    const auto taken = [] {
      const std::lock_guard lock(hashings_mutex);
      return std::exchange(hashings, {});
    };
    (void)taken();
    EXPECT_EQ(sign_in(name, "wrong horse battery"), Reason::signin_failed);
    return taken();
  };
  const std::vector<Hashing> known = cost("alice");
  ASSERT_EQ(known.size(), 1U) << "one hash for one guess";
  EXPECT_GE(known[0].memory_kib, crypto::kLeastPasswordCost.memory_kib);
  EXPECT_GE(known[0].passes, crypto::kLeastPasswordCost.passes);
  EXPECT_EQ(cost("mallory"), known);
  EXPECT_EQ(cost("bob"), known) << "no password set";
}

TEST_F(UsersTest, FiveGuessesThenBackOffThatDoubles) {
  make("alice");
  for (const std::string name : {"alice", "nobody"}) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(sign_in(name, "wrong horse battery"), Reason::signin_failed) << name << i;
    EXPECT_EQ(sign_in(name, kPassword), Reason::password_locked) << name << ": known or not, the same";
    clock.advance(30s - 1us);
    EXPECT_EQ(sign_in(name, kPassword), Reason::password_locked);
    clock.advance(1us);
    EXPECT_EQ(sign_in(name, "wrong horse battery"), Reason::signin_failed);
    clock.advance(59s);
    EXPECT_EQ(sign_in(name, kPassword), Reason::password_locked) << "doubled";
    clock.advance(1s);
  }
  EXPECT_EQ(sign_in("alice", kPassword), Reason::ok);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(sign_in("alice", "wrong horse battery"), Reason::signin_failed);
  EXPECT_EQ(sign_in("alice", kPassword), Reason::ok) << "success gave the five back";
}

TEST_F(UsersTest, KeycloakAStrangerCannotLockTheOwnerOut) {
  make("alice");
  for (int i = 0; i < 8; ++i) sign_in("alice", "wrong horse battery", "203.0.113.66");
  EXPECT_EQ(sign_in("alice", kPassword, "203.0.113.66"), Reason::password_locked);
  EXPECT_EQ(sign_in("alice", kPassword, "198.51.100.7"), Reason::ok);
}

TEST_F(UsersTest, ManySourcesAreSlowedTogetherButNeverLockAndKnownSourcesPass) {
  make("alice");
  EXPECT_EQ(sign_in("alice", kPassword, "198.51.100.7"), Reason::ok);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(sign_in("alice", "wrong horse battery", "203.0.113." + std::to_string(i)), Reason::signin_failed) << i;
  }
  EXPECT_EQ(sign_in("alice", "wrong horse battery", "203.0.113.99"), Reason::password_locked);
  EXPECT_EQ(sign_in("alice", kPassword, "198.51.100.7"), Reason::ok) << "known good";
  clock.advance(5s);
  EXPECT_EQ(sign_in("alice", kPassword, "192.0.2.77"), Reason::ok) << "slowed, never locked";
}

TEST_F(UsersTest, SprayingFromOneSourceIsSlowed) {
  int looked_at = 0;
  for (int i = 0; i < 60; ++i) {
    if (sign_in("user" + std::to_string(i), "wrong horse battery", "203.0.113.5") == Reason::signin_failed) ++looked_at;
  }
  EXPECT_EQ(looked_at, 30);
  make("alice");
  EXPECT_EQ(sign_in("alice", kPassword, "203.0.113.5"), Reason::password_locked);
  EXPECT_EQ(sign_in("alice", kPassword, "203.0.113.6"), Reason::ok);
}

TEST_F(UsersTest, IPv6SourcesCountBySlash64) {
  make("alice");
  for (int i = 0; i < 5; ++i) sign_in("alice", "wrong horse battery", "2001:db8::" + std::to_string(i + 1));
  EXPECT_EQ(sign_in("alice", kPassword, "2001:db8::ffff"), Reason::password_locked);
  EXPECT_EQ(sign_in("alice", kPassword, "2001:db8:0:1::1"), Reason::ok);
}

TEST_F(UsersTest, AuthentikParallelGuessesAreChargedBeforeTheyAreLookedAt) {
  make("alice");
  std::vector<std::future<Result<Verified>>> all;
  for (unsigned i = 0; i < 30; ++i) {
    all.push_back(spawn(users->verify_password("alice", Secret("wrong horse battery"), from("203.0.113.9")), i % 2));
  }
  int looked_at = 0;
  for (auto& f : all) {
    const auto r = f.get();
    ASSERT_FALSE(r);
    if (r.error().code == Reason::signin_failed) ++looked_at;
  }
  EXPECT_EQ(looked_at, 5);
}

TEST_F(UsersTest, SetUpOnceAndInTime) {
  EXPECT_TRUE(users->needs_setup());
  auto first = users->create_setup_token();
  ASSERT_TRUE(first && *first);
  auto second = users->create_setup_token();
  ASSERT_TRUE(second && *second);
  auto prepared = run(users->prepare("root", Secret(kPassword)));
  ASSERT_TRUE(prepared);
  const auto set_up = [&](std::string_view token) {
    auto r = database->write_blocking([&](store::Tx& tx) { return users->setup_in(tx, token, *prepared, Actor{}); });
    return r ? Reason::ok : r.error().code;
  };
  EXPECT_EQ(set_up((*first)->reveal_text()), Reason::setup_token) << "an older token is void";
  EXPECT_EQ(set_up("ve_nonsense"), Reason::setup_token);
  clock.advance(30min + 1us);
  EXPECT_EQ(set_up((*second)->reveal_text()), Reason::setup_token) << "lapsed at the very microsecond";
  auto third = users->create_setup_token();
  ASSERT_TRUE(third && *third);
  clock.advance(30min);
  EXPECT_TRUE(run(users->check_setup_token((*third)->clone())));
  EXPECT_EQ(set_up((*third)->reveal_text()), Reason::ok);
  EXPECT_EQ(set_up((*third)->reveal_text()), Reason::setup_done) << "twice";
  EXPECT_FALSE(users->needs_setup());
  EXPECT_EQ(run(users->check_setup_token((*third)->clone())).error().code, Reason::setup_done);
  auto none = users->create_setup_token();
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
  EXPECT_EQ(sign_in("root", kPassword), Reason::ok);
}

TEST_F(UsersTest, EnrolmentCodeOnceAndInTime) {
  const UserId id = make("alice", {"member"}, false);
  Actor self = administrator();
  self.user = id;
  EXPECT_FALSE(run(users->create_enrolment_code(id, self))) << "nobody resets himself";
  auto prepared = run(users->prepare("alice", Secret(kPassword)));
  auto for_bob = run(users->prepare("bob", Secret(kPassword)));
  ASSERT_TRUE(prepared && for_bob);
  const auto use = [&](const Secret& code, const PreparedPassword& p) {
    auto r = database->write_blocking(
        [&](store::Tx& tx) { return users->use_enrolment_code_in(tx, code.reveal_text(), p, Actor{}); });
    return r ? Reason::ok : r.error().code;
  };
  auto old = run(users->create_enrolment_code(id, administrator()));
  auto code = run(users->create_enrolment_code(id, administrator()));
  ASSERT_TRUE(old && code);
  EXPECT_EQ(use(*old, *prepared), Reason::credential_unknown) << "a newer one voids it";
  EXPECT_FALSE(use(*code, *for_bob) == Reason::ok) << "a password whose rules were checked for another name";
  clock.advance(24h);
  EXPECT_EQ(use(*code, *prepared), Reason::ok);
  EXPECT_EQ(use(*code, *prepared), Reason::credential_unknown) << "twice";
  const auto user = run(users->get(id));
  EXPECT_EQ(user->factors_reset, clock.wall());
  EXPECT_FALSE(user->reset_by.is_nil());
  auto late = run(users->create_enrolment_code(id, administrator()));
  clock.advance(24h + 1us);
  EXPECT_EQ(use(*late, *prepared), Reason::credential_unknown) << "lapsed at the very microsecond";
}

TEST_F(UsersTest, DisablingWorksWhileTheStoreFails) {
  const UserId id = make("alice");
  hook.broken = true;
  const auto refused = run(users->disable(id, administrator()));
  EXPECT_FALSE(refused);
  EXPECT_EQ(users->standing(id), Users::Standing::disabled) << "barred in memory at once";
  hook.broken = false;
  bool persisted = false;
  for (int i = 0; i < 100 && !persisted; ++i) {
    persisted = run(users->maintain()).has_value() && run(users->get(id))->disabled;
    if (!persisted) std::this_thread::sleep_for(100ms);
  }
  EXPECT_TRUE(persisted);
  ASSERT_TRUE(run(users->enable(id, administrator())));
  EXPECT_EQ(users->standing(id), Users::Standing::good);
}

TEST_F(UsersTest, AMissingListOfCommonPasswordsIsReported) {
  EXPECT_TRUE(users->common_list_loaded());
  close();
  options_identity.common_passwords = folder / "missing.lst";
  open();
  EXPECT_FALSE(users->common_list_loaded());
  EXPECT_TRUE(run(users->prepare("alice", Secret(kPassword))));
}

TEST(UsersRestart, CountersAndBarsSurvive) {
  struct Files : World {
    Files() { file = folder / "test.db"; }
  } w;
  w.open();
  Users::Create what;
  what.name = "alice";
  const auto id = w.run(w.users->create(what, w.administrator()));
  ASSERT_TRUE(id);
  ASSERT_TRUE(w.run(w.users->set_password(*id, Secret(kPassword), w.administrator())));
  Actor by;
  by.source = *domain::Source::parse("203.0.113.9");
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(w.run(w.users->verify_password("alice", Secret("wrong horse battery"), by)));
  }
  w.restart();
  EXPECT_EQ(w.users->find("alice"), *id);
  EXPECT_EQ(w.run(w.users->verify_password("alice", Secret(kPassword), by)).error().code, Reason::password_locked);
  ASSERT_TRUE(w.run(w.users->disable(*id, w.administrator())));
  w.restart();
  EXPECT_EQ(w.users->standing(*id), Users::Standing::disabled);
}

struct DenialsWorld : World {
  DenialsWorld() { file = folder / "test.db"; }
  ~DenialsWorld() override { close(); }
  UserId make(std::string name) {
    Users::Create what;
    what.name = std::move(name);
    return *run(users->create(what, administrator()));
  }
  void settle() {
    for (int i = 0; i < 100 && !run(users->maintain()); ++i) std::this_thread::sleep_for(100ms);
  }
};

TEST(UsersDenials, ARefusedDisablementSurvivesTheProcessAndIsRecordedThen) {
  DenialsWorld w;
  w.open();
  const UserId id = w.make("alice");
  w.hook.broken = true;
  EXPECT_FALSE(w.run(w.users->disable(id, w.administrator("192.0.2.77"))));
  EXPECT_EQ(w.denials->unkept(), 0U);
  w.restart();  // the store fails on; nothing of it was stored
  EXPECT_EQ(w.users->standing(id), Users::Standing::disabled);
  EXPECT_TRUE(w.entries("user.disable").empty());
  w.hook.broken = false;
  w.settle();
  EXPECT_TRUE(w.run(w.users->get(id))->disabled);
  const auto recorded = w.entries("user.disable");
  ASSERT_EQ(recorded.size(), 1U);
  EXPECT_EQ(recorded[0].user_name, "root");
  EXPECT_EQ(recorded[0].object, "alice");
  EXPECT_EQ(recorded[0].source, "192.0.2.77");
  EXPECT_NE(recorded[0].note.find("stored late"), std::string::npos);
  w.restart();
  EXPECT_EQ(w.users->standing(id), Users::Standing::disabled);
  w.settle();
  EXPECT_EQ(w.entries("user.disable").size(), 1U) << "once";
}

TEST(UsersDenials, EnabledAgainItDoesNotComeBack) {
  DenialsWorld w;
  w.open();
  const UserId id = w.make("alice");
  w.hook.broken = true;
  EXPECT_FALSE(w.run(w.users->disable(id, w.administrator())));
  EXPECT_FALSE(w.run(w.users->disable(id, w.administrator()))) << "asked again, it is kept once";
  w.hook.broken = false;
  for (int i = 0; i < 100 && !w.run(w.users->enable(id, w.administrator())); ++i) std::this_thread::sleep_for(100ms);
  EXPECT_EQ(w.users->standing(id), Users::Standing::good);
  w.restart();
  EXPECT_EQ(w.users->standing(id), Users::Standing::good);
  EXPECT_TRUE(w.denials->take_rest().empty());
}

TEST(UsersDenials, OfAUserWhoIsGoneNothingIsLeft) {
  DenialsWorld w;
  w.open();
  w.hook.broken = true;
  EXPECT_FALSE(w.run(w.users->disable(UserId::make(w.rng), w.administrator())));
  w.restart();
  w.hook.broken = false;
  w.settle();
  w.restart();
  EXPECT_TRUE(w.denials->take("user.disable").empty());
}

TEST(UsersDenials, WithoutAPlaceItIsCountedUntilStored) {
  DenialsWorld w;
  w.options_denials.slots = 1;
  w.open();
  const UserId alice = w.make("alice");
  const UserId bob = w.make("bob");
  w.hook.broken = true;
  EXPECT_FALSE(w.run(w.users->disable(alice, w.administrator())));
  EXPECT_EQ(w.denials->unkept(), 0U);
  EXPECT_FALSE(w.run(w.users->disable(bob, w.administrator())));
  EXPECT_EQ(w.denials->unkept(), 1U);
  EXPECT_EQ(w.users->standing(bob), Users::Standing::disabled);
  w.hook.broken = false;
  w.settle();
  EXPECT_EQ(w.denials->unkept(), 0U);
  w.restart();
  EXPECT_EQ(w.users->standing(alice), Users::Standing::disabled);
  EXPECT_EQ(w.users->standing(bob), Users::Standing::disabled);
}

TEST(ActorPacked, ReadsBackAndRefusesEverythingElse) {
  Actor a;
  CountingRng rng;
  a.user = UserId::make(rng);
  a.name = domain::UserName("root");
  a.session = SessionId::make(rng);
  a.source = *domain::Source::parse("unix");
  a.client = std::string(300, 'c');
  a.request = RequestId::make(rng);
  a.evidence.add({domain::FactorKind::totp, domain::traits_of(domain::FactorKind::totp), FactorId::make(rng), WallTime(5s), BootTime(7s)});
  Packer out;
  pack(out, a);
  const Bytes packed = out.take();
  Unpacker in(packed);
  const Actor b = unpack_actor(in);
  ASSERT_TRUE(in.done());
  EXPECT_EQ(b.user, a.user);
  EXPECT_EQ(b.name.view(), "root");
  EXPECT_EQ(b.session, a.session);
  EXPECT_EQ(b.source, a.source);
  EXPECT_EQ(b.client, std::string(128, 'c'));
  EXPECT_EQ(b.request, a.request);
  ASSERT_EQ(b.evidence.size(), 1U);
  EXPECT_EQ(b.evidence.begin()->wall, WallTime(5s));
  EXPECT_EQ(b.evidence.begin()->boot, domain::Proof::no_boot);
  EXPECT_TRUE(b.evidence.begin()->traits.possession);
  for (std::size_t n = 0; n < packed.size(); ++n) {
    Unpacker cut(ByteView(packed).first(n));
    (void)unpack_actor(cut);
    EXPECT_FALSE(cut.done()) << n;
  }
  Bytes longer = packed;
  longer.push_back(0);
  Unpacker more(longer);
  (void)unpack_actor(more);
  EXPECT_FALSE(more.done());
}

TEST_F(UsersTest, RestoreVoidsCodes) {
  const UserId id = make("alice", {"member"}, false);
  auto token = users->create_setup_token();
  auto code = run(users->create_enrolment_code(id, administrator()));
  ASSERT_TRUE(token && *token && code);
  ASSERT_TRUE(database->write_blocking([](store::Tx& tx) { return void_after_restore(tx); }));
  EXPECT_EQ(run(users->check_setup_token((*token)->clone())).error().code, Reason::setup_token);
  EXPECT_EQ(run(users->check_enrolment_code(code->clone())).error().code, Reason::credential_unknown);
}

}  // namespace
}  // namespace vestibule::identity

/// Stands before the library's own, which does the work.
extern "C" int argon2_ctx(argon2_context* context, argon2_type type) {
  {
    using namespace vestibule::identity;
    const std::lock_guard lock(hashings_mutex);
    hashings.push_back({context->m_cost, context->t_cost, context->lanes, context->pwdlen, context->saltlen, context->secretlen});
  }
  static const auto real = reinterpret_cast<decltype(&argon2_ctx)>(::dlsym(RTLD_NEXT, "argon2_ctx"));
  return real(context, type);
}
