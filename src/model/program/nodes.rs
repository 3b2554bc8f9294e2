//! Nodes: operator calls as torch.export writes them in JSON, made into nodes of a graph.
//!
//! The schema is `torch/_export/serde/schema.py`, major version 8. Kinds are numbered as
//! torch.export does, not as c10 does.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use tch::{Kind, Tensor};

use super::symbols::evaluate;
use super::{Call, Program, ProgramError, allowed, innermost};
use crate::model::dispatch::Operator;
use crate::model::graph::{Builder, Graph, Node, Operand, ValueId};
use crate::text::visible;

#[derive(Debug, Deserialize)]
pub(super) struct JsonNode {
    pub(super) target: String,
    pub(super) inputs: Vec<NamedArgument>,
    pub(super) outputs: Vec<Value>,
    #[serde(default)]
    pub(super) metadata: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedArgument {
    pub(super) name: String,
    pub(super) arg: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct TensorMeta {
    pub(super) dtype: u64,
    pub(super) sizes: Vec<Size>,
    pub(super) strides: Vec<Size>,
    pub(super) storage_offset: Size,
}

/// A number, or an expression with the number that it had when the program was exported.
#[derive(Clone, Debug, Deserialize)]
pub(super) enum Size {
    #[serde(rename = "as_int")]
    Int(i64),
    #[serde(rename = "as_expr")]
    Expression(Expression),
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Expression {
    pub(super) expr_str: String,
    pub(super) hint: Option<Hint>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Hint {
    pub(super) as_int: Option<i64>,
}

/// Turns JSON into nodes.
pub(super) struct Translator<'a> {
    pub(super) file: &'a str,
    pub(super) builder: Builder,
    pub(super) values: HashMap<String, ValueId>,
    pub(super) constants: HashMap<ValueId, Tensor>,
    /// What the sizes of the input are called, and their numbers.
    pub(super) symbols: HashMap<String, i64>,
    pub(super) sym_ints: HashMap<String, Size>,
    pub(super) metas: HashMap<String, TensorMeta>,
    pub(super) program: Program,
}

impl<'a> Translator<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self {
            file,
            builder: Builder::default(),
            values: HashMap::new(),
            constants: HashMap::new(),
            symbols: HashMap::new(),
            sym_ints: HashMap::new(),
            metas: HashMap::new(),
            program: Program::default(),
        }
    }

    /// A weight under the name that nodes call it by.
    pub(super) fn constant(&mut self, name: &str, tensor: Tensor) {
        let id = self.builder.promise();
        self.constants.insert(id, tensor);
        self.values.insert(name.to_owned(), id);
    }

    /// " of ResNet": the class of the outermost module, and no more than that of any.
    pub(super) fn class(&mut self) -> String {
        let first = self.program.modules.iter().flatten().next();
        let class = first.map_or_else(String::new, |call| class_name(&call.key));
        for call in self.program.modules.iter_mut().flatten() {
            // The class has served its purpose; the key is what tells calls apart.
            let end = call.key.find('\u{0}').unwrap_or(call.key.len());
            call.key.truncate(end);
        }
        class
    }

    /// The graph that computes a value.
    pub(super) fn finish(mut self, output: &str) -> Result<Graph, ProgramError> {
        self.program.output = self.value(output)?;
        self.program.finish(self.file, self.builder, self.constants)
    }

