#pragma once
// A VFS of SQLite that gathers what is written to the write-ahead log. Private to the room.
//
// SQLite gives the log page by page, and each page in two pieces; every piece is a system call. Here what goes to one place after the
// other is held back and handed on as one, at the latest before the contents are asked for or synced. With synchronous=FULL SQLite
// tells others of a commit only behind xSync() (walFrames in wal.c), so nobody looks for bytes that are held back. Not so the database
// itself: a checkpoint that a reader cuts short publishes what it has copied without a sync. Its writes go on as they come.
// (sqlite.org/c3ref/io_methods.html, sqlite.org/vfs.html)

namespace vestibule::store {

/// The name to open a database with; registered with the first call. Thread-safe. For connections that write, with
/// synchronous=FULL. Errors of a write come with a later call, at the latest with the sync.
[[nodiscard]] const char* gathering_vfs();

}  // namespace vestibule::store
