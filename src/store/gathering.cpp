#include "store/gathering.hpp"

#include <sqlite3.h>

#include <cstring>
#include <new>
#include <utility>

namespace vestibule::store {
namespace {

// Held back of one file. SQLite's own VFS takes less than 128 KiB at a time (os_unix.c, seekAndWriteFd).
constexpr std::size_t kMost = std::size_t{124} << 10U;

struct Held {
  sqlite3_int64 at;
  std::size_t size;
  char bytes[kMost];
};

// SQLite gives out the memory, of szOsFile bytes: the default VFS's own file lies behind this one.
struct File : sqlite3_file {
  Held* held;  // null: writes go on at once
  sqlite3_file* real() noexcept { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

sqlite3_vfs* g_real = nullptr;

File& file_of(sqlite3_file* f) noexcept { return *static_cast<File*>(f); }

// What was held back and cannot be written is gone: SQLite, told so once, gives the transaction up.
int settle(File& f) noexcept {
  if (f.held == nullptr || f.held->size == 0) return SQLITE_OK;
  const auto size = static_cast<int>(std::exchange(f.held->size, 0));
  return f.real()->pMethods->xWrite(f.real(), f.held->bytes, size, f.held->at);
}

int write(sqlite3_file* file, const void* data, int amount, sqlite3_int64 at) noexcept {
  File& f = file_of(file);
  Held* const held = f.held;
  if (held == nullptr) return f.real()->pMethods->xWrite(f.real(), data, amount, at);
  const auto size = static_cast<std::size_t>(amount);
  if (held->at + static_cast<sqlite3_int64>(held->size) != at || held->size + size > kMost) {
    if (const int failed = settle(f); failed != SQLITE_OK) return failed;
  }
  if (size > kMost) return f.real()->pMethods->xWrite(f.real(), data, amount, at);
  if (held->size == 0) held->at = at;
  std::memcpy(held->bytes + held->size, data, size);
  held->size += size;
  return SQLITE_OK;
}

int close(sqlite3_file* file) noexcept {
  File& f = file_of(file);
  const int failed = settle(f);
  const int closed = f.real()->pMethods->xClose(f.real());
  sqlite3_free(f.held);
  f.held = nullptr;
  return failed != SQLITE_OK ? failed : closed;
}

// What looks at the contents: once what was held back is there.
template <auto Method, class... Args>
int then(sqlite3_file* file, Args... args) noexcept {
  File& f = file_of(file);
  if (const int failed = settle(f); failed != SQLITE_OK) return failed;
  return (f.real()->pMethods->*Method)(f.real(), args...);
}
// What does not. An error of the writing would be lost here besides: SQLite does not look at what most of these return.
template <auto Method, class... Args>
auto pass(sqlite3_file* file, Args... args) noexcept {
  File& f = file_of(file);
  return (f.real()->pMethods->*Method)(f.real(), args...);
}

using M = sqlite3_io_methods;
// Of as many as the default one's has: SQLite looks at the version before it calls what came later.
template <int Version>
constexpr M kMethods{
    .iVersion = Version,
    .xClose = close,
    .xRead = then<&M::xRead, void*, int, sqlite3_int64>,
    .xWrite = write,
    .xTruncate = then<&M::xTruncate, sqlite3_int64>,
    .xSync = then<&M::xSync, int>,
    .xFileSize = then<&M::xFileSize, sqlite3_int64*>,
    .xLock = pass<&M::xLock, int>,
    .xUnlock = pass<&M::xUnlock, int>,
    .xCheckReservedLock = pass<&M::xCheckReservedLock, int*>,
    .xFileControl = pass<&M::xFileControl, int, void*>,
    .xSectorSize = pass<&M::xSectorSize>,
    .xDeviceCharacteristics = pass<&M::xDeviceCharacteristics>,
    .xShmMap = pass<&M::xShmMap, int, int, int, void volatile**>,
    .xShmLock = pass<&M::xShmLock, int, int, int>,
    .xShmBarrier = pass<&M::xShmBarrier>,
    .xShmUnmap = pass<&M::xShmUnmap, int>,
    .xFetch = then<&M::xFetch, sqlite3_int64, int, void**>,
    .xUnfetch = pass<&M::xUnfetch, sqlite3_int64, void*>,
};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) noexcept {
  File& f = *new (file) File{};
  const int opened = g_real->xOpen(g_real, name, f.real(), flags, out_flags);
  if (f.real()->pMethods == nullptr) return opened;  // there is nothing to close
  const int version = f.real()->pMethods->iVersion;
  f.pMethods = version >= 3 ? &kMethods<3> : version == 2 ? &kMethods<2> : &kMethods<1>;
  // Where a commit is filled up to the end of a sector, SQLite writes on behind its sync: nothing may be held back then.
  const bool whole = (f.real()->pMethods->xDeviceCharacteristics(f.real()) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) != 0;
  const bool gathers = opened == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0 && whole;
  if (gathers) f.held = static_cast<Held*>(sqlite3_malloc64(sizeof(Held)));  // without memory writes go on as they come
  if (f.held != nullptr) f.held->at = f.held->size = 0;
  return opened;
}

}  // namespace

const char* gathering_vfs() {
  static constexpr const char* kName = "gathering";
  static sqlite3_vfs vfs = [] {
    g_real = sqlite3_vfs_find(nullptr);
    sqlite3_vfs v = *g_real;  // all but opening is its own affair
    v.zName = kName;
    v.szOsFile = static_cast<int>(sizeof(File)) + g_real->szOsFile;
    v.xOpen = open;
    v.pNext = nullptr;
    return v;
  }();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  return registered == SQLITE_OK ? kName : nullptr;  // null is the default one
}

}  // namespace vestibule::store