    pub(super) fn node(&mut self, node: &JsonNode) -> Result<(), ProgramError> {
        if is_number(node) || node.target.contains("_assert") {
            return Ok(());
        }
        let modules = modules(
            node.metadata
                .get("nn_module_stack")
                .map_or("", String::as_str),
        );
        let Some(target) = node.target.strip_prefix("torch.ops.aten.") else {
            return Err(ProgramError::NotAllowed {
                file: self.file.to_owned(),
                operator: visible(&node.target),
                layer: innermost(&modules),
            });
        };
        let name = target.strip_suffix(".default").unwrap_or(target);
        let outputs = self.declare(node)?;
        if let Some(source) = self.unchanged(name, node)? {
            self.rename(&outputs, source);
            return Ok(());
        }
        let name = if moves(name) { "to.dtype" } else { name };
        let base = name.split('.').next().unwrap_or(name);
        if !allowed::is_allowed(&format!("aten::{base}")) {
            return Err(ProgramError::NotAllowed {
                file: self.file.to_owned(),
                operator: visible(&node.target),
                layer: innermost(&modules),
            });
        }
        let operator = self.builder.operator(name)?;
        let mut operands = Vec::new();
        for argument in &node.inputs {
            // The program runs where its weights are, and its numbers lie as they lie.
            if matches!(argument.name.as_str(), "device" | "layout" | "pin_memory") {
                continue;
            }
            let Some(position) = operator.position(&argument.name) else {
                return Err(self.damaged(format!("{name} has no argument {}", argument.name)));
            };
            if let Some(operand) = self.operand(&argument.arg)? {
                operands.push((position, operand));
            }
        }
        if base == "batch_norm" {
            use_running_statistics(&operator, &mut operands);
        }
        if base.starts_with("new_") {
            self.free_of_its_tensor(&operator, &mut operands, &outputs);
        }
        self.program.nodes.push(Node {
            operator,
            operands,
            outputs: outputs.into_iter().map(|(_, id)| id).collect(),
        });
        self.program.modules.push(modules);
        Ok(())
    }

    /// A new tensor takes nothing but its kind from the tensor that it is asked of. With another of
    /// that kind it does not depend on the image, and is computed once.
    fn free_of_its_tensor(
        &mut self,
        operator: &Operator,
        operands: &mut [(usize, Operand)],
        outputs: &[(String, ValueId)],
    ) {
        let kind = outputs
            .first()
            .and_then(|(name, _)| self.metas.get(name))
            .and_then(|meta| self.kind(meta.dtype).ok());
        let at = operator.position("self");
        if let Some(kind) = kind
            && let Some((_, operand)) = operands
                .iter_mut()
                .find(|(position, _)| Some(*position) == at)
        {
            let id = self.builder.promise();
            self.constants
                .insert(id, Tensor::zeros([0], (kind, tch::Device::Cpu)));
            *operand = Operand::Value(id);
        }
    }

    /// The value that a node passes on as it is: of dropout, which does nothing in use, and of a move
    /// to a device that does not change the kind.
    fn unchanged(&self, name: &str, node: &JsonNode) -> Result<Option<ValueId>, ProgramError> {
        let kind = node.inputs.iter().find(|input| input.name == "dtype");
        let keeps_kind =
            kind.is_none_or(|kind| matches!(single(&kind.arg), Some(("as_none", _)) | None));
        let drops = matches!(
            name,
            "dropout" | "dropout_" | "feature_dropout" | "alpha_dropout"
        );
        let keeps = moves(name) && keeps_kind;
        if !drops && !keeps {
            return Ok(None);
        }
        let source = node
            .inputs
            .first()
            .and_then(|input| input.arg.pointer("/as_tensor/name"))
            .and_then(Value::as_str);
        source.map(|source| self.value(source)).transpose()
    }

    fn rename(&mut self, outputs: &[(String, ValueId)], source: ValueId) {
        for (name, _) in outputs {
            self.values.insert(name.clone(), source);
        }
    }

