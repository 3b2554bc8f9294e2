//! `.pt2`: what `torch.export.save` writes.
//!
//! JSON by `torch/_export/serde/schema.py` (major version 8), and the weights. From torch 2.9 on
//! each weight is a member of the archive; before, the weights are one `torch.save` file inside.
//! Kinds are numbered as torch.export does, not as c10 does.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use tch::{Kind, Tensor};

use super::archive::{Archive, Strided};
use super::symbols::evaluate;
use super::{Call, Loaded, Program, ProgramError};
use crate::model::dispatch::Operator;
use crate::model::graph::{Builder, Node, Operand, ValueId};
use crate::text::visible;

#[derive(Debug, Deserialize)]
struct Exported {
    graph_module: GraphModule,
    schema_version: SchemaVersion,
}

#[derive(Debug, Deserialize)]
struct SchemaVersion {
    major: u64,
    minor: u64,
}

#[derive(Debug, Deserialize)]
struct GraphModule {
    graph: JsonGraph,
    signature: Signature,
}

#[derive(Debug, Deserialize)]
struct JsonGraph {
    outputs: Vec<Value>,
    nodes: Vec<JsonNode>,
    tensor_values: HashMap<String, TensorMeta>,
    #[serde(default)]
    sym_int_values: HashMap<String, Size>,
}

#[derive(Debug, Deserialize)]
struct JsonNode {
    target: String,
    inputs: Vec<NamedArgument>,
    outputs: Vec<Value>,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct NamedArgument {
    name: String,
    arg: Value,
}

#[derive(Debug, Deserialize)]
struct Signature {
    input_specs: Vec<Value>,
    output_specs: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct TensorMeta {
    dtype: u64,
    sizes: Vec<Size>,
    strides: Vec<Size>,
    storage_offset: Size,
}

/// A number, or an expression with the number that it had when the program was exported.
#[derive(Clone, Debug, Deserialize)]
enum Size {
    #[serde(rename = "as_int")]
    Int(i64),
    #[serde(rename = "as_expr")]
    Expression(Expression),
}

#[derive(Clone, Debug, Deserialize)]
struct Expression {
    expr_str: String,
    hint: Option<Hint>,
}

#[derive(Clone, Debug, Deserialize)]
struct Hint {
    as_int: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct WeightsConfig {
    config: HashMap<String, WeightEntry>,
}

#[derive(Debug, Deserialize)]
struct WeightEntry {
    path_name: String,
    #[serde(default)]
    use_pickle: bool,
    tensor_meta: TensorMeta,
}

/// Reads a program from its archive.
pub(super) fn read(file: &str, mut archive: Archive) -> Result<Loaded, ProgramError> {
    let old = !archive.has("models/model.json");
    let description = if old {
        "serialized_exported_program.json"
    } else {
        "models/model.json"
    };
    let text = archive.read(description)?;
    let exported: Exported = serde_json::from_slice(&text)
        .map_err(|error| ProgramError::damaged(file, format!("{description}: {error}")))?;
    drop(text);
    let SchemaVersion { major, minor } = exported.schema_version;
    if major != 8 {
        return Err(ProgramError::unsuitable(
            file,
            format!(
                "it has the format {major}.{minor} of torch.export, and gradcam reads 8; export it with torch 2.6 or newer"
            ),
        ));
    }
    let weights = Weights::open(file, &mut archive, old)?;
    Reader::new(file, archive, weights).read(exported.graph_module)
}

/// Where a program's weights are.
#[derive(Debug)]
enum Weights {
    /// Each is a member.
    Members(HashMap<String, (String, TensorMeta)>),
    /// Read already, from `torch.save` files inside.
    Inner(HashMap<String, Tensor>),
}

impl Weights {
    fn open(file: &str, archive: &mut Archive, old: bool) -> Result<Self, ProgramError> {
        if archive.has("data/weights/model_weights_config.json") {
            let mut members = HashMap::new();
            for (config, folder) in [
                ("data/weights/model_weights_config.json", "data/weights"),
                (
                    "data/constants/model_constants_config.json",
                    "data/constants",
                ),
            ] {
                let config: WeightsConfig = serde_json::from_slice(&archive.read(config)?)
                    .map_err(|error| ProgramError::damaged(file, format!("{config}: {error}")))?;
                for (name, entry) in config.config {
                    if entry.use_pickle {
                        return Err(ProgramError::unsuitable(
                            file,
                            format!(
                                "the weight {} is of a class of its own, which gradcam does not read",
                                visible(&name)
                            ),
                        ));
                    }
                    members.insert(
                        name,
                        (format!("{folder}/{}", entry.path_name), entry.tensor_meta),
                    );
                }
            }
            return Ok(Self::Members(members));
        }
        let inner = if old {
            ["serialized_state_dict.pt", "serialized_constants.pt"]
        } else {
            ["data/weights/model.pt", "data/constants/model.pt"]
        };
        let mut tensors = HashMap::new();
        for name in inner {
            if archive.has(name) {
                tensors.extend(super::inner::tensors(file, name, &archive.read(name)?)?);
            }
        }
        Ok(Self::Inner(tensors))
    }
}

/// Turns the JSON into nodes.
struct Reader<'a> {
    file: &'a str,
    archive: Archive,
    weights: Weights,
    builder: Builder,
    values: HashMap<String, ValueId>,
    constants: HashMap<ValueId, Tensor>,
    symbols: HashMap<String, i64>,
    sym_ints: HashMap<String, Size>,
    metas: HashMap<String, TensorMeta>,
    program: Program,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, archive: Archive, weights: Weights) -> Self {
        Self {
            file,
            archive,
            weights,
            builder: Builder::default(),
            values: HashMap::new(),
            constants: HashMap::new(),
            symbols: HashMap::new(),
            sym_ints: HashMap::new(),
            metas: HashMap::new(),
            program: Program::default(),
        }
    }

