#include "app/cli/state.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "app/cli/offline_copy.hpp"

namespace vestibule::app::cli {
namespace {

class CliState : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "vestibule-state-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static SavedSession session() { return {Secret(std::string_view("vs_secret")), "maria", "/run/x.sock", "http://localhost:8420"}; }
  static unsigned mode(const std::filesystem::path& p) {
    struct stat st {};
    return ::stat(p.c_str(), &st) == 0 ? st.st_mode & 07777U : 0;
  }
  std::filesystem::path root_;
};

TEST_F(CliState, WhatIsSavedIsLoaded) {
  const State state(root_ / "a/b/vestibule");
  auto none = state.load();
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  ASSERT_TRUE(state.save(session()));
  ASSERT_TRUE(state.save(session()));  // replaces
  auto loaded = state.load();
  ASSERT_TRUE(loaded) << loaded.error().detail;
  ASSERT_TRUE(*loaded);
  EXPECT_EQ((*loaded)->handle.reveal_text(), "vs_secret");
  EXPECT_EQ((*loaded)->user, "maria");
  EXPECT_EQ((*loaded)->socket, "/run/x.sock");
  EXPECT_EQ((*loaded)->url, "http://localhost:8420");
  ASSERT_TRUE(state.clear());
  ASSERT_TRUE(state.clear());
  EXPECT_FALSE(*state.load());
}

TEST_F(CliState, PrivateWhateverTheUmask) {
  const mode_t before = ::umask(0);
  const State state(root_ / "vestibule");
  ASSERT_TRUE(state.save(session()));
  ::umask(before);
  EXPECT_EQ(mode(root_ / "vestibule"), 0700U);
  EXPECT_EQ(mode(state.file()), 0600U);
  // Nothing is left beside it.
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root_ / "vestibule")) {
    static_cast<void>(entry);
    ++files;
  }
  EXPECT_EQ(files, 1U);
}

TEST_F(CliState, RefusesWhatOthersCanReadOrReplace) {
  const State state(root_ / "vestibule");
  ASSERT_TRUE(state.save(session()));
  for (const mode_t m : {mode_t{0640}, mode_t{0604}, mode_t{0660}}) {
    ASSERT_EQ(::chmod(state.file().c_str(), m), 0);
    const auto r = state.load();
    ASSERT_FALSE(r) << m;
    EXPECT_EQ(r.error().code, Reason::invalid_argument);
    EXPECT_NE(r.error().detail.find("chmod 600"), std::string::npos);
  }
  ASSERT_EQ(::chmod(state.file().c_str(), 0600), 0);
  ASSERT_TRUE(state.load());
  ASSERT_EQ(::chmod((root_ / "vestibule").c_str(), 0755), 0);
  EXPECT_FALSE(state.load());
  EXPECT_FALSE(state.save(session()));
}

TEST_F(CliState, FollowsNoLink) {
  const State real(root_ / "real");
  ASSERT_TRUE(real.save(session()));
  std::filesystem::create_directory(root_ / "vestibule");
  ASSERT_EQ(::chmod((root_ / "vestibule").c_str(), 0700), 0);
  const State state(root_ / "vestibule");
  std::filesystem::create_symlink(real.file(), state.file());
  EXPECT_FALSE(state.load());
  // Saving replaces the link and leaves what it points to alone.
  SavedSession other = session();
  other.user = "other";
  ASSERT_TRUE(state.save(other));
  EXPECT_EQ((*real.load())->user, "maria");
  EXPECT_EQ((*state.load())->user, "other");
  // A link instead of the directory is refused too.
  std::filesystem::create_directory_symlink(root_ / "real", root_ / "linked");
  EXPECT_FALSE(State(root_ / "linked").save(session()));
}

TEST_F(CliState, DamagedFilesSayWhatToDo) {
  const State state(root_ / "vestibule");
  ASSERT_TRUE(state.save(session()));
  for (const char* text : {"", "{", "{}", R"({"handle":1,"user":"a","socket":"b","url":"c"})"}) {
    std::ofstream(state.file(), std::ios::trunc) << text;
    const auto r = state.load();
    ASSERT_FALSE(r) << text;
    EXPECT_NE(r.error().detail.find("vestibule login"), std::string::npos);
    EXPECT_EQ(r.error().detail.find("handle"), std::string::npos);
  }
}

TEST_F(CliState, WhereItLies) {
  const auto keep = [](const char* name) -> std::optional<std::string> {
    const char* v = std::getenv(name);
    return v == nullptr ? std::nullopt : std::optional<std::string>(v);
  };
  const std::optional<std::string> old[] = {keep("VESTIBULE_STATE"), keep("XDG_STATE_HOME"), keep("HOME")};
  ::setenv("VESTIBULE_STATE", "/s", 1);
  ::setenv("XDG_STATE_HOME", "/x", 1);
  ::setenv("HOME", "/h", 1);
  EXPECT_EQ(*state_directory(), "/s");
  ::setenv("VESTIBULE_STATE", "relative", 1);
  EXPECT_FALSE(state_directory());
  ::unsetenv("VESTIBULE_STATE");
  EXPECT_EQ(*state_directory(), "/x/vestibule");
  ::unsetenv("XDG_STATE_HOME");
  EXPECT_EQ(*state_directory(), "/h/.local/state/vestibule");
  ::unsetenv("HOME");
  EXPECT_FALSE(state_directory());
  const char* names[] = {"VESTIBULE_STATE", "XDG_STATE_HOME", "HOME"};
  for (int i = 0; i < 3; ++i) {
    if (old[i]) ::setenv(names[i], old[i]->c_str(), 1);
  }
}

TEST_F(CliState, CopiesOfDatabasesArePrivateAndReplaceNothing) {
  const auto from = root_ / "a.db";
  std::ofstream(from) << "data";
  std::ofstream(root_ / "a.db-wal") << "log";
  ASSERT_EQ(::chmod(from.c_str(), 0644), 0);
  const auto to = root_ / "b.db";
  ASSERT_TRUE(copy_database(from, to));
  EXPECT_EQ(mode(to), 0600U);
  EXPECT_EQ(std::filesystem::file_size(root_ / "b.db-wal"), 3U);
  EXPECT_FALSE(copy_database(from, to));
  EXPECT_FALSE(copy_database(root_ / "none", root_ / "c.db"));
  EXPECT_FALSE(copy_database(root_, root_ / "c.db"));
  remove_database(to);
  EXPECT_FALSE(std::filesystem::exists(to));
  EXPECT_FALSE(std::filesystem::exists(root_ / "b.db-wal"));
  EXPECT_FALSE(database_in_use(from));

  std::filesystem::path gone;
  {
    const auto dir = PrivateDirectory::make();
    ASSERT_TRUE(dir);
    gone = dir->path();
    EXPECT_EQ(mode(gone), 0700U);
  }
  EXPECT_FALSE(std::filesystem::exists(gone));
}

}  // namespace
}  // namespace vestibule::app::cli