    /// Gives each tensor that a node makes a value.
    fn declare(&mut self, node: &JsonNode) -> Result<Vec<(String, ValueId)>, ProgramError> {
        let mut outputs = Vec::new();
        let mut one = |this: &mut Self, tensor: &Value| -> Result<(), ProgramError> {
            let name = tensor
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| this.damaged("an output has no name"))?;
            let id = this.builder.promise();
            this.values.insert(name.to_owned(), id);
            outputs.push((name.to_owned(), id));
            Ok(())
        };
        for output in &node.outputs {
            match single(output) {
                Some(("as_tensor", tensor)) => one(self, tensor)?,
                Some(("as_tensors", Value::Array(tensors))) => {
                    for tensor in tensors {
                        one(self, tensor)?;
                    }
                }
                Some(("as_none", _)) => {}
                _ => {
                    return Err(self.unsuitable(format!(
                        "{} makes something else than tensors",
                        visible(&node.target)
                    )));
                }
            }
        }
        Ok(outputs)
    }

    /// An argument as an operand; `None` where the default is meant.
    fn operand(&self, argument: &Value) -> Result<Option<Operand>, ProgramError> {
        let Some((kind, body)) = single(argument) else {
            return Err(self.damaged("an argument is not described"));
        };
        let strange = || {
            self.damaged(format!(
                "an argument of the kind {} makes no sense",
                visible(kind)
            ))
        };
        let list = || body.as_array().ok_or_else(strange);
        let tensor = |value: &Value| -> Result<ValueId, ProgramError> {
            self.value(
                value
                    .get("name")
                    .and_then(Value::as_str)
                    .ok_or_else(strange)?,
            )
        };
        Ok(Some(match kind {
            "as_none" => Operand::None,
            "as_tensor" => Operand::Value(tensor(body)?),
            "as_tensors" => Operand::Values(
                list()?
                    .iter()
                    .map(|item| tensor(item).map(Some))
                    .collect::<Result<_, _>>()?,
            ),
            "as_optional_tensors" => Operand::Values(
                list()?
                    .iter()
                    .map(|item| match single(item) {
                        Some(("as_tensor", body)) => tensor(body).map(Some),
                        Some(("as_none", _)) => Ok(None),
                        _ => Err(strange()),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            "as_optional_tensor" => return self.operand(body),
            "as_int" => Operand::Int(body.as_i64().ok_or_else(strange)?),
            "as_ints" => Operand::Ints(
                list()?
                    .iter()
                    .map(|item| item.as_i64().ok_or_else(strange))
                    .collect::<Result<_, _>>()?,
            ),
            "as_float" | "as_sym_float" => Operand::Float(float(body).ok_or_else(strange)?),
            "as_floats" => Operand::Floats(
                list()?
                    .iter()
                    .map(|item| float(item).ok_or_else(strange))
                    .collect::<Result<_, _>>()?,
            ),
            "as_bool" => Operand::Bool(body.as_bool().ok_or_else(strange)?),
            "as_sym_bool" => Operand::Bool(
                body.get("as_bool")
                    .and_then(Value::as_bool)
                    .ok_or_else(strange)?,
            ),
            "as_string" => Operand::Str(body.as_str().ok_or_else(strange)?.to_owned()),
            "as_sym_int" => Operand::Int(self.sym_int(body)?),
            "as_sym_ints" => Operand::Ints(
                list()?
                    .iter()
                    .map(|item| self.sym_int(item))
                    .collect::<Result<_, _>>()?,
            ),
            "as_scalar_type" => {
                let number = body.as_u64().ok_or_else(strange)?;
                self.kind(number)?;
                // c10 counts from zero, and has bfloat16 elsewhere.
                Operand::Int(if number == 13 { 15 } else { number as i64 - 1 })
            }
            "as_memory_format" => Operand::Int(match body.as_u64() {
                Some(1) => 0,
                Some(2) => 2,
                Some(3) => 3,
                Some(4) => 1,
                _ => return Err(strange()),
            }),
            "as_layout" | "as_device" => return Ok(None),
            _ => {
                return Err(self.unsuitable(format!(
                    "it has an argument of the kind {}, which gradcam does not know",
                    visible(kind)
                )));
            }
        }))
    }

    fn sym_int(&self, value: &Value) -> Result<i64, ProgramError> {
        let strange = || self.damaged("a size makes no sense");
        match single(value) {
            Some(("as_int", number)) => number.as_i64().ok_or_else(strange),
            Some(("as_name", name)) => {
                let size = name
                    .as_str()
                    .and_then(|name| self.sym_ints.get(name))
                    .ok_or_else(strange)?;
                self.size(size)
            }
            _ => Err(strange()),
        }
    }

    pub(super) fn size(&self, size: &Size) -> Result<i64, ProgramError> {
        match size {
            Size::Int(number) => Ok(*number),
            Size::Expression(expression) => evaluate(&expression.expr_str, &self.symbols).ok_or_else(|| {
                self.unsuitable(format!(
                    "a size is computed by {}, which gradcam does not follow; export it without dynamic_shapes",
                    visible(&expression.expr_str)
                ))
            }),
        }
    }

    pub(super) fn sizes(&self, sizes: &[Size]) -> Result<Vec<i64>, ProgramError> {
        sizes.iter().map(|size| self.size(size)).collect()
    }

    pub(super) fn value(&self, name: &str) -> Result<ValueId, ProgramError> {
        self.values
            .get(name)
            .copied()
            .ok_or_else(|| self.damaged(format!("the value {name} is read before it is made")))
    }

    pub(super) fn kind(&self, number: u64) -> Result<Kind, ProgramError> {
        Ok(match number {
            1 => Kind::Uint8,
            2 => Kind::Int8,
            3 => Kind::Int16,
            4 => Kind::Int,
            5 => Kind::Int64,
            6 => Kind::Half,
            7 => Kind::Float,
            8 => Kind::Double,
            12 => Kind::Bool,
            13 => Kind::BFloat16,
            _ => return Err(self.unsuitable(format!(
                "it has numbers of the kind {number} of torch.export, which gradcam does not read"
            ))),
        })
    }

    pub(super) fn damaged(&self, reason: impl Into<String>) -> ProgramError {
        ProgramError::damaged(self.file, reason)
    }

    pub(super) fn unsuitable(&self, reason: String) -> ProgramError {
        ProgramError::unsuitable(self.file, reason)
    }
}

/// A program that was exported while training uses the batch's statistics, and one image has none.
/// A batch norm without running statistics is left as it is: weight standardisation is written so.
fn use_running_statistics(operator: &Operator, operands: &mut [(usize, Operand)]) {
    let at = |name: &str| operator.position(name);
    let has_statistics = operands.iter().any(|(position, operand)| {
        Some(*position) == at("running_mean") && matches!(operand, Operand::Value(_))
    });
    if has_statistics {
        for (position, operand) in operands {
            if Some(*position) == at("training") {
                *operand = Operand::Bool(false);
            }
        }
    }
}

/// Whether an operator moves a tensor to a device, which all are on already; it may change the kind
/// too.
fn moves(name: &str) -> bool {
    matches!(name, "to.device" | "to.prim_Device")
}

/// Whether a node computes a size; those are numbers here.
fn is_number(node: &JsonNode) -> bool {
    node.outputs.iter().all(|output| {
        matches!(
            single(output),
            Some(("as_sym_int" | "as_sym_bool" | "as_sym_float" | "as_int", _))
        )
    }) && !node.outputs.is_empty()
}

/// The only entry of an object: unions are written so.
pub(super) fn single(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object()?;
    let (key, body) = object.iter().next()?;
    (object.len() == 1).then_some((key.as_str(), body))
}

/// A number; infinities are written as text.
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64().or_else(|| other.get("as_float")?.as_f64()),
    }
}