    fn read(mut self, module: GraphModule) -> Result<Loaded, ProgramError> {
        let GraphModule { graph, signature } = module;
        self.metas = graph.tensor_values;
        let meta = self.read_inputs(&signature)?;
        let kind = self.kind(meta.dtype)?;
        let fixed_size = self.input_size(&meta)?;
        self.sym_ints = graph.sym_int_values;
        for node in graph.nodes {
            self.node(node)?;
        }
        let output = self.output(&signature, &graph.outputs)?;
        let Some(logits) = self.metas.get(&output).cloned() else {
            return Err(self.damaged("its output has no shape"));
        };
        let classes = match logits.sizes.as_slice() {
            [_, classes] => self.size(classes)?,
            other => {
                return Err(self.unsuitable(format!(
                    "its output has {} axes; a classifier's has two, images and classes",
                    other.len()
                )));
            }
        };
        self.program.output = self.value(&output)?;
        let family = self.program.modules.iter().flatten().next().map_or_else(
            || "torch.export program".to_owned(),
            |call| format!("torch.export program{}", class_name(&call.key)),
        );
        for call in self.program.modules.iter_mut().flatten() {
            // The class has served its purpose; the key is what tells calls apart.
            call.key
                .truncate(call.key.find('\u{0}').unwrap_or(call.key.len()));
        }
        let graph = self
            .program
            .finish(self.file, self.builder, self.constants)?;
        Ok(Loaded {
            graph,
            family,
            classes: usize::try_from(classes).unwrap_or(0),
            fixed_size,
            kind,
            guesses: Vec::new(),
        })
    }

    /// Makes constants of weights; returns what is said of the image.
    fn read_inputs(&mut self, signature: &Signature) -> Result<TensorMeta, ProgramError> {
        let mut image = None;
        for spec in &signature.input_specs {
            let (kind, body) =
                single(spec).ok_or_else(|| self.damaged("an input is not described"))?;
            let named = |field: &str| body.get(field).and_then(Value::as_str);
            let argument = body.pointer("/arg/name").and_then(Value::as_str);
            match (kind, argument) {
                ("user_input", _) => {
                    let name = body.pointer("/arg/as_tensor/name").and_then(Value::as_str);
                    let meta = name.and_then(|name| Some((name, self.metas.get(name)?)));
                    match (meta, &image) {
                        (Some((name, meta)), None) => {
                            self.values.insert(name.to_owned(), self.builder.input());
                            image = Some(meta.clone());
                        }
                        // An argument with a fixed value is not the caller's.
                        (None, _) => {}
                        (Some(_), Some(_)) => {
                            return Err(self.unsuitable(
                                "it takes more than one tensor; a classifier takes images only"
                                    .to_owned(),
                            ));
                        }
                    }
                }
                ("parameter", Some(argument)) => self.weight(argument, named("parameter_name"))?,
                ("buffer", Some(argument)) => self.weight(argument, named("buffer_name"))?,
                ("tensor_constant", Some(argument)) => {
                    self.weight(argument, named("tensor_constant_name"))?
                }
                _ => {
                    return Err(self.unsuitable(format!(
                        "it has an input of the kind {}, which gradcam does not know",
                        visible(kind)
                    )));
                }
            }
        }
        image.ok_or_else(|| {
            self.unsuitable("it takes no tensor; a classifier takes images".to_owned())
        })
    }

    fn weight(&mut self, argument: &str, name: Option<&str>) -> Result<(), ProgramError> {
        let name = name.unwrap_or(argument);
        let missing = || ProgramError::damaged(self.file, format!("the weight {name} is missing"));
        let tensor = match &self.weights {
            Weights::Inner(tensors) => tensors.get(name).map(Tensor::shallow_clone),
            Weights::Members(members) => match members.get(name) {
                None => None,
                Some((member, meta)) => {
                    let strided = Strided {
                        sizes: self.sizes(&meta.sizes)?,
                        strides: self.sizes(&meta.strides)?,
                        offset: self.size(&meta.storage_offset)?,
                    };
                    Some(
                        self.archive
                            .tensor(member, self.kind(meta.dtype)?, &strided)?,
                    )
                }
            },
        };
        let tensor = match (tensor, self.metas.get(argument)) {
            (Some(tensor), Some(meta)) if tensor.size() != self.sizes(&meta.sizes)? => {
                return Err(self.damaged(format!(
                    "the weight {name} has the shape {:?}",
                    tensor.size()
                )));
            }
            (Some(tensor), _) => tensor,
            (None, _) => return Err(missing()),
        };
        let id = self.builder.promise();
        self.constants.insert(id, tensor);
        self.values.insert(argument.to_owned(), id);
        Ok(())
    }

