// Turns a TorchScript archive into a flat list of operator calls, written as the JSON that
// torch.export writes, so that one reader serves both. The program is inlined and run once, node by
// node, on an empty image of the wanted size: branches, loops, lists and sizes are followed as they
// come out there, and each call of an operator on tensors is noted. What is left are the calls. A
// program whose branches or sizes depend on the numbers of the image has no such list, and is
// refused.

#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/script.h>

#include <cmath>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>

#include "guarded.h"

using at::Tensor;
using c10::IValue;
using namespace torch::jit;

namespace {

struct Script {
  Module module;
  std::string text;
};

using Take = void (*)(void*, const char*, Tensor*);
using Allowed = int (*)(void*, const char*);

// More operations than any network runs for one image.
constexpr int64_t kMostSteps = 2'000'000;

std::string json_text(const std::string& text) {
  std::ostringstream out;
  out << '"';
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out << '\\' << c;
    } else if (c < 0x20) {
      char escaped[8];
      snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out << escaped;
    } else {
      out << c;
    }
  }
  return out.str() + '"';
}

std::string number(double value) {
  if (std::isinf(value)) return value > 0 ? "\"inf\"" : "\"-inf\"";
  if (std::isnan(value)) return "\"NaN\"";
  char text[40];
  snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string first_line(const std::string& text) {
  size_t start = text.find_first_not_of(" \n\t");
  if (start == std::string::npos) return text;
  return text.substr(start, text.find('\n', start) - start);
}

bool is_tensor(const c10::TypePtr& type) {
  auto inner = type;
  while (true) {
    if (auto optional = inner->cast<c10::OptionalType>()) inner = optional->getElementType();
    else if (auto list = inner->cast<c10::ListType>()) inner = list->getElementType();
    else return inner->kind() == c10::TypeKind::TensorType;
  }
}

// `key,name,class;…` of the modules around a node, outermost first.
std::string modules(Node* node) {
  std::string stack, path;
  auto call = node->callstack();
  while (call) {
    auto instance = (*call)->module_instance();
    std::string part = instance ? instance->instance_name() : "";
    if (!part.empty() && part != "SELF" && part != "INSTANCE_NAME_UNKNOWN") {
      path += (path.empty() ? "" : ".") + part;
      std::string type = instance->class_type() && instance->class_type()->name() ? instance->class_type()->name()->name() : "";
      stack += (stack.empty() ? "" : ";") + path + "," + path + "," + type;
    }
    call = (*call)->callee();
  }
  return stack;
}

// " in layer4.1.conv2"
std::string where(Node* node) {
  std::string stack = modules(node);
  if (stack.empty()) return "";
  std::string innermost = stack.substr(stack.rfind(';') + 1);
  return " in " + innermost.substr(0, innermost.find(','));
}

// Runs a program and notes its calls.
class Tracer {
 public:
  Tracer(void* taker, Take take, Allowed allowed) : taker_(taker), take_(take), allowed_(allowed) {}

  std::string trace(const Module& module, int64_t height, int64_t width) {
    size_ = std::to_string(height) + "x" + std::to_string(width);
    auto method = module.get_method("forward");
    auto graph = method.graph()->copy();
    Inline(*graph);
    find_last_uses(graph->block());
    Tensor image = at::zeros({1, 3, height, width});
    image_ = image.unsafeGetTensorImpl();
    std::string input = fresh();
    note(image, {input, true, {}});
    bind(graph->inputs()[0], module._ivalue());
    bind_inputs(graph->inputs(), method.function().getSchema().arguments(), image);
    run(graph->block());
    if (graph->outputs().size() != 1) throw std::runtime_error("it returns nothing");
    auto logits = first_tensor(value(graph->outputs()[0]));
    auto found = logits ? known_.find(logits->unsafeGetTensorImpl()) : known_.end();
    if (found == known_.end() || !found->second.live) {
      throw std::runtime_error("its result is no tensor that depends on the image; a classifier returns logits");
    }
    return "{\"nodes\":[" + nodes_.str() + "],\"input\":" + json_text(input) + ",\"output\":" + json_text(found->second.name) + "}";
  }

 private:
  // What is known of a tensor while the program runs.
  struct Known {
    // Its name in the list of calls; empty until it is needed there.
    std::string name;
    // Whether it depends on the image.
    bool live;
    // Of a weight: the tensor as the archive has it. One of 16 bits is run with 32.
    Tensor weight;
    // Keeps the address from being used again, not the numbers.
    c10::weak_intrusive_ptr<c10::TensorImpl> alive = c10::weak_intrusive_ptr<c10::TensorImpl>(c10::intrusive_ptr<c10::TensorImpl>());
  };

  std::string fresh() { return "v" + std::to_string(names_++); }

  void note(const Tensor& tensor, Known known) {
    known.alive = c10::weak_intrusive_ptr<c10::TensorImpl>(tensor.getIntrusivePtr());
    known_.insert_or_assign(tensor.unsafeGetTensorImpl(), std::move(known));
  }

  bool live(const Tensor& tensor) {
    auto found = known_.find(tensor.unsafeGetTensorImpl());
    return found != known_.end() && found->second.live;
  }

  bool live(const IValue& value) {
    if (value.isTensor()) return live(value.toTensor());
    if (!value.isList()) return false;
    for (const IValue& element : value.toListRef()) {
      if (live(element)) return true;
    }
    return false;
  }

  // The values that nobody reads after a node, so that their memory can go.
  void find_last_uses(Block* block) {
    std::unordered_map<Value*, Node*> last;
    look_at(block, last);
    for (auto& [value, node] : last) spent_[node].push_back(value);
  }

  void look_at(Block* block, std::unordered_map<Value*, Node*>& last) {
    auto read = [&](Node* node) {
      for (Value* value : node->inputs()) {
        Block* owner = value->node()->owningBlock();
        Node* reader = node;
        while (reader && reader->owningBlock() != owner) reader = reader->owningBlock()->owningNode();
        if (reader) last[value] = reader;
      }
    };
    for (Node* node : block->nodes()) {
      read(node);
      for (Block* inner : node->blocks()) look_at(inner, last);
    }
    read(block->return_node());
  }

  void bind(Value* name, IValue value) { values_[name] = std::move(value); }

  const IValue& value(Value* name) {
    auto found = values_.find(name);
    if (found == values_.end()) throw std::runtime_error("a value is read before it is made");
    return found->second;
  }

  // The image is the first argument; the others have their defaults.
  void bind_inputs(c10::ArrayRef<Value*> inputs, const std::vector<c10::Argument>& arguments, const Tensor& image) {
    for (size_t i = 1; i < inputs.size(); i++) {
      if (i == 1 && is_tensor(inputs[i]->type()) && inputs[i]->type()->kind() != c10::TypeKind::ListType) {
        bind(inputs[i], image);
      } else if (i > 1 && i < arguments.size() && arguments[i].default_value()) {
        bind(inputs[i], *arguments[i].default_value());
      } else if (i > 1 && inputs[i]->type()->kind() == c10::TypeKind::OptionalType) {
        bind(inputs[i], IValue());
      } else if (i == 1) {
        throw std::runtime_error("it takes " + inputs[i]->type()->annotation_str() + ", not one tensor of images as a classifier does");
      } else {
        throw std::runtime_error("it takes " + std::to_string(inputs.size() - 1) + " inputs; a classifier takes images only");
      }
    }
    if (inputs.size() < 2) throw std::runtime_error("it takes no tensor; a classifier takes images");
  }

  void run(Block* block) {
    for (Node* node : block->nodes()) {
      if (++steps_ > kMostSteps) throw std::runtime_error("it runs in a loop that does not end");
      step(node);
      auto found = spent_.find(node);
      if (found == spent_.end()) continue;
      for (Value* value : found->second) values_.erase(value);
    }
  }

  void step(Node* node) {
    switch (node->kind()) {
      case prim::Constant:
        // A function has no value, and is inlined where it is called.
        if (auto known = toIValue(node->output())) bind(node->output(), weight(*known));
        return;
      case prim::Uninitialized:
        bind(node->output(), IValue());
        return;
      case prim::GetAttr: {
        auto object = value(node->input()).toObject();
        bind(node->output(), weight(object->getAttr(node->s(attr::name))));
        return;
      }
      case prim::If:
        branch(node);
        return;
      case prim::Loop:
        loop(node);
        return;
      case prim::ListConstruct: {
        c10::impl::GenericList list(node->output()->type()->expectRef<c10::ListType>().getElementType());
        for (Value* item : node->inputs()) list.push_back(value(item));
        bind(node->output(), std::move(list));
        return;
      }
      case prim::DictConstruct: {
        const auto& type = node->output()->type()->expectRef<c10::DictType>();
        c10::impl::GenericDict dict(type.getKeyType(), type.getValueType());
        for (size_t i = 0; i + 1 < node->inputs().size(); i += 2) dict.insert_or_assign(value(node->input(i)), value(node->input(i + 1)));
        bind(node->output(), std::move(dict));
        return;
      }
      case prim::TupleConstruct:
        bind(node->output(), c10::ivalue::Tuple::create(inputs(node)));
        return;
      case prim::TupleUnpack:
      case prim::ListUnpack: {
        const IValue& all = value(node->input());
        auto parts = all.isTuple() ? all.toTupleRef().elements().vec() : all.toListRef().vec();
        if (parts.size() != node->outputs().size()) throw std::runtime_error("it takes a list of another length apart");
        for (size_t i = 0; i < parts.size(); i++) bind(node->output(i), parts[i]);
        return;
      }
      case prim::TupleIndex: {
        auto parts = value(node->input(0)).toTupleRef().elements().vec();
        int64_t at = value(node->input(1)).toInt();
        bind(node->output(), parts.at(at < 0 ? at + static_cast<int64_t>(parts.size()) : at));
        return;
      }
      case prim::unchecked_cast:
        bind(node->output(), value(node->input()));
        return;
      case prim::RaiseException: {
        const IValue& message = value(node->input(0));
        throw std::runtime_error("it takes no images of " + size_ + ": " + (message.isString() ? first_line(message.toStringRef()) : "it raises an exception"));
      }
      case prim::Print:
        return;
      default:
        call(node);
    }
  }

  Stack inputs(Node* node) {
    Stack stack;
    for (Value* input : node->inputs()) stack.push_back(value(input));
    return stack;
  }

  void branch(Node* node) {
    Block* block = node->blocks()[value(node->input()).toBool() ? 0 : 1];
    run(block);
    for (size_t i = 0; i < node->outputs().size(); i++) bind(node->output(i), value(block->outputs()[i]));
  }

  // Inputs: the most rounds, whether to begin, what is carried. The block gets the round and what is
  // carried, and returns whether to go on and what is carried.
  void loop(Node* node) {
    Block* block = node->blocks()[0];
    int64_t most = value(node->input(0)).toInt();
    bool more = value(node->input(1)).toBool();
    Stack carried;
    for (size_t i = 2; i < node->inputs().size(); i++) carried.push_back(value(node->input(i)));
    for (int64_t round = 0; more && round < most; round++) {
      if (++steps_ > kMostSteps) throw std::runtime_error("it runs in a loop that does not end");
      bind(block->inputs()[0], round);
      for (size_t i = 0; i < carried.size(); i++) bind(block->inputs()[i + 1], carried[i]);
      run(block);
      more = value(block->outputs()[0]).toBool();
      for (size_t i = 0; i < carried.size(); i++) carried[i] = value(block->outputs()[i + 1]);
    }
    for (size_t i = 0; i < carried.size(); i++) bind(node->output(i), carried[i]);
  }

  // A tensor of the archive, and lists of them; the program runs here, whatever device it was on.
  IValue weight(const IValue& value) {
    if (value.isDevice()) return c10::Device(at::kCPU);
    if (!value.isTensor() || !value.toTensor().defined()) return value;
    Tensor tensor = value.toTensor().detach();
    auto [found, is_new] = weights_.try_emplace(value.toTensor().unsafeGetTensorImpl(), tensor);
    if (!is_new) return found->second;
    bool other = tensor.scalar_type() == at::kHalf || tensor.scalar_type() == at::kBFloat16 || tensor.scalar_type() == at::kDouble;
    found->second = other ? tensor.to(at::kFloat) : tensor;
    if (tensor.has_storage()) storages_.insert(tensor.storage().unsafeGetStorageImpl());
    note(found->second, {"", false, tensor});
    kept_.push_back(value);
    return found->second;
  }

  // Of a shape or a kind, which are the same for all images.
  static bool tells_only_form(const std::string& name) {
    static const std::set<std::string> names = {
        "aten::size", "aten::dim", "aten::numel", "aten::len", "aten::stride", "aten::is_floating_point", "aten::__is__", "aten::__isnot__",
        "prim::device", "prim::dtype", "prim::layout", "prim::is_cuda", "prim::requires_grad", "aten::format"};
    return names.count(name) > 0;
  }

  // Of a tensor's form and given numbers alone, so that the result is a constant.
  static bool makes_constant(const std::string& name) {
    static const std::set<std::string> names = {"aten::new_zeros", "aten::new_ones", "aten::new_full", "aten::new_empty", "aten::zeros_like", "aten::ones_like", "aten::full_like"};
    return names.count(name) > 0;
  }

  void call(Node* node) {
    std::string name = node->kind().toQualString();
    if (name == "aten::warn") return;
    if (name == "prim::data") {
      bind(node->output(), value(node->input()));
      return;
    }
    if (name == "aten::is_grad_enabled" || name == "aten::is_autocast_enabled" || name == "aten::is_autocast_cpu_enabled") {
      // The fast paths that PyTorch takes without gradients have none.
      bind(node->output(), name == "aten::is_grad_enabled");
      return;
    }
    const FunctionSchema* schema = node->maybeSchema();
    if (!allowed_(taker_, name.c_str())) {
      bool quantised = name.rfind("quantized::", 0) == 0 || name == "aten::quantize_per_tensor" || name == "aten::dequantize";
      throw std::runtime_error(quantised ? "it is quantised (" + name + where(node) + ")" : "it uses " + name + where(node) + ", which is not on gradcam's list of operations");
    }
    if (!schema) throw std::runtime_error("it has " + name + where(node) + ", which is no operator");
    Stack stack = inputs(node);
    bool depends = false, has_tensor = false;
    for (const IValue& input : stack) {
      depends |= live(input);
      has_tensor |= input.isTensor() || input.isTensorList();
    }
    if (name == "prim::requires_grad") {
      bind(node->output(), depends);
      return;
    }
    bool makes_tensors = false;
    for (const auto& output : schema->returns()) makes_tensors |= is_tensor(output.type());
    bool noted = makes_tensors && has_tensor && name.rfind("aten::", 0) == 0 && !makes_constant(name);
    if (noted) check(name, node, stack, *schema);
    std::string before = noted ? description(node, *schema, stack) : "";
    if (schema->is_vararg()) stack.emplace_back(static_cast<int64_t>(node->inputs().size()));
    try {
      node->getOperation()(stack);
    } catch (const std::exception& error) {
      throw std::runtime_error("it does not run on images of " + size_ + ": " + name + where(node) + ": " + first_line(error.what()));
    }
    if (stack.size() != node->outputs().size()) throw std::runtime_error(name + " makes another number of values");
    std::string outputs;
    for (size_t i = 0; i < stack.size(); i++) {
      const IValue& output = stack[i];
      bool number = output.isInt() || output.isDouble() || output.isBool() || output.isComplexDouble();
      if (number && depends && !tells_only_form(name)) {
        throw std::runtime_error("it computes a number or a branch from the image (" + name + where(node) + ")");
      }
      if (noted) outputs += (outputs.empty() ? "" : ",") + declared(output, depends);
      bind(node->output(i), output);
    }
    if (noted) {
      if (nodes_.tellp() > 0) nodes_ << ",";
      nodes_ << before << "],\"outputs\":[" << outputs << "],\"metadata\":{\"nn_module_stack\":" << json_text(modules(node)) << "}}";
    }
  }

  // What would run and be wrong, or whose message would not help.
  void check(const std::string& name, Node* node, Stack& stack, const FunctionSchema& schema) {
    const auto& arguments = schema.arguments();
    bool convolves = name == "aten::conv2d" || name == "aten::_convolution" || name == "aten::convolution";
    if (convolves && stack[0].isTensor() && stack[0].toTensor().unsafeGetTensorImpl() == image_ && stack[1].toTensor().dim() == 4 && stack[1].toTensor().size(1) != 3) {
      throw std::runtime_error("it takes images of " + std::to_string(stack[1].toTensor().size(1)) + " channels; gradcam explains networks of colour images, which have three");
    }
    for (size_t i = 0; i < stack.size(); i++) {
      // A program that was saved while training must not change its statistics.
      if (name == "aten::batch_norm" && arguments[i].name() == "training" && !stack[3].isNone()) stack[i] = false;
      const auto* alias = arguments[i].alias_info();
      if (alias && alias->isWrite() && stack[i].isTensor()) {
        const Tensor& target = stack[i].toTensor();
        if (target.has_storage() && storages_.count(target.storage().unsafeGetStorageImpl())) {
          throw std::runtime_error("it overwrites its own weights (" + name + where(node) + ")");
        }
      }
    }
    if (name == "aten::index" && live(stack[1])) {
      for (const IValue& index : stack[1].toListRef()) {
        if (index.isTensor() && index.toTensor().defined() && index.toTensor().scalar_type() == at::kBool && live(index)) {
          throw std::runtime_error("it chooses positions by the numbers of the image" + where(node));
        }
      }
    }
  }

  // The call up to its inputs.
  std::string description(Node* node, const FunctionSchema& schema, const Stack& stack) {
    std::string name = schema.name();
    std::string target = "torch.ops.aten." + name.substr(name.find("::") + 2) + "." + (schema.overload_name().empty() ? "default" : schema.overload_name());
    std::string text = "{\"target\":" + json_text(target) + ",\"inputs\":[";
    for (size_t i = 0; i < stack.size(); i++) {
      text += (i ? ",{\"name\":" : "{\"name\":") + json_text(schema.arguments()[i].name()) + ",\"arg\":" + argument(stack[i], schema.arguments()[i].type()) + "}";
    }
    return text;
  }

  // Names what an operation made. What it returned as it was gets the new name too.
  std::string declared(const IValue& output, bool depends) {
    auto one = [&](const Tensor& tensor) {
      std::string name = fresh();
      note(tensor, {name, depends, {}});
      return "{\"name\":" + json_text(name) + "}";
    };
    if (output.isTensor() && output.toTensor().defined()) return "{\"as_tensor\":" + one(output.toTensor()) + "}";
    if (!output.isTensorList()) return "{\"as_none\":true}";
    std::string parts;
    for (const Tensor& tensor : output.toTensorVector()) parts += (parts.empty() ? "" : ",") + one(tensor);
    return "{\"as_tensors\":[" + parts + "]}";
  }

  // A tensor by its name. What no noted call has made is a constant of the program.
  std::string named(const Tensor& tensor) {
    auto* key = tensor.unsafeGetTensorImpl();
    auto found = known_.find(key);
    if (found == known_.end() || found->second.name.empty()) {
      std::string name = "constant " + std::to_string(constants_++);
      bool is_weight = found != known_.end();
      // The program may overwrite what is no weight.
      Tensor kept = is_weight ? found->second.weight : tensor.clone();
      take_(taker_, name.c_str(), new Tensor(kept.detach()));
      note(tensor, {name, false, {}});
      found = known_.find(key);
    }
    return "{\"name\":" + json_text(found->second.name) + "}";
  }

  std::string argument(const IValue& value, const c10::TypePtr& type) {
    if (value.isNone() || (value.isTensor() && !value.toTensor().defined())) return "{\"as_none\":true}";
    if (value.isTensor()) return "{\"as_tensor\":" + named(value.toTensor()) + "}";
    if (value.isBool()) return std::string("{\"as_bool\":") + (value.toBool() ? "true}" : "false}");
    if (value.isInt()) return "{\"as_int\":" + std::to_string(value.toInt()) + "}";
    if (value.isDouble()) return "{\"as_float\":" + number(value.toDouble()) + "}";
    if (value.isString()) return "{\"as_string\":" + json_text(value.toStringRef()) + "}";
    if (value.isDevice()) return "{\"as_device\":{}}";
    if (!value.isList()) throw std::runtime_error("it has an argument of the kind " + value.tagKind());
    std::string items, kind = is_tensor(type) ? "as_optional_tensors" : "as_ints";
    for (const IValue& item : value.toListRef()) {
      items += items.empty() ? "" : ",";
      if (kind == "as_optional_tensors") {
        items += argument(item, c10::TensorType::get());
      } else if (item.isInt()) {
        items += std::to_string(item.toInt());
      } else if (item.isDouble()) {
        kind = "as_floats";
        items += number(item.toDouble());
      } else {
        throw std::runtime_error("it has a list of the kind " + item.tagKind());
      }
    }
    return "{\"" + kind + "\":[" + items + "]}";
  }

  // The logits: the first of several results, or the one of this name.
  std::optional<Tensor> first_tensor(const IValue& value) {
    if (value.isTensor()) return value.toTensor();
    if (value.isGenericDict()) {
      auto results = value.toGenericDict();
      if (results.size() == 0) return std::nullopt;
      for (const auto& entry : results) {
        if (entry.key().isString() && entry.key().toStringRef() == "logits") return first_tensor(entry.value());
      }
      return first_tensor(results.begin()->value());
    }
    if (value.isTuple() && !value.toTupleRef().elements().empty()) return first_tensor(value.toTupleRef().elements()[0]);
    if (value.isList() && !value.toListRef().empty()) return first_tensor(value.toListRef()[0]);
    return std::nullopt;
  }

  void* taker_;
  Take take_;
  Allowed allowed_;
  std::string size_;
  c10::TensorImpl* image_ = nullptr;
  std::unordered_map<Value*, IValue> values_;
  std::unordered_map<Node*, std::vector<Value*>> spent_;
  std::unordered_map<c10::TensorImpl*, Known> known_;
  // The tensors of the archive, by where they are, as they are run.
  std::unordered_map<c10::TensorImpl*, Tensor> weights_;
  std::vector<IValue> kept_;
  std::set<c10::StorageImpl*> storages_;
  std::ostringstream nodes_;
  int64_t steps_ = 0;
  int names_ = 0, constants_ = 0;
};

}  // namespace

extern "C" {

Script* gradcam_script_open(const char* file) {
  return guarded<std::function<Script*()>>(nullptr, [&]() -> Script* {
    Module module = torch::jit::load(file, c10::kCPU);
    module.eval();
    return new Script{module, ""};
  });
}

// Runs the program on images of this size and writes its calls. The JSON becomes the text. An
// operator is run only if it is allowed.
int gradcam_script_lower(Script* script, int64_t height, int64_t width, void* taker, Take take, Allowed allowed) {
  return guarded<std::function<int()>>(0, [&]() -> int {
    c10::NoGradGuard no_grad;
    script->text = Tracer(taker, take, allowed).trace(script->module, height, width);
    return 1;
  });
}

const char* gradcam_script_text(Script* script) { return script->text.c_str(); }
void gradcam_script_free(Script* script) { delete script; }
}
