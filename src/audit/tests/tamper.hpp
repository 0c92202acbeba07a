#pragma once
// What somebody with write access to the tables of a log might do. The same cases run over the pure scan
// and over a SQLite file.

#include <functional>
#include <string_view>
#include <vector>

#include "audit/tests/small_log.hpp"

namespace vestibule::audit::testing {

struct Tampering {
  std::string_view name;
  std::function<void(Tables&)> act;
  std::string_view found;  ///< words that one of the problems holds
};

inline std::vector<Tampering> tamperings() {
  std::vector<Tampering> t = {
      // --- a record's bytes
      {"leaf: a valid other model", [](Tables& l) { edit_leaf(l, 1, 2, rename_model); },
       "root of size 8"},
      {"leaf: last record, valid other model", [](Tables& l) { edit_leaf(l, 5, 3, rename_model); },
       "root of size 24"},
      {"leaf: version byte", [](Tables& l) { edit_leaf(l, 0, 0, [](Bytes& b) { b[0] = 2; }); },
       "record 0 is damaged"},
      {"leaf: seq", [](Tables& l) { edit_leaf(l, 0, 1, [](Bytes& b) { b[8] = 9; }); },
       "record 1 bears the number 9"},
      {"leaf: a field's length", [](Tables& l) { edit_leaf(l, 2, 0, [](Bytes& b) { b[10] = 2; }); },
       "record 8 is damaged"},
      {"leaf: a byte more", [](Tables& l) { edit_leaf(l, 2, 0, [](Bytes& b) { b.push_back(0); }); },
       "record 8 is damaged"},
      {"leaf: emptied", [](Tables& l) { edit_leaf(l, 2, 0, [](Bytes& b) { b.clear(); }); },
       "record 8 is damaged"},
      {"leaf: the commitment",
       [](Tables& l) { edit_leaf(l, 3, 0, [](Bytes& b) { b.back() ^= 1U; }); },
       "private part of record 12 was changed"},
      {"leaf and everything hashed from it",
       [](Tables& l) {
         edit_leaf(l, 1, 2, rename_model);
         rebuild(l, nullptr);
       },
       "root of size 8"},
      {"leaf frame: a length", [](Tables& l) { l.segments[1].leaves[3] ^= 1U; },
       "the segment of record 4"},
      {"leaf frame: a huge length", [](Tables& l) { l.segments[1].leaves[0] = 0xFF; },
       "holds 0 records"},
      // --- private parts and salts
      {"private: one letter",
       [](Tables& l) { edit_piece(l, 0, 1, [](Bytes& b) { b.back() ^= 1U; }); },
       "private part of record 1 was changed"},
      {"private: salt", [](Tables& l) { edit_piece(l, 0, 1, [](Bytes& b) { b[5] ^= 1U; }); },
       "private part of record 1 was changed"},
      {"private: cut", [](Tables& l) { edit_piece(l, 0, 1, [](Bytes& b) { b.pop_back(); }); },
       "private part of record 1 was changed"},
      {"private: nothing but salt",
       [](Tables& l) { edit_piece(l, 0, 1, [](Bytes& b) { b.resize(16); }); },
       "private part of record 1 is damaged"},
      {"private: one byte that is not the erased mark",
       [](Tables& l) { edit_piece(l, 0, 1, [](Bytes& b) { b = {0x46}; }); },
       "private part of record 1 is damaged"},
      {"private: gone without a mark",
       [](Tables& l) { edit_piece(l, 0, 1, [](Bytes& b) { b.clear(); }); },
       "private part of record 1 is missing"},
      {"private: two people swapped",
       [](Tables& l) {
         auto all = pieces(l.segments[0].fields);
         std::swap(all[0], all[1]);
         l.segments[0].fields = joined(all);
       },
       "private part of record 0 was changed"},
      {"private: a piece fewer",
       [](Tables& l) {
         auto all = pieces(l.segments[0].fields);
         all.pop_back();
         l.segments[0].fields = joined(all);
       },
       "private part"},
      {"private: a piece more", [](Tables& l) { append_piece(l.segments[0].fields, Bytes{1}); },
       "do not fit its records"},
      {"private: emptied", [](Tables& l) { l.segments[3].fields.clear(); },
       "private parts of the segment of record 12"},
      {"private: a frame's length", [](Tables& l) { l.segments[3].fields[3] ^= 1U; },
       "private part"},
      // --- rows
      {"row: the first missing", [](Tables& l) { l.segments.erase(l.segments.begin()); },
       "records 0 to 3 are missing"},
      {"row: a middle one missing", [](Tables& l) { l.segments.erase(l.segments.begin() + 2); },
       "records 8 to 11 are missing"},
      {"row: the last missing", [](Tables& l) { l.segments.pop_back(); }, "the newest are missing"},
      {"row: all missing", [](Tables& l) { l.segments.clear(); }, "the newest are missing"},
      {"row: a middle one missing, the rest renumbered and hashed anew",
       [](Tables& l) {
         l.segments.erase(l.segments.begin() + 2);
         renumber(l);
         rebuild(l, nullptr);
       },
       "root of size 16"},
      {"row: the last missing, tree row set back",
       [](Tables& l) {
         l.segments.pop_back();
         rebuild(l, nullptr);
       },
       "a checkpoint of size 24 was signed"},
      {"row: the last missing with its checkpoint, the shipped one remains",
       [](Tables& l) {
         l.segments.pop_back();
         l.checkpoints.pop_back();
         rebuild(l, nullptr);
       },
       "a checkpoint of size 24 was signed"},
      {"row: everything gone but the shipped file",
       [](Tables& l) {
         l.segments.clear();
         l.checkpoints.clear();
         l.has_tree = false;
       },
       "a checkpoint of size 8 was signed"},
      {"row: two swapped",
       [](Tables& l) {
         std::swap(l.segments[1].leaves, l.segments[2].leaves);
         std::swap(l.segments[1].fields, l.segments[2].fields);
       },
       "record 4 bears the number 8"},
      {"row: two swapped and renumbered",
       [](Tables& l) {
         std::swap(l.segments[1], l.segments[2]);
         renumber(l);
       },
       "root of size 8"},
      {"row: two records swapped within",
       [](Tables& l) {
         auto all = pieces(l.segments[1].leaves);
         std::swap(all[0], all[1]);
         l.segments[1].leaves = joined(all);
       },
       "record 4 bears the number 5"},
      {"row: one there twice",
       [](Tables& l) {
         auto copy = l.segments[5];
         copy.first = 24;
         l.segments.push_back(copy);
       },
       "record 24 bears the number 20"},
      {"row: one there twice, renumbered, hashed anew",
       [](Tables& l) {
         l.segments.insert(l.segments.begin() + 1, l.segments[0]);
         renumber(l);
         rebuild(l, nullptr);
       },
       "root of size 8"},
      {"row: first_seq shifted", [](Tables& l) { l.segments[5].first = 21; },
       "record 20 is missing"},
      {"row: overlapping", [](Tables& l) { l.segments[5].first = 19; },
       "there twice, or out of order"},
      {"row: count", [](Tables& l) { l.segments[5].records = 5; }, "holds 4 records, not 5"},
      {"row: a record put in at the end without a checkpoint",
       [](Tables& l) {
         auto copy = l.segments[5];
         copy.first = 24;
         l.segments.push_back(copy);
         renumber(l);
       },
       "the tree's row says 24 records"},
      // --- tree
      {"tree: size", [](Tables& l) { l.size = 25; }, "the newest are missing"},
      {"tree: smaller size", [](Tables& l) { l.size = 23; }, "the tree's row says 23"},
      {"tree: frontier", [](Tables& l) { l.frontier[40] ^= 1U; }, "other hashes"},
      {"tree: frontier cut", [](Tables& l) { l.frontier.pop_back(); }, "other hashes"},
      {"tree: missing", [](Tables& l) { l.has_tree = false; }, "tree's row is missing"},
      // --- checkpoints
      {"checkpoint: size in the text", [](Tables& l) { l.checkpoints[1].note[22] ^= 1; },
       "stored checkpoint of size 16"},
      {"checkpoint: row's size", [](Tables& l) { l.checkpoints[1].size = 15; }, "says size 16"},
      {"checkpoint: signature",
       [](Tables& l) { l.checkpoints[1].note[l.checkpoints[1].note.size() - 12] ^= 1; },
       "stored checkpoint of size 16"},
      {"checkpoint: cut", [](Tables& l) { l.checkpoints[1].note.pop_back(); },
       "stored checkpoint of size 16 is damaged"},
      {"checkpoint: emptied", [](Tables& l) { l.checkpoints[1].note.clear(); },
       "stored checkpoint of size 16 is damaged"},
      {"checkpoint: taken from the store",
       [](Tables& l) { l.checkpoints.erase(l.checkpoints.begin() + 1); },
       "was shipped, but is not stored"},
      {"checkpoint: signed by a stranger",
       [](Tables& l) {
         const auto key = signing_key(8);
         rebuild(l, &key);
       },
       "not signed by this log's key"},
      {"shipped: signed by a stranger",
       [](Tables& l) {
         l.shipped += sign_checkpoint("vestibule.local/audit", 24, Digest{}, signing_key(8));
       },
       "shipped checkpoint of size 24 is not signed"},
      {"shipped: of another log of the same key",
       [](Tables& l) {
         l.shipped += sign_checkpoint("vestibule.local/audit", 12, Digest{}, signing_key());
       },
       "root of size 12"},
      {"shipped: damaged", [](Tables& l) { l.shipped[30] ^= 1; }, "shipped checkpoint"},
      {"shipped: cut", [](Tables& l) { l.shipped.resize(l.shipped.size() - 10); },
       "shipped checkpoint is damaged"},
      {"history written anew with the key itself, after shipping",
       [](Tables& l) {
         edit_leaf(l, 1, 2, rename_model);
         const auto key = signing_key();
         rebuild(l, &key);
       },
       "shipped"},
      {"history cut and written on with the key itself, after shipping",
       [](Tables& l) {
         l.segments.erase(l.segments.begin() + 3);
         renumber(l);
         const auto key = signing_key();
         rebuild(l, &key);
       },
       "shipped"},
  };
  return t;
}

}  // namespace vestibule::audit::testing
