#include "crypto/master_key.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "crypto/protect.hpp"

namespace vestibule::crypto {
namespace {

namespace fs = std::filesystem;

const std::string kKeyA = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const std::string kKeyB = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";
const std::string kLine = "v1 1 " + kKeyA + "\n";

template <class T>
Reason code(const Result<T>& r) {
  return r ? Reason::ok : r.error().code;
}

TEST(MasterKeyText, Accepts) {
  for (const std::string& text : {kLine, "v1 1 " + kKeyA, kLine + "v1 2 " + kKeyB + "\n",
                                  "v1 4294967295 " + kKeyB}) {
    const auto keys = parse_master_keys(text);
    ASSERT_TRUE(keys) << keys.error().detail;
    const Secret back = format_master_keys(*keys);
    EXPECT_EQ(back.reveal_text(), text.ends_with('\n') ? text : text + "\n");
  }
  const auto keys = parse_master_keys(kLine + "v1 9 " + kKeyB);
  EXPECT_EQ(keys->back().id, 9U);
  EXPECT_EQ(base64(keys->front().key.reveal()), kKeyA);
}

TEST(MasterKeyText, Refuses) {
  std::string many;
  SystemRng rng;
  for (int i = 1; i <= 65; ++i)
    many += "v1 " + std::to_string(i) + " " + base64(rng.take<32>()) + "\n";
  const std::string zero(43, 'A');
  const std::pair<const char*, std::string> rows[] = {
      {"empty", ""},
      {"empty line", "\n"},
      {"leading empty line", "\n" + kLine},
      {"trailing empty line", kLine + "\n"},
      {"CRLF", "v1 1 " + kKeyA + "\r\n"},
      {"other version", "v2 1 " + kKeyA},
      {"id zero", "v1 0 " + kKeyA},
      {"id with zero in front", "v1 01 " + kKeyA},
      {"id with sign", "v1 +1 " + kKeyA},
      {"id negative", "v1 -1 " + kKeyA},
      {"id too large", "v1 4294967296 " + kKeyA},
      {"id missing", "v1 " + kKeyA},
      {"id empty", "v1  " + kKeyA},
      {"two spaces", "v1 1  " + kKeyA},
      {"tab", "v1\t1 " + kKeyA},
      {"trailing space", "v1 1 " + kKeyA + " "},
      {"short key", "v1 1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="},
      {"long key", "v1 1 " + kKeyA.substr(0, 43) + "AAAA="},
      {"no padding", "v1 1 " + kKeyA.substr(0, 43)},
      {"left-over bits", "v1 1 " + kKeyA.substr(0, 42) + "9="},
      {"all zero", "v1 1 " + zero + "="},
      {"same id twice", kLine + "v1 1 " + kKeyB},
      {"ids descend", "v1 2 " + kKeyA + "\nv1 1 " + kKeyB},
      {"same key twice", kLine + "v1 2 " + kKeyA},
      {"comment", "# key\n" + kLine},
      {"NUL", kLine + std::string(1, '\0')},
      {"too many", many},
      {"too large", std::string(kMaxMasterKeyText + 1, 'v')},
  };
  for (const auto& [name, text] : rows) {
    const auto keys = parse_master_keys(text);
    EXPECT_EQ(code(keys), Reason::config_invalid) << name;
    if (!keys) {
      EXPECT_EQ(keys.error().detail.find(kKeyA.substr(0, 8)), std::string::npos) << name;
    }
  }
}

class MasterKeyFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "vestibule-key-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir = pattern;
    path = dir + "/key";
    unsetenv(kMasterKeyVariable);
    unsetenv("CREDENTIALS_DIRECTORY");
  }
  void TearDown() override {
    unsetenv(kMasterKeyVariable);
    unsetenv("CREDENTIALS_DIRECTORY");
    fs::remove_all(dir);
  }
  void put(const std::string& where, const std::string& text, mode_t mode = 0600) {
    std::ofstream(where) << text;
    ASSERT_EQ(chmod(where.c_str(), mode), 0);
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir), {}));
  }
  std::string dir, path;
  SystemRng rng;
};

TEST_F(MasterKeyFile, CreatedPrivateCompleteAndNeverOverwritten) {
  const mode_t old = umask(0777);
  const auto made = create_master_key_file(path, rng);
  umask(old);
  ASSERT_TRUE(made) << made.error().detail;
  struct stat st {};
  ASSERT_EQ(stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600U);
  EXPECT_EQ(st.st_nlink, 1U);
  EXPECT_EQ(entries(), 1U);
  const auto loaded = load_master_key_file(path);
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->front().key.equals(made->front().key.reveal()));
  EXPECT_EQ(code(create_master_key_file(path, rng)), Reason::conflict);
  EXPECT_EQ(entries(), 1U);
  EXPECT_TRUE(load_master_key_file(path)->front().key.equals(made->front().key.reveal()));
}

