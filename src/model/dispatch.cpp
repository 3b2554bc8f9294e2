// Calls any operator that libtorch has registered, by name, through its dispatcher. The operator's
// schema gives the order, the types and the defaults of the arguments, so that the Rust side needs
// no table of operators. Every function that can throw catches and leaves a message behind.

#include <ATen/Context.h>
#include <ATen/MapAllocator.h>
#include <ATen/ScalarOps.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "guarded.h"

using at::Tensor;
using c10::IValue;
using c10::OperatorHandle;

// What a caller gives, in the type that the schema asks for. Programs write a number where a tensor
// is expected (`x * 0.5`), a whole number for a floating point one, one number for a list of them.
static IValue fitted(const IValue& value, const c10::TypePtr& wanted) {
  auto type = wanted;
  if (auto optional = type->cast<c10::OptionalType>()) {
    if (value.isNone()) return value;
    type = optional->getElementType();
  }
  if (type->kind() == c10::TypeKind::TensorType && value.isScalar()) {
    // A wrapped number does not take part in type promotion, as in Python.
    return at::native::wrapped_scalar_tensor(value.toScalar());
  }
  if (type->kind() == c10::TypeKind::FloatType && value.isInt()) {
    return static_cast<double>(value.toInt());
  }
  auto list = type->cast<c10::ListType>();
  if (!list) return value;
  auto kind = list->getElementType()->kind();
  if (kind == c10::TypeKind::IntType && value.isInt()) return std::vector<int64_t>{value.toInt()};
  if (kind == c10::TypeKind::FloatType && value.isIntList()) {
    auto whole = value.toIntVector();
    return std::vector<double>(whole.begin(), whole.end());
  }
  if (kind == c10::TypeKind::TensorType && value.isList() && !value.isTensorList()) {
    std::vector<Tensor> tensors;
    for (const IValue& element : value.toListRef()) tensors.push_back(element.toTensor());
    return tensors;
  }
  if (kind == c10::TypeKind::OptionalType && value.isDoubleList()) {
    // The only lists of optional elements that are no tensors are lists of numbers, `Scalar?[]`.
    c10::List<std::optional<at::Scalar>> numbers;
    for (double number : value.toDoubleVector()) numbers.push_back(at::Scalar(number));
    return numbers;
  }
  return value;
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

// The first argument that the operator writes to, or -1.
int gradcam_operator_writes(OperatorHandle* handle) {
  const auto& arguments = handle->schema().arguments();
  for (size_t i = 0; i < arguments.size(); i++) {
    const auto* alias = arguments[i].alias_info();
    if (alias && alias->isWrite()) return static_cast<int>(i);
  }
  return -1;
}

// The first argument whose storage an output may share without the operator writing to it, or -1.
int gradcam_operator_views(OperatorHandle* handle) {
  const auto& schema = handle->schema();
  for (size_t i = 0; i < schema.arguments().size(); i++) {
    const auto* alias = schema.arguments()[i].alias_info();
    if (!alias || alias->isWrite()) continue;
    for (const auto& output : schema.returns()) {
      if (output.alias_info()) return static_cast<int>(i);
    }
  }
  return -1;
}

IValue* gradcam_value_tensor(Tensor* tensor) { return new IValue(*tensor); }
IValue* gradcam_value_none() { return new IValue(); }
IValue* gradcam_value_int(int64_t value) { return new IValue(value); }
IValue* gradcam_value_float(double value) { return new IValue(value); }
IValue* gradcam_value_bool(int value) { return new IValue(value != 0); }
IValue* gradcam_value_string(const char* text) { return new IValue(std::string(text)); }
IValue* gradcam_value_ints(const int64_t* values, int count) {
  return new IValue(std::vector<int64_t>(values, values + count));
}
IValue* gradcam_value_floats(const double* values, int count) {
  return new IValue(std::vector<double>(values, values + count));
}
// A null pointer stands for no tensor.
IValue* gradcam_value_tensors(Tensor** tensors, int count) {
  c10::List<std::optional<Tensor>> list;
  for (int i = 0; i < count; i++) {
    list.push_back(tensors[i] ? std::optional<Tensor>(*tensors[i]) : std::nullopt);
  }
  return new IValue(std::move(list));
}
void gradcam_value_free(IValue* value) { delete value; }

// Whether a tensor is part of a mapped file.
int gradcam_tensor_is_mapped(Tensor* tensor) {
  return guarded<std::function<int()>>(0, [&]() -> int {
    return at::MapAllocator::fromDataPtr(tensor->storage().data_ptr()) != nullptr;
  });
}

// Lets a tensor's part of a mapped file leave the memory.
void gradcam_tensor_release(Tensor* tensor) {
  guarded<std::function<int()>>(0, [&]() -> int {
    auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    auto start = reinterpret_cast<uintptr_t>(tensor->const_data_ptr());
    auto end = start + tensor->nbytes();
    start = start / page * page;
    // Where the system refuses, the memory stays in use, no more.
    madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
    return 1;
  });
}

// Lets what was freed on the heap leave the memory.
void gradcam_heap_trim() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

// From now on GPUs round no factor of a product of float32 to TF32, and cuDNN adds in the same order
// each time.
int gradcam_gpu_is_exact() {
  return guarded<std::function<int()>>(0, [&]() -> int {
    for (auto operation : {at::Float32Op::ALL, at::Float32Op::CONV, at::Float32Op::MATMUL}) {
      at::globalContext().setFloat32Precision(at::Float32Backend::CUDA, operation,
                                              at::Float32Precision::IEEE);
    }
    at::globalContext().setDeterministicCuDNN(true);
    return 1;
  });
}

// What this thread asks of a GPU runs beside what other threads ask of it.
int gradcam_gpu_stream(int gpu) {
  return guarded<std::function<int()>>(0, [&]() -> int {
    c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
    auto device = c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(gpu));
    guard.exchangeStream(guard.getStreamFromGlobalPool(device));
    return 1;
  });
}

// Calls with one pointer for each argument of the schema; null takes the default. Every tensor of
// the outputs, those in lists too, is handed to `take` as a new tensor. Returns whether it worked.
int gradcam_operator_call(OperatorHandle* handle, IValue** arguments, void* taker,
                          void (*take)(void*, Tensor*)) {
  return guarded<std::function<int()>>(0, [&]() -> int {
    const auto& schema = handle->schema();
    torch::jit::Stack stack;
    for (size_t i = 0; i < schema.arguments().size(); i++) {
      const auto& argument = schema.arguments()[i];
      if (arguments[i]) {
        stack.push_back(fitted(*arguments[i], argument.type()));
      } else if (argument.default_value()) {
        stack.push_back(*argument.default_value());
      } else {
        throw std::runtime_error("argument " + argument.name() + " is missing");
      }
    }
    handle->callBoxed(&stack);
    for (const auto& output : stack) {
      if (output.isTensor()) {
        take(taker, new Tensor(output.toTensor()));
      } else if (output.isTensorList()) {
        for (const Tensor& tensor : output.toTensorVector()) take(taker, new Tensor(tensor));
      } else {
        throw std::runtime_error("an output is neither a tensor nor a list of tensors");
      }
    }
    return 1;
  });
}
}
