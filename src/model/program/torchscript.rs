//! TorchScript archives: `torch.jit.save` of a scripted or traced model.
//!
//! libtorch loads, inlines and simplifies the program for one size of images
//! ([`crate::model::script`]); the operator calls that are left become a graph. Archives that
//! `torch.jit.freeze` made have lost their module names; their layers are named by operation.

use std::path::Path;

use serde::Deserialize;

use super::nodes::{JsonNode, Translator};
use super::{Parts, ProgramError, allowed};
use crate::model::archive::Archive;
use crate::model::script::Script;
use crate::text::visible;

/// Operators of the language itself, without side effects, besides those of [`allowed`].
const LANGUAGE: &[&str] = &[
    "prim::Constant",
    "prim::CreateObject",
    "prim::DictConstruct",
    "prim::GetAttr",
    "prim::If",
    "prim::ListConstruct",
    "prim::ListUnpack",
    "prim::Loop",
    "prim::NumToTensor",
    "prim::RaiseException",
    "prim::SetAttr",
    "prim::TupleConstruct",
    "prim::TupleIndex",
    "prim::TupleUnpack",
    "prim::Uninitialized",
    "prim::device",
    "prim::dtype",
    "prim::layout",
    "prim::max",
    "prim::min",
    "prim::unchecked_cast",
    "prim::data",
    "prim::is_cuda",
    "prim::requires_grad",
    "prim::annotate",
    "aten::Bool",
    "aten::Float",
    "aten::FloatImplicit",
    "aten::Int",
    "aten::IntImplicit",
    "aten::ScalarImplicit",
    "aten::__and__",
    "aten::__contains__",
    "aten::__derive_index",
    "aten::__getitem__",
    "aten::__is__",
    "aten::__isnot__",
    "aten::__not__",
    "aten::__or__",
    "aten::__range_length",
    "aten::_set_item",
    "aten::append",
    "aten::ceil",
    "aten::dim",
    "aten::extend",
    "aten::floordiv",
    "aten::format",
    "aten::index",
    "aten::is_floating_point",
    "aten::item",
    "aten::len",
    "aten::list",
    "aten::numel",
    "aten::remainder",
    "aten::size",
    "aten::stride",
    "aten::warn",
    "aten::zeros_like",
    "aten::insert",
];

/// How to come by a file that gradcam reads whatever the model.
const ADVICE: &str = "export the model instead: \
    import torch; x = torch.randn(1, 3, 224, 224); \
    torch.export.save(torch.export.export(model.eval(), (x,)), \"model.pt2\")";

#[derive(Debug, Deserialize)]
struct Lowered {
    nodes: Vec<JsonNode>,
    input: String,
    output: String,
}

/// Reads a program for images of this height and width.
pub(super) fn read(
    file: &str,
    path: &Path,
    mut archive: Archive,
    (height, width): (usize, usize),
) -> Result<Parts, ProgramError> {
    let unsuitable = |reason: String| {
        ProgramError::unsuitable(file, format!("{}; {ADVICE}", visible(first_line(&reason))))
    };
    let own_code = archive.mentions("code/", b"__setstate__");
    if own_code.map_err(|error| ProgramError::archive(file, &error))? {
        return Err(unsuitable(
            "this TorchScript archive runs code of its own when it is loaded".to_owned(),
        ));
    }
    let script = Script::open(path).map_err(|reason| {
        unsuitable(format!(
            "this TorchScript archive cannot be loaded: {reason}"
        ))
    })?;
    for operator in script.operators() {
        if !allowed::is_allowed(&operator) && !LANGUAGE.contains(&operator.as_str()) {
            return Err(unsuitable(format!(
                "this TorchScript archive uses {operator}, which is not on gradcam's list of operations"
            )));
        }
    }
    let (json, tensors) = script
        .lower(height as i64, width as i64)
        .map_err(|reason| {
            unsuitable(format!(
                "this TorchScript archive cannot be taken apart: {reason}"
            ))
        })?;
    let lowered: Lowered = serde_json::from_str(&json)
        .map_err(|error| ProgramError::damaged(file, error.to_string()))?;
    let mut translator = Translator::new(file);
    let input = translator.builder.input();
    translator.values.insert(lowered.input, input);
    for (name, tensor) in tensors {
        translator.constant(&name, tensor);
    }
    for node in lowered.nodes {
        translator.node(&node)?;
    }
    translator.class();
    Ok(Parts {
        family: "TorchScript program".to_owned(),
        graph: translator.finish(&lowered.output)?,
        size: (height, width),
    })
}

fn first_line(text: &str) -> &str {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or(text)
}