TEST_F(MasterKeyFile, AddedVersionsKeepTheOldOnes) {
  EXPECT_EQ(code(add_master_key_version(path, rng)), Reason::not_found);
  const auto made = create_master_key_file(path, rng);
  const auto added = add_master_key_version(path, rng);
  ASSERT_TRUE(added);
  ASSERT_EQ(added->size(), 2U);
  EXPECT_EQ(added->back().id, 2U);
  const auto loaded = load_master_key_file(path);
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->size(), 2U);
  EXPECT_TRUE(loaded->front().key.equals(made->front().key.reveal()));
  EXPECT_TRUE(loaded->back().key.equals(added->back().key.reveal()));
  EXPECT_EQ(entries(), 1U);
  put(path, "v1 4294967295 " + kKeyA);
  EXPECT_EQ(code(add_master_key_version(path, rng)), Reason::conflict);
}

TEST_F(MasterKeyFile, RemovedVersionsAreGoneAndTheActiveOneStays) {
  ASSERT_TRUE(create_master_key_file(path, rng));
  EXPECT_EQ(code(remove_master_key_version(path, 1, rng)), Reason::conflict) << "the only one";
  ASSERT_TRUE(add_master_key_version(path, rng));
  ASSERT_TRUE(add_master_key_version(path, rng));
  const auto before = load_master_key_file(path);
  ASSERT_TRUE(before);
  EXPECT_EQ(code(remove_master_key_version(path, 3, rng)), Reason::conflict);
  EXPECT_EQ(code(remove_master_key_version(path, 9, rng)), Reason::not_found);
  const auto left = remove_master_key_version(path, 1, rng);
  ASSERT_TRUE(left);
  ASSERT_EQ(left->size(), 2U);
  EXPECT_EQ(code(remove_master_key_version(path, 1, rng)), Reason::not_found);
  const auto after = load_master_key_file(path);
  ASSERT_TRUE(after);
  ASSERT_EQ(after->size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*after)[i].id, (*before)[i + 1].id);
    EXPECT_TRUE((*after)[i].key.equals((*before)[i + 1].key.reveal()));
  }
  const auto fresh = add_master_key_version(path, rng);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->back().id, 4U) << "an id never comes back";
}

TEST_F(MasterKeyFile, RefusesOpenPermissions) {
  put(path, kLine);
  EXPECT_TRUE(load_master_key_file(path));
  for (const mode_t mode : {0644, 0640, 0604, 0660, 0620, 0602, 0610, 0601, 0777}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_EQ(code(load_master_key_file(path)), Reason::config_invalid) << std::oct << mode;
    EXPECT_EQ(code(add_master_key_version(path, rng)), Reason::config_invalid);
  }
  ASSERT_EQ(chmod(path.c_str(), 0400), 0);
  EXPECT_TRUE(load_master_key_file(path));
}

TEST_F(MasterKeyFile, RefusesWhatIsNoPlainFile) {
  put(path, kLine);
  const std::string other = dir + "/other";
  ASSERT_EQ(symlink(path.c_str(), other.c_str()), 0);
  EXPECT_EQ(code(load_master_key_file(other)), Reason::config_invalid);
  EXPECT_EQ(code(create_master_key_file(other, rng)), Reason::conflict);
  fs::remove(other);
  ASSERT_EQ(mkfifo(other.c_str(), 0600), 0);
  EXPECT_EQ(code(load_master_key_file(other)), Reason::config_invalid);
  fs::remove(other);
  ASSERT_EQ(mkdir(other.c_str(), 0700), 0);
  EXPECT_EQ(code(load_master_key_file(other)), Reason::config_invalid);
  EXPECT_EQ(code(load_master_key_file(dir + "/none")), Reason::not_found);
}

TEST_F(MasterKeyFile, RefusesAnotherOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  put(path, kLine);
  ASSERT_EQ(chown(path.c_str(), 12345, 12345), 0);
  EXPECT_EQ(code(load_master_key_file(path)), Reason::config_invalid);
}

TEST_F(MasterKeyFile, RefusesWrongSizes) {
  for (const std::string& text : {std::string(), kLine.substr(0, 20), std::string(100000, 'a'),
                                  kLine + std::string(kMaxMasterKeyText, '\n')}) {
    put(path, text);
    EXPECT_EQ(code(load_master_key_file(path)), Reason::config_invalid) << text.size();
  }
}

