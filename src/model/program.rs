//! Program: a network that brings its own graph, whatever its architecture.
//!
//! `torch.export` writes operations, weights and module names ([`export`]); TorchScript does too,
//! once libtorch has inlined and simplified it. Both become the same [`Graph`] as the networks that
//! are built from a checkpoint's names. Only operations on the list of [`allowed`] are run: an
//! operator by name can write files.

mod allowed;
mod export;
mod functional;
mod inner;
mod nodes;
mod symbols;
mod torchscript;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use tch::{Kind, Tensor};

use super::archive::{Archive, ArchiveError};
use super::dispatch::DispatchError;
use super::graph::{Builder, Graph, Layer, Node, ValueId};
use crate::text::visible;

/// A network read from an archive.
#[derive(Debug)]
pub struct Loaded {
    pub graph: Graph,
    /// For people: "torch.export program of ResNet".
    pub family: String,
    /// First 16 hexadecimal digits of the file's BLAKE3 hash.
    pub fingerprint: String,
    /// Height and width of the input; the program takes no other.
    pub size: (usize, usize),
    pub guesses: Vec<String>,
}

/// Why a program cannot be used. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("{file} is damaged: {reason}")]
    Damaged { file: String, reason: String },
    #[error("{file}: {reason}")]
    Unsuitable { file: String, reason: String },
    #[error(
        "{file} uses {operator} in {layer}, which is not on gradcam's list of operations; \
         please report it with the name of the architecture"
    )]
    NotAllowed {
        file: String,
        operator: String,
        layer: String,
    },
    #[error(
        "{file} overwrites a part of a tensor that is read by another name ({operator} in {layer}); \
         export it again without overwriting: torch.export.save(torch.export.export(model, (x,)).run_decompositions({{}}), \"model.pt2\")"
    )]
    Overwrites {
        file: String,
        operator: String,
        layer: String,
    },
    #[error(transparent)]
    Operator(#[from] DispatchError),
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
}

impl ProgramError {
    fn damaged(file: &str, reason: impl Into<String>) -> Self {
        let reason = visible(&reason.into());
        Self::Damaged {
            file: file.to_owned(),
            reason,
        }
    }

    fn archive(file: &str, error: &ArchiveError) -> Self {
        Self::damaged(file, error.to_string())
    }

    fn unsuitable(file: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Unsuitable {
            file: file.to_owned(),
            reason,
        }
    }
}

const EXPORTED: &[&str] = &["models/model.json", "serialized_exported_program.json"];
const SCRIPTED: &[&str] = &["constants.pkl"];

/// Whether a file brings its own graph.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    names_in_zip(path, EXPORTED) || (names_in_zip(path, SCRIPTED) && has_forward(path))
}

/// Archives of named tensors, such as `.ot`, look like programs and have nothing to run.
fn has_forward(path: &Path) -> bool {
    Archive::open(path)
        .and_then(|mut archive| archive.mentions("code/", b"def forward("))
        .unwrap_or(false)
}

/// Whether the directory of a zip archive, which stands at its end, has one of these names.
fn names_in_zip(path: &Path, names: &[&str]) -> bool {
    const DIRECTORY: u64 = 1 << 20;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let mut start = [0; 2];
        file.read_exact(&mut start)?;
        let mut end = Vec::new();
        if start == *b"PK" {
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(DIRECTORY)))?;
            file.take(DIRECTORY).read_to_end(&mut end)?;
        }
        Ok(end)
    };
    // A file that cannot be read is reported by whoever opens it as a checkpoint.
    let end = read().unwrap_or_default();
    names
        .iter()
        .any(|name| end.windows(name.len()).any(|part| part == name.as_bytes()))
}

/// What a format's reader gives.
struct Parts {
    family: String,
    graph: Graph,
    size: (usize, usize),
}

/// Reads a program. A TorchScript program, which does not say the size of its input, is made for
/// the wanted height and width. Nothing is executed but the operations of its graph.
///
/// # Errors
/// When it is damaged, no image classifier, or uses an operation that is not allowed.
pub fn open(path: &Path, wanted: (usize, usize)) -> Result<Loaded, ProgramError> {
    let file = visible(&path.display().to_string());
    let mut content =
        File::open(path).map_err(|error| ProgramError::damaged(&file, error.to_string()))?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(&mut content)
        .map_err(|error| ProgramError::damaged(&file, error.to_string()))?;
    let archive = Archive::open(path).map_err(|error| ProgramError::archive(&file, &error))?;
    let mut parts = if names_in_zip(path, EXPORTED) {
        export::read(&file, archive)?
    } else {
        torchscript::read(&file, path, archive, wanted)?
    };
    let mut guesses = Vec::new();
    if to_float32(&mut parts.graph)? {
        guesses.push("the program has numbers of 16 or 64 bits, and is run with 32".to_owned());
    }
    Ok(Loaded {
        graph: parts.graph,
        family: parts.family,
        fingerprint: hasher.finalize().to_hex().chars().take(16).collect(),
        size: parts.size,
        guesses,
    })
}

