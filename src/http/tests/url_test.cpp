#include "http/url.hpp"

#include <gtest/gtest.h>

namespace vestibule::http {
namespace {

TEST(Url, IsTakenApart) {
  struct Row {
    const char* text;
    const char* origin;
    const char* authority;
    const char* target;
  };
  for (const Row& row : {
           Row{"https://push.example.org/a/b?c=d", "https://push.example.org", "push.example.org", "/a/b?c=d"},
           Row{"https://PUSH.Example.org:443", "https://push.example.org", "push.example.org", "/"},
           Row{"https://push.example.org:8443/", "https://push.example.org:8443", "push.example.org:8443", "/"},
           Row{"http://127.0.0.1:80/x", "http://127.0.0.1", "127.0.0.1", "/x"},
           Row{"http://[::1]:9000?q=1", "http://[::1]:9000", "[::1]:9000", "/?q=1"},
           Row{"https://fcm.googleapis.com/fcm/send/dQw4:APA91b_-x", "https://fcm.googleapis.com", "fcm.googleapis.com",
               "/fcm/send/dQw4:APA91b_-x"},
           Row{"https://wns2-par02p.notify.windows.com/w/?token=BQYAAA%3d%3d", "https://wns2-par02p.notify.windows.com",
               "wns2-par02p.notify.windows.com", "/w/?token=BQYAAA%3d%3d"},
       }) {
    SCOPED_TRACE(row.text);
    const Result<Url> url = parse_url(row.text);
    ASSERT_TRUE(url);
    EXPECT_EQ(url->origin(), row.origin);
    EXPECT_EQ(url->authority(), row.authority);
    EXPECT_EQ(url->target, row.target);
  }
}

TEST(Url, WhatReadsTwoWaysIsRefused) {
  for (const char* text : {
           "", "https:", "https://", "HTTPS://a.example/", "ftp://a.example/", "//a.example/", "a.example/",
           "https:///path", "https://user@a.example/", "https://user:secret@a.example/", "https://a.example@b.example/",
           "https://a.example\\@b.example/", "https://a.example#@b.example/", "https://a.example/x#y",
           "https://a.example:0/", "https://a.example:65536/", "https://a.example:/", "https://127.1/",
           "https://0x7f.0.0.1/", "https://2130706433/", "https://[::1", "https://[fe80::1%25eth0]/", "https://a..example/",
           "https://a.example./", "https://a.example/../b", "https://a.example/%2e%2e/b", "https://a.example//b",
           "https://a.example/ b", "https://a.example/\r\nX: y", "https://\xC3\xA4.example/", " https://a.example/",
           "https://a.example /",
       }) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
  EXPECT_FALSE(parse_url("https://a.example/" + std::string(kMaxUrl, 'a')));
}

}  // namespace
}  // namespace vestibule::http
