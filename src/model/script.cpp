// Turns a TorchScript archive into a flat list of operator calls, written as the JSON that
// torch.export writes, so that one reader serves both. libtorch inlines, freezes and simplifies the
// program for an input of a known size; what is left must be calls of operators.

#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/passes/loop_unrolling.h>
#include <torch/csrc/jit/passes/lower_tuples.h>
#include <torch/csrc/jit/passes/peephole.h>
#include <torch/csrc/jit/passes/remove_exceptions.h>
#include <torch/csrc/jit/passes/shape_analysis.h>
#include <torch/csrc/jit/passes/symbolic_shape_analysis.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/script.h>

#include <cmath>
#include <set>
#include <sstream>
#include <string>

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

void collect(Block* block, std::set<std::string>& names) {
  for (Node* node : block->nodes()) {
    names.insert(node->kind().toQualString());
    for (Block* inner : node->blocks()) collect(inner, names);
  }
}

// Writes the nodes of a graph.
class Writer {
 public:
  Writer(std::shared_ptr<Graph> graph, void* taker, Take take)
      : graph_(std::move(graph)), taker_(taker), take_(take) {}

  std::string write() {
    auto inputs = graph_->inputs();
    if (inputs.size() != 2) {
      throw std::runtime_error("it takes " + std::to_string(inputs.size() - 1) + " inputs; a classifier takes images only");
    }
    std::ostringstream nodes;
    for (Node* node : graph_->nodes()) {
      if (node->kind() == prim::Constant || node->kind() == prim::ListConstruct || node->kind() == prim::ListUnpack ||
          node->kind() == prim::TupleConstruct || node->kind() == prim::DictConstruct) {
        continue;
      }
      if (!nodes_empty_) nodes << ",";
      nodes_empty_ = false;
      nodes << this->node(node);
    }
    std::ostringstream out;
    out << "{\"nodes\":[" << nodes.str() << "],\"input\":" << json_text(name(inputs[1]))
        << ",\"output\":" << json_text(name(result())) << "}";
    return out.str();
  }

 private:
  std::string name(Value* value) { return value->debugName(); }

  // The logits: the first of several results.
  Value* result() {
    if (graph_->outputs().size() != 1) throw std::runtime_error("it returns nothing");
    Value* value = graph_->outputs()[0];
    Node* maker = value->node();
    if (maker->kind() == prim::TupleConstruct && !maker->inputs().empty()) return maker->inputs()[0];
    if (maker->kind() == prim::DictConstruct && maker->inputs().size() >= 2) return maker->inputs()[1];
    return value;
  }

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

  std::string node(Node* node) {
    auto where = [&] { return modules(node).empty() ? std::string() : " in " + modules(node).substr(modules(node).rfind(';') + 1); };
    if (node->kind() == prim::If || node->kind() == prim::Loop) throw std::runtime_error("it has branches or loops that depend on the image" + where());
    const FunctionSchema* schema = node->maybeSchema();
    if (!schema) throw std::runtime_error(std::string("it has ") + node->kind().toQualString() + ", which is no operator" + where());
    std::string target = schema->name();
    size_t colons = target.find("::");
    target = "torch.ops." + target.substr(0, colons) + "." + target.substr(colons + 2) + "." +
             (schema->overload_name().empty() ? "default" : schema->overload_name());
    std::ostringstream out;
    out << "{\"target\":" << json_text(target) << ",\"inputs\":[";
    for (size_t i = 0; i < node->inputs().size(); i++) {
      out << (i ? "," : "") << "{\"name\":" << json_text(schema->arguments()[i].name()) << ",\"arg\":" << argument(node->input(i)) << "}";
    }
    out << "],\"outputs\":[";
    bool first = true;
    for (Value* output : node->outputs()) {
      out << (first ? "" : ",") << this->output(output);
      first = false;
    }
    out << "],\"metadata\":{\"nn_module_stack\":" << json_text(modules(node)) << "}}";
    return out.str();
  }

  std::string output(Value* value) {
    if (value->type()->isSubtypeOf(*c10::ListType::ofTensors())) {
      for (const Use& use : value->uses()) {
        if (use.user->kind() != prim::ListUnpack) continue;
        std::string parts;
        for (Value* part : use.user->outputs()) parts += (parts.empty() ? "" : ",") + ("{\"name\":" + json_text(name(part)) + "}");
        return "{\"as_tensors\":[" + parts + "]}";
      }
      throw std::runtime_error("it takes single tensors out of a list");
    }
    return "{\"as_tensor\":{\"name\":" + json_text(name(value)) + "}}";
  }

  std::string tensor(Value* value) { return "{\"name\":" + json_text(name(value)) + "}"; }

  // A tensor among the constants gets a name of its own.
  std::string constant(const Tensor& value) {
    std::string own = "constant " + std::to_string(constants_++);
    take_(taker_, own.c_str(), new Tensor(value.detach()));
    return "{\"name\":" + json_text(own) + "}";
  }

