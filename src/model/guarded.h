// Exceptions stop here: every function that can throw leaves a message behind and returns what
// stands for failure.

#pragma once

#include <exception>
#include <functional>
#include <string>
#include <utility>

inline thread_local std::string last_error;

// Messages of libtorch end with a trace of C++ frames, which says nothing to a user.
template <typename F>
auto guarded(decltype(std::declval<F>()()) failed, F body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::exception& error) {
    last_error = error.what();
    last_error = last_error.substr(0, last_error.find("\nException raised"));
  } catch (...) {
    last_error = "an exception of unknown type";
  }
  return failed;
}