    /// Height and width of the image where they are fixed; one image at a time must be possible.
    fn input_size(&mut self, meta: &TensorMeta) -> Result<Option<(usize, usize)>, ProgramError> {
        let [batch, channels, height, width] = meta.sizes.as_slice() else {
            return Err(self.unsuitable(format!(
                "its input has {} axes; images have four",
                meta.sizes.len()
            )));
        };
        match batch {
            Size::Int(1) => {}
            Size::Int(fixed) => {
                return Err(self.unsuitable(format!(
                    "it was exported for {fixed} images at a time; export it with one image, or with dynamic_shapes for the first axis"
                )));
            }
            Size::Expression(expression) => {
                self.symbols.insert(expression.expr_str.clone(), 1);
            }
        }
        if !matches!(channels, Size::Int(3)) {
            return Err(self.unsuitable("its input does not have three channels; gradcam explains networks of colour images".to_owned()));
        }
        let mut fixed = Vec::new();
        for side in [height, width] {
            match side {
                Size::Int(side) => fixed.push(usize::try_from(*side).unwrap_or(0)),
                Size::Expression(Expression { expr_str, hint }) => {
                    let hint = hint.as_ref().and_then(|hint| hint.as_int).unwrap_or(224);
                    self.symbols.entry(expr_str.clone()).or_insert(hint);
                }
            }
        }
        // A free size is used as it was when the program was exported: what is computed from it is
        // computed once.
        let size = [height, width].map(|side| self.size(side));
        let [Ok(height), Ok(width)] = size else {
            return Err(self.damaged("the size of its input makes no sense"));
        };
        Ok(Some((
            usize::try_from(height).unwrap_or(0),
            usize::try_from(width).unwrap_or(0),
        )))
    }

    fn node(&mut self, node: JsonNode) -> Result<(), ProgramError> {
        if is_number(&node) || node.target.contains("_assert") {
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
                layer: super::innermost(&modules),
            });
        };
        let name = target.strip_suffix(".default").unwrap_or(target);
        let outputs = self.declare(&node)?;
        if let Some(source) = self.unchanged(name, &node)? {
            self.rename(&outputs, source);
            return Ok(());
        }
        let base = name.split('.').next().unwrap_or(name);
        if !super::allowed::is_allowed(&format!("aten::{base}")) {
            return Err(ProgramError::NotAllowed {
                file: self.file.to_owned(),
                operator: visible(&node.target),
                layer: super::innermost(&modules),
            });
        }
        let operator = self.builder.operator(name)?;
        let mut operands = Vec::new();
        for argument in &node.inputs {
            let Some(position) = operator.position(&argument.name) else {
                return Err(self.damaged(format!("{name} has no argument {}", argument.name)));
            };
            // The program runs where its weights are, and its numbers lie as they lie.
            if matches!(argument.name.as_str(), "device" | "layout" | "pin_memory") {
                continue;
            }
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

    /// The value that a node passes on as it is: of dropout, which does nothing in use.
    fn unchanged(&self, name: &str, node: &JsonNode) -> Result<Option<ValueId>, ProgramError> {
        if !matches!(
            name,
            "dropout" | "dropout_" | "feature_dropout" | "alpha_dropout" | "to.device"
        ) {
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

    fn size(&self, size: &Size) -> Result<i64, ProgramError> {
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

    fn sizes(&self, sizes: &[Size]) -> Result<Vec<i64>, ProgramError> {
        sizes.iter().map(|size| self.size(size)).collect()
    }

    /// The name of the logits: the first result that the caller gets.
    fn output(&self, signature: &Signature, outputs: &[Value]) -> Result<String, ProgramError> {
        for (spec, output) in signature.output_specs.iter().zip(outputs) {
            if let (Some(("user_output", _)), Some(name)) = (
                single(spec),
                output.pointer("/as_tensor/name").and_then(Value::as_str),
            ) {
                return Ok(name.to_owned());
            }
        }
        Err(self.unsuitable("it returns no tensor; a classifier returns logits".to_owned()))
    }

    fn value(&self, name: &str) -> Result<ValueId, ProgramError> {
        self.values
            .get(name)
            .copied()
            .ok_or_else(|| self.damaged(format!("the value {name} is read before it is made")))
    }

    fn kind(&self, number: u64) -> Result<Kind, ProgramError> {
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

    fn damaged(&self, reason: impl Into<String>) -> ProgramError {
        ProgramError::damaged(self.file, reason)
    }

    fn unsuitable(&self, reason: String) -> ProgramError {
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
fn single(value: &Value) -> Option<(&str, &Value)> {
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
fn class_name(key: &str) -> String {
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
