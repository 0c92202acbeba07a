#include "identity/notices.hpp"

#include "identity/tests/world.hpp"

namespace vestibule::identity {
namespace {

using namespace std::chrono_literals;
using testing::kPassword;
using testing::World;

class NoticesTest : public ::testing::Test, public World {
 protected:
  void SetUp() override { open(); }

  UserId make(const std::string& name, std::vector<std::string> roles = {"member"}) {
    Users::Create what;
    what.name = name;
    what.roles = std::move(roles);
    auto id = run(users->create(what, administrator()));
    EXPECT_TRUE(id) << (id ? "" : id.error().detail);
    return *id;
  }
  void tell(UserId whom, NoticeKind kind, std::string_view text) {
    clock.advance(1s);
    auto told = database->write_blocking([&](store::Tx& tx) { return users->notify_in(tx, whom, kind, text, clock.wall()); });
    EXPECT_TRUE(told) << (told ? "" : told.error().detail);
  }
  std::vector<Notice> of(UserId whom) {
    auto all = run(users->notices(whom));
    EXPECT_TRUE(all);
    return std::move(*all);
  }
  std::vector<std::string> kinds(UserId whom) {
    std::vector<std::string> out;
    for (const Notice& n : of(whom)) out.emplace_back(name(n.kind));
    return out;
  }
  bool see(UserId whom, std::vector<NoticeId> ids) {
    Actor by;
    by.user = whom;
    return run(users->mark_seen(std::move(by), std::move(ids))).has_value();
  }
};

using Names = std::vector<std::string>;

TEST_F(NoticesTest, EveryKindHasItsNameAndComesBack) {
  const UserId alice = make("alice");
  for (std::uint8_t k = 1; k <= static_cast<std::uint8_t>(NoticeKind::not_me); ++k) {
    const auto kind = static_cast<NoticeKind>(k);
    EXPECT_EQ(notice_kind_from(name(kind)), kind);
    tell(alice, kind, "text");
    EXPECT_EQ(of(alice).front().kind, kind);
  }
  EXPECT_FALSE(notice_kind_from("something"));
}

TEST_F(NoticesTest, TheFeedHearsOfEachOne) {
  std::vector<NoticeId> heard;
  const UserId alice = UserId::make(rng);
  store::Database::Options options;
  options.file = folder / "other";
  auto migrations = all_migrations();
  auto opened = store::Database::open(options, migrations);
  ASSERT_TRUE(opened);
  (*opened)->listen([&](store::Tx& tx, std::span<const store::Change> changes) {
    for (const store::Change& c : changes) {
      if (c.topic != kNoticeTopic) continue;
      const auto id = NoticeId::from(c.key);
      ASSERT_TRUE(id);
      auto notice = notice_in(tx, *id);
      ASSERT_TRUE(notice && *notice);
      EXPECT_EQ((*notice)->account, alice);
      heard.push_back(*id);
    }
  });
  (*opened)->start();
  const auto write = [&](NoticeKind kind) {
    return (*opened)->write_blocking([&](store::Tx& tx) { return notify_in(tx, rng, alice, kind, "x", clock.wall()); });
  };
  ASSERT_TRUE(write(NoticeKind::factor_added));
  ASSERT_TRUE(write(NoticeKind::factor_locked));
  ASSERT_TRUE(write(NoticeKind::factor_locked)) << "stands already";
  (*opened)->stop();
  EXPECT_EQ(heard.size(), 2U);
}

TEST_F(NoticesTest, AreBoundedAndTheSeenOnesGoFirst) {
  const UserId alice = make("alice");
  const UserId bob = make("bob");
  tell(bob, NoticeKind::not_me, "bob's");
  tell(alice, NoticeKind::factor_added, "first");
  const NoticeId first = of(alice).front().id;
  for (std::size_t i = 1; i < kMaxNotices; ++i) tell(alice, NoticeKind::factor_removed, std::to_string(i));
  const NoticeId newest = of(alice).front().id;
  ASSERT_TRUE(see(alice, {newest}));
  tell(alice, NoticeKind::password_changed, "one more");
  const auto now = of(alice);
  ASSERT_EQ(now.size(), kMaxNotices);
  EXPECT_EQ(now.front().text, "one more");
  EXPECT_TRUE(std::ranges::none_of(now, [&](const Notice& n) { return n.id == newest; })) << "it was seen";
  EXPECT_EQ(now.back().id, first);
  tell(alice, NoticeKind::password_changed, "and one more");
  EXPECT_EQ(of(alice).size(), kMaxNotices);
  const auto then = of(alice);
  EXPECT_EQ(then.back().id, first) << "what tells of another's hand on the account is not pushed out";
  EXPECT_TRUE(std::ranges::none_of(then, [](const Notice& n) { return n.text == "1"; })) << "the oldest of the others gave way";
  EXPECT_EQ(of(bob).size(), 1U);
}

TEST_F(NoticesTest, WhatAGuesserCausesStandsOnceUntilItIsSeen) {
  const UserId alice = make("alice");
  tell(alice, NoticeKind::factor_added, "a thief's phone");
  for (int i = 0; i < 200; ++i) tell(alice, NoticeKind::factor_locked, "again " + std::to_string(i));
  auto all = of(alice);
  ASSERT_EQ(all.size(), 2U) << "the one that matters is not drowned";
  EXPECT_EQ(all.front().text, "again 199");
  ASSERT_TRUE(see(alice, {all.front().id}));
  tell(alice, NoticeKind::factor_locked, "later");
  EXPECT_EQ(of(alice).size(), 3U);
}

TEST_F(NoticesTest, NobodySeesForAnother) {
  const UserId alice = make("alice");
  const UserId bob = make("bob");
  tell(alice, NoticeKind::factor_added, "x");
  const NoticeId id = of(alice).front().id;
  EXPECT_TRUE(see(bob, {id}));
  EXPECT_FALSE(of(alice).front().seen);
  EXPECT_TRUE(see(alice, {id, NoticeId::make(rng)}));
  EXPECT_TRUE(of(alice).front().seen);
}

TEST_F(NoticesTest, ALongTextIsCutBetweenCharacters) {
  const UserId alice = make("alice");
  std::string text(kMaxNoticeText - 1, 'x');
  tell(alice, NoticeKind::not_me, text + "\xc3\xbc");
  EXPECT_EQ(of(alice).front().text, text);
}

TEST_F(NoticesTest, AccountsTellOfPasswordRolesAndNewAdministrators) {
  const UserId root = make("root", {"administrator"});
  const UserId alice = make("alice");
  EXPECT_TRUE(kinds(root).empty());
  ASSERT_TRUE(run(users->set_password(alice, Secret(kPassword), administrator())));
  ASSERT_TRUE(run(users->set_groups(alice, {"lab"}, administrator())));
  ASSERT_TRUE(run(users->set_roles(alice, {"auditor"}, administrator())));
  EXPECT_EQ(kinds(alice).size(), 3U);
  EXPECT_TRUE(kinds(root).empty()) << "no administrator more than before";
  ASSERT_TRUE(run(users->set_roles(alice, {"administrator"}, administrator())));
  ASSERT_EQ(kinds(root), (Names{"roles_changed"}));
  EXPECT_NE(of(root).front().text.find("alice is an administrator now"), std::string::npos);
  EXPECT_EQ(kinds(alice).size(), 4U) << "of her own, not of herself as another";
  ASSERT_TRUE(run(users->set_roles(alice, {"administrator", "member"}, administrator())));
  EXPECT_EQ(kinds(root).size(), 1U) << "she was one before";
  make("mallory", {"administrator"});
  EXPECT_EQ(kinds(root).size(), 2U);
  EXPECT_EQ(kinds(alice).size(), 6U);
}

TEST_F(NoticesTest, AFailedChangeLeavesNone) {
  const UserId alice = make("alice");
  hook.broken = true;
  EXPECT_FALSE(run(users->set_groups(alice, {"lab"}, administrator())));
  hook.broken = false;
  EXPECT_TRUE(kinds(alice).empty());
}

TEST_F(NoticesTest, GoWithTheAccount) {
  const UserId alice = make("alice");
  tell(alice, NoticeKind::factor_added, "x");
  ASSERT_TRUE(run(users->remove(alice, administrator())));
  EXPECT_TRUE(of(alice).empty());
}

TEST_F(NoticesTest, ACodeThatResetsIsToldTheFirstOneIsNot) {
  const UserId alice = make("alice");
  const auto use = [&] {
    auto code = run(users->create_enrolment_code(alice, administrator()));
    ASSERT_TRUE(code);
    auto prepared = run(users->prepare("alice", Secret(kPassword)));
    ASSERT_TRUE(prepared);
    Actor by;
    by.source = *domain::Source::parse("192.0.2.66");
    auto used = database->write_blocking([&](store::Tx& tx) {
      return users->use_enrolment_code_in(tx, code->reveal_text(), *prepared, by);
    });
    ASSERT_TRUE(used);
  };
  use();
  EXPECT_TRUE(kinds(alice).empty());
  use();
  EXPECT_EQ(kinds(alice), (Names{"reset_done", "reset_done"})) << "that it was made, and that it was used";
  const auto all = of(alice);
  const auto from = [](const Notice& n) { return n.text.find("192.0.2.66") != std::string::npos; };
  EXPECT_EQ(std::ranges::count_if(all, from), 1);
}

}  // namespace
}  // namespace vestibule::identity