/// Images have numbers of 32 bits. Those of 16 bits are slow on most processors, and gradients of
/// them coarse.
fn to_float32(graph: &mut Graph) -> Result<bool, ProgramError> {
    let mut changed = false;
    for tensor in graph.constants.values_mut() {
        if matches!(tensor.kind(), Kind::Half | Kind::BFloat16 | Kind::Double) {
            *tensor = tensor.f_to_kind(Kind::Float)?;
            changed = true;
        }
    }
    Ok(changed)
}

/// A program on its way to a graph.
#[derive(Debug)]
struct Program {
    nodes: Vec<Node>,
    /// For each node, the modules that it runs in, outermost first.
    modules: Vec<Vec<Call>>,
    output: ValueId,
}

/// One call of a module: its dotted name, and which of its calls it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    /// Unique for each call.
    key: String,
    name: String,
}

impl Default for Program {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            modules: Vec::new(),
            output: ValueId(0),
        }
    }
}

impl Program {
    /// Checks, simplifies, and names the layers.
    fn finish(
        mut self,
        file: &str,
        mut builder: Builder,
        constants: HashMap<ValueId, Tensor>,
    ) -> Result<Graph, ProgramError> {
        for (node, modules) in self.nodes.iter().zip(&self.modules) {
            let operator = node.operator.name();
            if !allowed::is_allowed(operator) {
                return Err(ProgramError::NotAllowed {
                    file: file.to_owned(),
                    operator: visible(operator),
                    layer: innermost(modules),
                });
            }
        }
        if let Err(found) = functional::make_functional(&mut self, &mut builder)? {
            let at = self
                .nodes
                .iter()
                .position(|node| node.outputs.first().copied() == found.output);
            return Err(ProgramError::Overwrites {
                file: file.to_owned(),
                operator: visible(&found.operator),
                layer: at.map_or_else(String::new, |at| innermost(&self.modules[at])),
            });
        }
        let mut layers = self.layers();
        if layers.is_empty() {
            layers = self.layers_by_operation();
        }
        let mut graph = builder.finish(self.output);
        graph.nodes = self.nodes;
        graph.constants = constants;
        graph.layers = layers;
        graph.fold_constants()?;
        Ok(graph)
    }

    /// `conv2d_1` and so on: what is left when a program has no module names.
    fn layers_by_operation(&self) -> Vec<Layer> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        self.nodes
            .iter()
            .filter_map(|node| {
                let operation = node
                    .operator
                    .name()
                    .trim_start_matches("aten::")
                    .trim_end_matches('_');
                let count = counts.entry(node.operator.name()).or_insert(0);
                *count += 1;
                let name = format!("{operation}_{count}");
                Some(Layer {
                    name,
                    output: *node.outputs.first()?,
                    layout: None,
                })
            })
            .collect()
    }

    /// A module outputs what is made inside it and read outside; the last of several.
    fn layers(&self) -> Vec<Layer> {
        let mut last_inside: HashMap<&str, usize> = HashMap::new();
        let mut maker: HashMap<ValueId, usize> = HashMap::new();
        for (index, (node, modules)) in self.nodes.iter().zip(&self.modules).enumerate() {
            maker.extend(node.outputs.iter().map(|output| (*output, index)));
            for call in modules {
                last_inside.insert(&call.key, index);
            }
        }
        // What each call makes that is read outside of it, in the order in which it is made.
        let mut made: HashMap<&str, (usize, ValueId)> = HashMap::new();
        let mut read = |value: ValueId, reader: &[Call]| {
            let Some(&at) = maker.get(&value) else { return };
            for call in &self.modules[at] {
                let inside = reader.iter().any(|other| other.key == call.key);
                if !inside {
                    let best = made.entry(&call.key).or_insert((at, value));
                    if at >= best.0 {
                        *best = (at, value);
                    }
                }
            }
        };
        for (node, modules) in self.nodes.iter().zip(&self.modules) {
            for value in node.reads() {
                read(value, modules);
            }
        }
        read(self.output, &[]);
        let mut calls: Vec<(usize, usize, &Call, ValueId)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for call in self
            .modules
            .iter()
            .flatten()
            .filter(|call| !call.name.is_empty())
        {
            if let Some((_, value)) = made.get(call.key.as_str())
                && seen.insert(&call.key)
            {
                let end = last_inside.get(call.key.as_str()).copied().unwrap_or(0);
                // Inner modules finish before those around them.
                calls.push((end, usize::MAX - call.name.len(), call, *value));
            }
        }
        calls.sort_by_key(|(end, depth, _, _)| (*end, *depth));
        let mut names: HashMap<&str, usize> = HashMap::new();
        calls
            .into_iter()
            .map(|(_, _, call, output)| {
                let count = names.entry(&call.name).or_insert(0);
                *count += 1;
                // A module that is called again outputs something else each time.
                let name = if *count == 1 {
                    call.name.clone()
                } else {
                    format!("{}@{count}", call.name)
                };
                Layer {
                    name,
                    output,
                    layout: None,
                }
            })
            .collect()
    }
}

fn innermost(modules: &[Call]) -> String {
    modules
        .iter()
        .rev()
        .find(|call| !call.name.is_empty())
        .map_or_else(
            || "the outermost module".to_owned(),
            |call| format!("layer {}", visible(&call.name)),
        )
}

#[cfg(test)]
mod tests;
