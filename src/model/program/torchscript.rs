//! TorchScript archives: `torch.jit.save` of a scripted or traced model.
//!
//! libtorch loads and inlines the program, and it is run once on an empty image of one size
//! ([`crate::model::script`]); the operator calls that it makes become a graph. Archives that
//! `torch.jit.freeze` made have lost their module names; their layers are named by operation.

use std::path::Path;

use serde::Deserialize;

use super::nodes::{JsonNode, Translator};
use super::{Parts, ProgramError, allowed};
use crate::model::archive::Archive;
use crate::model::pickle::Pickle;
use crate::model::script::Script;
use crate::text::visible;

/// Operators of the language itself, on numbers, texts and lists, besides those of [`allowed`].
const LANGUAGE: &[&str] = &[
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
    "aten::__xor__",
    "aten::_set_item",
    "aten::append",
    "aten::ceil",
    "aten::clear",
    "aten::dim",
    "aten::extend",
    "aten::floordiv",
    "aten::format",
    "aten::get",
    "aten::insert",
    "aten::is_floating_point",
    "aten::item",
    "aten::items",
    "aten::keys",
    "aten::len",
    "aten::list",
    "aten::mod",
    "aten::numel",
    "aten::pop",
    "aten::remainder",
    "aten::reverse",
    "aten::round",
    "aten::size",
    "aten::str",
    "aten::stride",
    "aten::tensor",
    "aten::values",
    "prim::NumToTensor",
    "prim::device",
    "prim::dtype",
    "prim::is_cuda",
    "prim::layout",
    "prim::max",
    "prim::min",
    "prim::requires_grad",
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
    let unsuitable = |reason: &str| {
        let reason = visible(first_line(reason));
        ProgramError::unsuitable(
            file,
            format!("this TorchScript archive cannot be used: {reason}; {ADVICE}"),
        )
    };
    let own_code = archive.mentions("code/", b"__setstate__");
    if own_code.map_err(|error| ProgramError::archive(file, &error))? {
        return Err(unsuitable("it runs code of its own when it is loaded"));
    }
    Pickle::check_script(&mut archive)
        .map_err(|error| ProgramError::damaged(file, error.to_string()))?;
    let script = Script::open(path).map_err(|reason| unsuitable(&reason))?;
    let (json, tensors) = script
        .lower(height as i64, width as i64, |operator| {
            allowed::is_allowed(operator) || LANGUAGE.contains(&operator)
        })
        .map_err(|reason| unsuitable(&reason))?;
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
