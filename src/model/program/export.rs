//! `.pt2`: what `torch.export.save` writes.
//!
//! JSON by `torch/_export/serde/schema.py` (major version 8), and the weights. From torch 2.9 on
//! each weight is a member of the archive; before, the weights are one `torch.save` file inside.
//! Kinds are numbered as torch.export does, not as c10 does.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use tch::Tensor;

use super::nodes::{Expression, JsonNode, Size, TensorMeta, Translator, single};
use super::symbols::symbol;
use super::{Parts, ProgramError};
use crate::model::archive::Archive;
use crate::model::mapped::Strided;
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
struct Signature {
    input_specs: Vec<Value>,
    output_specs: Vec<Value>,
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
pub(super) fn read(file: &str, mut archive: Archive) -> Result<Parts, ProgramError> {
    let old = !archive.has("models/model.json");
    let description = if old {
        "serialized_exported_program.json"
    } else {
        "models/model.json"
    };
    let text = archive
        .read(description)
        .map_err(|error| ProgramError::archive(file, &error))?;
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
        let read = |archive: &mut Archive, name: &str| {
            let bytes = archive.read(name);
            bytes.map_err(|error| ProgramError::archive(file, &error))
        };
        if archive.has("data/weights/model_weights_config.json") {
            let mut members = HashMap::new();
            for (config, folder) in [
                ("data/weights/model_weights_config.json", "data/weights"),
                (
                    "data/constants/model_constants_config.json",
                    "data/constants",
                ),
            ] {
                let config: WeightsConfig = serde_json::from_slice(&read(archive, config)?)
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
                tensors.extend(super::inner::tensors(file, name, &read(archive, name)?)?);
            }
        }
        Ok(Self::Inner(tensors))
    }
}

/// Reads inputs, nodes and outputs.
struct Reader<'a> {
    file: &'a str,
    archive: Archive,
    weights: Weights,
    translator: Translator<'a>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, archive: Archive, weights: Weights) -> Self {
        let translator = Translator::new(file);
        Self {
            file,
            archive,
            weights,
            translator,
        }
    }

    fn read(mut self, module: GraphModule) -> Result<Parts, ProgramError> {
        let GraphModule { graph, signature } = module;
        self.translator.metas = graph.tensor_values;
        self.translator.sym_ints = graph.sym_int_values;
        let image = self.read_inputs(&signature)?;
        let size = self.input_size(&image)?;
        for node in graph.nodes {
            self.translator.node(&node)?;
        }
        let output = self.output(&signature, &graph.outputs)?;
        let class = self.translator.class();
        Ok(Parts {
            family: format!("torch.export program{class}"),
            graph: self.translator.finish(&output)?,
            size,
        })
    }

    /// Makes constants of weights; returns what is said of the image.
    fn read_inputs(&mut self, signature: &Signature) -> Result<TensorMeta, ProgramError> {
        let mut image = None;
        for spec in &signature.input_specs {
            let (kind, body) =
                single(spec).ok_or_else(|| self.translator.damaged("an input is not described"))?;
            let named = |field: &str| body.get(field).and_then(Value::as_str);
            let argument = body.pointer("/arg/name").and_then(Value::as_str);
            match (kind, argument) {
                ("user_input", _) => {
                    let name = body.pointer("/arg/as_tensor/name").and_then(Value::as_str);
                    let meta = name.and_then(|name| Some((name, self.translator.metas.get(name)?)));
                    match (meta, &image) {
                        (Some((name, meta)), None) => {
                            let input = self.translator.builder.input();
                            self.translator.values.insert(name.to_owned(), input);
                            image = Some(meta.clone());
                        }
                        // An argument with a fixed value is not the caller's.
                        (None, _) => {}
                        (Some(_), Some(_)) => {
                            return Err(self.translator.unsuitable(
                                "it takes more than one tensor; a classifier takes images only"
                                    .to_owned(),
                            ));
                        }
                    }
                }
                ("parameter", Some(argument)) => self.weight(argument, named("parameter_name"))?,
                ("buffer", Some(argument)) => self.weight(argument, named("buffer_name"))?,
                ("tensor_constant", Some(argument)) => {
                    self.weight(argument, named("tensor_constant_name"))?;
                }
                _ => {
                    return Err(self.translator.unsuitable(format!(
                        "it has an input of the kind {}, which gradcam does not know",
                        visible(kind)
                    )));
                }
            }
        }
        image.ok_or_else(|| {
            self.translator
                .unsuitable("it takes no tensor; a classifier takes images".to_owned())
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
                        sizes: self.translator.sizes(&meta.sizes)?,
                        strides: self.translator.sizes(&meta.strides)?,
                        offset: self.translator.size(&meta.storage_offset)?,
                    };
                    let kind = self.translator.kind(meta.dtype)?;
                    let tensor = self.archive.tensor(member, kind, &strided);
                    Some(tensor.map_err(|error| ProgramError::archive(self.file, &error))?)
                }
            },
        };
        let tensor = match (tensor, self.translator.metas.get(argument)) {
            (Some(tensor), Some(meta))
                if tensor.size() != self.translator.sizes(&meta.sizes)? =>
            {
                return Err(self.translator.damaged(format!(
                    "the weight {name} has the shape {:?}",
                    tensor.size()
                )));
            }
            (Some(tensor), _) => tensor,
            (None, _) => return Err(missing()),
        };
        self.translator.constant(argument, tensor);
        Ok(())
    }

    /// Height and width of the image where they are fixed; one image at a time must be possible.
    fn input_size(&mut self, meta: &TensorMeta) -> Result<(usize, usize), ProgramError> {
        let [batch, channels, height, width] = meta.sizes.as_slice() else {
            return Err(self.translator.unsuitable(format!(
                "its input has {} axes; images have four",
                meta.sizes.len()
            )));
        };
        match batch {
            Size::Int(1) => {}
            Size::Int(fixed) => {
                return Err(self.translator.unsuitable(format!(
                    "it was exported for {fixed} images at a time; export it with one image, or with dynamic_shapes for the first axis"
                )));
            }
            Size::Expression(expression) => {
                let name = symbol(&expression.expr_str).unwrap_or(&expression.expr_str);
                self.translator.symbols.insert(name.to_owned(), 1);
            }
        }
        if !matches!(channels, Size::Int(3)) {
            return Err(self.translator.unsuitable("its input does not have three channels; gradcam explains networks of colour images".to_owned()));
        }
        let mut fixed = Vec::new();
        for side in [height, width] {
            match side {
                Size::Int(side) => fixed.push(usize::try_from(*side).unwrap_or(0)),
                Size::Expression(Expression { expr_str, hint }) => {
                    let hint = hint.as_ref().and_then(|hint| hint.as_int).unwrap_or(224);
                    self.translator
                        .symbols
                        .entry(symbol(expr_str).unwrap_or(expr_str).to_owned())
                        .or_insert(hint);
                }
            }
        }
        // A free size is used as it was when the program was exported: what is computed from it is
        // computed once.
        let size = [height, width].map(|side| self.translator.size(side));
        let [Ok(height), Ok(width)] = size else {
            return Err(self
                .translator
                .damaged("the size of its input makes no sense"));
        };
        Ok((
            usize::try_from(height).unwrap_or(0),
            usize::try_from(width).unwrap_or(0),
        ))
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
        Err(self
            .translator
            .unsuitable("it returns no tensor; a classifier returns logits".to_owned()))
    }
}