/// `key,name,class;…` of the modules around a node, outermost first. torch 2.6 and 2.7 write names
/// as Python expressions: `getattr(L['self'].layer1, '0').bn1`.
fn modules(stack: &str) -> Vec<Call> {
    stack
        .split(';')
        .filter_map(|entry| {
            let (key, rest) = entry.split_once(',')?;
            let (name, class) = rest.rsplit_once(',')?;
            Some(Call {
                key: format!("{key}\u{0}{class}"),
                name: plain_name(name),
            })
        })
        .collect()
}

fn plain_name(name: &str) -> String {
    let mut name = name.replace("L['self'].", "").replace("L['self']", "");
    while let Some((before, rest)) = name.rsplit_once("getattr(") {
        let Some((inner, after)) = rest.split_once("')") else {
            break;
        };
        let dotted = inner.replacen(", '", ".", 1);
        name = format!("{before}{dotted}{after}");
    }
    name.trim_start_matches('.').to_owned()
}

/// " of ResNet", from the key of the outermost call.
pub(super) fn class_name(key: &str) -> String {
    let class = key.split('\u{0}').nth(1).unwrap_or_default();
    let short = class.rsplit('.').next().unwrap_or_default();
    if short.is_empty() {
        String::new()
    } else {
        format!(" of {}", visible(short))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_names_of_all_versions_of_torch_are_dotted() {
        for (written, name) in [
            ("layer1.0.bn1", "layer1.0.bn1"),
            ("getattr(L['self'].layer1, '0').bn1", "layer1.0.bn1"),
            (
                "getattr(getattr(L['self'].features, '1'), '0')",
                "features.1.0",
            ),
            ("L['self'].conv1", "conv1"),
            ("", ""),
        ] {
            assert_eq!(plain_name(written), name, "{written}");
        }
    }
}
