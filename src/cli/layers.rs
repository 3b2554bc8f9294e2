//! `gradcam layers`: what can be a target layer, and why the others cannot.

use std::io::Write;

use anyhow::Result;
use unicode_width::UnicodeWidthStr;

use super::LayersSettings;
use crate::model::{LayerSummary, Model};
use crate::text::{json, padded, visible};

/// Prints the table of layers, or one JSON object a line.
///
/// # Errors
/// When the model cannot be loaded or the output not be written.
pub fn run(settings: &LayersSettings, out: &mut dyn Write) -> Result<()> {
    let model = Model::load(&settings.model, &settings.load)?;
    let layers = model.layers()?;
    if settings.json {
        for layer in &layers {
            writeln!(out, "{}", json(layer)?)?;
        }
        return Ok(());
    }
    let summary = model.summary();
    writeln!(
        out,
        "{}: {}, {} classes, {} layers",
        summary.name,
        summary.family,
        summary.classes,
        layers.len()
    )?;
    let width = |text: fn(&LayerSummary) -> String| {
        layers
            .iter()
            .map(|layer| text(layer).width())
            .max()
            .unwrap_or(0)
    };
    let (names, operations, shapes) = (
        width(|layer| visible(&layer.name)),
        width(|layer| visible(&layer.operation)),
        width(LayerSummary::shape_in_words),
    );
    for layer in &layers {
        let row = format!(
            "  {}  {}  {:shapes$}  {}",
            padded(&visible(&layer.name), names),
            padded(&visible(&layer.operation), operations),
            layer.shape_in_words(),
            layer.note()
        );
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}