TEST_F(MasterKeyFile, CredentialMayBeGroupReadable) {
  EXPECT_FALSE(load_master_key_credential()->has_value());
  setenv("CREDENTIALS_DIRECTORY", dir.c_str(), 1);
  EXPECT_FALSE(load_master_key_credential()->has_value());
  const std::string where = dir + "/" + kMasterKeyCredential;
  put(where, kLine, 0440);
  const auto keys = load_master_key_credential();
  ASSERT_TRUE(keys);
  ASSERT_TRUE(keys->has_value());
  EXPECT_EQ((*keys)->front().id, 1U);
  ASSERT_EQ(chmod(where.c_str(), 0444), 0);
  EXPECT_EQ(code(load_master_key_credential()), Reason::config_invalid);
}

TEST_F(MasterKeyFile, VariableIsOverwrittenWhereItStands) {
  EXPECT_FALSE(take_master_key_variable()->has_value());
  for (const bool valid : {true, false}) {
    const std::string value = valid ? kLine : "not a key but secret all the same";
    std::string entry = std::string(kMasterKeyVariable) + "=" + value;
    const std::size_t at = entry.size() - value.size();
    ASSERT_EQ(putenv(entry.data()), 0);  // the environment now points into our memory
    const auto keys = take_master_key_variable();
    EXPECT_EQ(code(keys), valid ? Reason::ok : Reason::config_invalid);
    EXPECT_EQ(entry.substr(at), std::string(value.size(), '\0'));
    EXPECT_EQ(getenv(kMasterKeyVariable), nullptr);
  }
}

// The environment block as the kernel shows it, in a process of its own.
TEST(MasterKeyChild, DISABLED_TakesItsVariable) {
  const auto keys = take_master_key_variable();
  if (!keys || !keys->has_value() || base64((*keys)->front().key.reveal()) != kKeyA) _exit(1);
  std::ifstream in("/proc/self/environ", std::ios::binary);
  const std::string block((std::istreambuf_iterator<char>(in)), {});
  if (block.find("OTHER=stays") == std::string::npos) _exit(2);
  if (block.find(kKeyA.substr(0, 8)) != std::string::npos) _exit(3);
  _exit(0);
}

TEST_F(MasterKeyFile, VariableLeavesTheKernelsView) {
  std::string variable = std::string(kMasterKeyVariable) + "=" + kLine;
  for (const bool twice : {false, true}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      std::string self = "crypto_test", filter = "--gtest_filter=MasterKeyChild.*";
      std::string also = "--gtest_also_run_disabled_tests", other = "OTHER=stays";
      char* argv[] = {self.data(), filter.data(), also.data(), nullptr};
      char* once[] = {variable.data(), other.data(), nullptr};
      char* both[] = {variable.data(), other.data(), variable.data(), nullptr};
      execve("/proc/self/exe", argv, twice ? both : once);
      _exit(99);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), twice ? 1 : 0);  // set twice is refused
  }
}

TEST_F(MasterKeyFile, OneSourceOnly) {
  EXPECT_EQ(code(load_master_keys(path)), Reason::not_found);
  EXPECT_EQ(code(load_master_keys("")), Reason::not_found);
  put(path, kLine);
  EXPECT_TRUE(load_master_keys(path));
  setenv(kMasterKeyVariable, ("v1 5 " + kKeyB).c_str(), 1);
  EXPECT_EQ(code(load_master_keys(path)), Reason::config_invalid);
  EXPECT_EQ(getenv(kMasterKeyVariable), nullptr);
  setenv(kMasterKeyVariable, ("v1 5 " + kKeyB).c_str(), 1);
  const auto variable = load_master_keys(dir + "/none");
  ASSERT_TRUE(variable);
  EXPECT_EQ(variable->front().id, 5U);
  setenv("CREDENTIALS_DIRECTORY", dir.c_str(), 1);
  put(dir + "/" + kMasterKeyCredential, "v1 6 " + kKeyB, 0400);
  EXPECT_EQ(load_master_keys("")->front().id, 6U);
  EXPECT_EQ(code(load_master_keys(path)), Reason::config_invalid);
  put(path, kLine, 0644);  // a bad source is not passed over in favour of a good one
  EXPECT_EQ(code(load_master_keys(path)), Reason::config_invalid);
}

TEST(Protect, HardensForGood) {
  const pid_t child = fork();  // a process of its own: hardening cannot be taken back
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!harden_process() || !harden_process()) _exit(1);
    rlimit core{};
    getrlimit(RLIMIT_CORE, &core);
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) _exit(2);
    if (core.rlim_cur != 0 || core.rlim_max != 0) _exit(3);
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) _exit(4);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace vestibule::crypto
