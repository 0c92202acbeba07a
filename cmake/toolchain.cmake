# Compiler, warnings, hardening, sanitizers: one place for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)

option(VESTIBULE_FUZZ "Build the libFuzzer targets (needs clang)" OFF)
set(VESTIBULE_SANITIZE "" CACHE STRING "Comma-separated list for -fsanitize=")
option(VESTIBULE_COUNT "Count what runs, into profile/ of the build directory (scripts/profile)" OFF)

find_program(VESTIBULE_CCACHE ccache)
if(VESTIBULE_CCACHE)
  # A precompiled header holds the whole paths of what it has read: what ccache keeps is good for its own
  # directory alone (its default), or a unit would see the headers of another clone.
  # By the contents of what was read (depend mode), not by what the preprocessor made of it: a header that
  # differs in a comment alone is another file to `#pragma once`, and a precompiled one of before does not fit.
  # clang's memory in large pages, where the kernel gives them to those who ask: an eighth of its time.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_DEPEND=1 CCACHE_SLOPPINESS=pch_defines,time_macros
      GLIBC_TUNABLES=glibc.malloc.hugetlb=1 ${VESTIBULE_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${VESTIBULE_CCACHE})
endif()
find_program(VESTIBULE_MOLD mold)
if(VESTIBULE_MOLD AND NOT VESTIBULE_FUZZ)
  add_link_options(-fuse-ld=mold)
endif()

# Debug information is kept small (-g1: line tables): a stack trace has lines, a link stays quick.
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -gdwarf-4 -g1")  # DWARF 4: what the valgrind of Debian 12 reads
add_compile_options(-Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Wold-style-cast
                    -Wno-psabi -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Nothing here is loaded as a shared library: a function of a unit may be inlined within it.
  add_compile_options(-fno-semantic-interposition)
  # g++ 12 reports these wrongly inside libstdc++ and coroutine frames at -O2.
  add_compile_options(-fcoroutines -fpch-preprocess -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow
                      -Wno-array-bounds -Wno-stringop-overread -Wno-mismatched-new-delete)
  # It takes what is not in a unit's first file for a header's; here several files are one unit (CMAKE_UNITY_BUILD).
  add_compile_options(-Wno-subobject-linkage)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wno-deprecated-declarations)  # std::stable_sort of libstdc++ 12
  # Whether a precompiled header is out of date ninja knows; ccache keeps only what has no time in it.
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()
if(VESTIBULE_SANITIZE)
  add_compile_options(-fsanitize=${VESTIBULE_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${VESTIBULE_SANITIZE})
  if(VESTIBULE_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # Asio's fences, which the sanitizer does not model
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND NOT VESTIBULE_FUZZ)
  add_compile_options(-D_FORTIFY_SOURCE=2)
  add_link_options(-pie -Wl,-z,relro,-z,now)
endif()
if(VESTIBULE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT VESTIBULE_FUZZ)
  # What ships is laid out by what a load was seen to run. A function that has changed since is compiled as if
  # it had not been counted; scripts/profile counts anew. Those that a file keeps to itself go by the file's name alone.
  add_compile_options("SHELL:-mllvm -static-func-strip-dirname-prefix=99")
  if(VESTIBULE_COUNT)
    add_compile_options(-fprofile-generate=${CMAKE_BINARY_DIR}/profile -fprofile-update=atomic)
    add_link_options(-fprofile-generate=${CMAKE_BINARY_DIR}/profile)
  else()
    # No depfile names the counts: new ones make another command line, and with it all objects anew.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/release.profdata)
    file(SHA256 ${CMAKE_SOURCE_DIR}/cmake/release.profdata vestibule_counts)
    string(SUBSTRING ${vestibule_counts} 0 16 vestibule_counts)
    add_compile_definitions(VESTIBULE_COUNTS=0x${vestibule_counts})
    add_compile_options(-fprofile-use=${CMAKE_SOURCE_DIR}/cmake/release.profdata -Wno-profile-instr-out-of-date -Wno-profile-instr-unprofiled
                        -Wno-backend-plugin)
  endif()
endif()
# Asio is compiled once (net/asio_impl.cpp), not in every unit; all units must see it alike.
add_compile_definitions(BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE
                        # frames of coroutines that a thread keeps for reuse: a relay's stack of them
                        BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=24)
find_package(Threads REQUIRED)
