// Calls any operator that libtorch has registered, by name, through its dispatcher. The operator's
// schema gives the order, the types and the defaults of the arguments, so that the Rust side needs
// no table of operators. Every function that can throw catches and leaves a message behind.

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <string>

using at::Tensor;
using c10::IValue;
using c10::OperatorHandle;

static thread_local std::string last_error;

// Messages of libtorch end with a trace of C++ frames, which says nothing to a user.
template <typename F>
static auto guarded(decltype(std::declval<F>()()) failed, F body) -> decltype(body()) {
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

extern "C" {

const char* gradcam_error() { return last_error.c_str(); }

OperatorHandle* gradcam_operator_find(const char* name, const char* overload) {
  return guarded<std::function<OperatorHandle*()>>(nullptr, [&]() -> OperatorHandle* {
    auto found = c10::Dispatcher::singleton().findSchema({name, overload});
    if (!found) throw std::runtime_error("libtorch has no such operator");
    return new OperatorHandle(*found);
  });
}

void gradcam_operator_free(OperatorHandle* handle) { delete handle; }

int gradcam_operator_arguments(OperatorHandle* handle) {
  return static_cast<int>(handle->schema().arguments().size());
}

const char* gradcam_operator_argument(OperatorHandle* handle, int index) {
  return handle->schema().arguments()[index].name().c_str();
}

IValue* gradcam_value_tensor(Tensor* tensor) { return new IValue(*tensor); }
IValue* gradcam_value_none() { return new IValue(); }
IValue* gradcam_value_int(int64_t value) { return new IValue(value); }
IValue* gradcam_value_float(double value) { return new IValue(value); }
IValue* gradcam_value_bool(int value) { return new IValue(value != 0); }
IValue* gradcam_value_ints(const int64_t* values, int count) {
  return new IValue(std::vector<int64_t>(values, values + count));
}
void gradcam_value_free(IValue* value) { delete value; }

// One pointer for each argument of the schema; null takes the default. Returns a new tensor for
// the only output, or null.
Tensor* gradcam_operator_call(OperatorHandle* handle, IValue** arguments) {
  return guarded<std::function<Tensor*()>>(nullptr, [&]() -> Tensor* {
    const auto& schema = handle->schema();
    torch::jit::Stack stack;
    for (size_t i = 0; i < schema.arguments().size(); i++) {
      const auto& argument = schema.arguments()[i];
      if (arguments[i]) {
        stack.push_back(*arguments[i]);
      } else if (argument.default_value()) {
        stack.push_back(*argument.default_value());
      } else {
        throw std::runtime_error("argument " + argument.name() + " is missing");
      }
    }
    handle->callBoxed(&stack);
    if (stack.size() != 1 || !stack[0].isTensor()) throw std::runtime_error("the output is not one tensor");
    return new Tensor(stack[0].toTensor());
  });
}
}