  std::string argument(Value* value) {
    if (auto known = toIValue(value)) return literal(*known);
    Node* maker = value->node();
    if (maker->kind() == prim::ListConstruct) {
      auto element = value->type()->expect<c10::ListType>()->getElementType();
      bool tensors = element->kind() == c10::TypeKind::TensorType || element->kind() == c10::TypeKind::OptionalType;
      std::string items;
      for (Value* item : maker->inputs()) {
        items += items.empty() ? "" : ",";
        auto known = toIValue(item);
        if (tensors) {
          items += !known ? "{\"as_tensor\":" + tensor(item) + "}" : known->isNone() ? "{\"as_none\":true}" : "{\"as_tensor\":" + constant(known->toTensor()) + "}";
        } else if (known && known->isInt()) {
          items += std::to_string(known->toInt());
        } else if (known && known->isDouble()) {
          items += number(known->toDouble());
        } else {
          throw std::runtime_error("a size depends on the image");
        }
      }
      return std::string(tensors ? "{\"as_optional_tensors\":[" : element->kind() == c10::TypeKind::FloatType ? "{\"as_floats\":[" : "{\"as_ints\":[") + items + "]}";
    }
    if (!value->type()->isSubtypeOf(*c10::TensorType::get())) {
      throw std::runtime_error("a value of the type " + value->type()->str() + " depends on the image");
    }
    return "{\"as_tensor\":" + tensor(value) + "}";
  }

  std::string literal(const IValue& value) {
    if (value.isNone()) return "{\"as_none\":true}";
    if (value.isTensor()) return "{\"as_tensor\":" + constant(value.toTensor()) + "}";
    if (value.isBool()) return std::string("{\"as_bool\":") + (value.toBool() ? "true}" : "false}");
    if (value.isInt()) return "{\"as_int\":" + std::to_string(value.toInt()) + "}";
    if (value.isDouble()) return "{\"as_float\":" + number(value.toDouble()) + "}";
    if (value.isString()) return "{\"as_string\":" + json_text(value.toStringRef()) + "}";
    if (value.isDevice()) return "{\"as_device\":{}}";
    std::string items;
    if (value.isIntList()) {
      for (int64_t item : value.toIntVector()) items += (items.empty() ? "" : ",") + std::to_string(item);
      return "{\"as_ints\":[" + items + "]}";
    }
    if (value.isDoubleList()) {
      for (double item : value.toDoubleVector()) items += (items.empty() ? "" : ",") + number(item);
      return "{\"as_floats\":[" + items + "]}";
    }
    if (value.isTensorList()) {
      for (const Tensor& item : value.toTensorVector()) items += (items.empty() ? "" : ",") + constant(item);
      return "{\"as_tensors\":[" + items + "]}";
    }
    throw std::runtime_error("it has a constant of the kind " + value.tagKind());
  }

  std::shared_ptr<Graph> graph_;
  void* taker_;
  Take take_;
  bool nodes_empty_ = true;
  int constants_ = 0;
};

}  // namespace

extern "C" {

// Loads an archive; its text is the names of all operators, one a line.
Script* gradcam_script_open(const char* file) {
  return guarded<std::function<Script*()>>(nullptr, [&]() -> Script* {
    Module module = torch::jit::load(file, c10::kCPU);
    module.eval();
    auto graph = module.get_method("forward").graph()->copy();
    Inline(*graph);
    std::set<std::string> names;
    collect(graph->block(), names);
    std::string text;
    for (const auto& name : names) text += name + "\n";
    return new Script{module, text};
  });
}

// Simplifies the program for images of this size and writes it. The JSON becomes the text.
int gradcam_script_lower(Script* script, int64_t height, int64_t width, void* taker, Take take) {
  return guarded<std::function<int()>>(0, [&]() -> int {
    c10::NoGradGuard no_grad;
    Module frozen = script->module.hasattr("training") ? freeze_module(script->module) : script->module;
    auto graph = frozen.get_method("forward").graph()->copy();
    Inline(*graph);
    LowerSimpleTuples(graph);
    if (graph->inputs().size() == 2) {
      auto image = c10::TensorType::createContiguous(at::kFloat, at::kCPU, {1, 3, height, width});
      graph->inputs()[1]->setType(image);
    }
    // Each pass may open a way for the others.
    for (int round = 0; round < 4; round++) {
      ConstantPropagation(graph);
      UnrollConstantLoops(graph);
      EliminateExceptions(graph);
      PropagateInputShapes(graph);
      PropagateShapesOnGraph(graph);
      PeepholeOptimize(graph);
      ConstantPropagation(graph);
      LowerSimpleTuples(graph);
      std::vector<Node*> checks;
      for (Node* node : graph->nodes()) {
        if (node->kind() == prim::If && node->outputs().empty()) checks.push_back(node);
      }
      for (Node* node : checks) node->destroy();
      EliminateDeadCode(graph);
    }
    script->text = Writer(graph, taker, take).write();
    return 1;
  });
}

const char* gradcam_script_text(Script* script) { return script->text.c_str(); }
void gradcam_script_free(Script* script) { delete script; }
}
