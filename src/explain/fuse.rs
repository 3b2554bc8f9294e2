//! From a method's evidence to one map: over channels, over layers, over changed images.
//!
//! Over several layers and over changed images the maps are scaled first and brought to the
//! input's size, as pytorch-grad-cam's `aggregate_multi_layers` and `forward_augmentation_smoothing`
//! do.

use tch::{Kind, Tensor};

use super::methods::{Case, Evidence, Reads, Watch, pixels, refine_cam};
use super::options::{Fusion, Options};
use super::target::Score;
use super::{ExplainError, principal};
use crate::heatmap::{Grid, Heatmap};
use crate::model::passes::Passes;
use crate::model::{Input, Model};

/// Contrasts at which `aug_smooth` looks at the image and at its mirror image.
const CONTRASTS: [f64; 3] = [0.9, 1.0, 1.1];

/// A map before its ReLU, and the channels' weights where one layer was read.
pub(super) struct Found {
    pub(super) raw: Grid,
    pub(super) weights: Vec<f32>,
}

/// The target layers, one at least.
pub(super) fn layers(model: &Model, options: &Options) -> Result<Vec<String>, ExplainError> {
    let method = options.method.method();
    let own = &model.summary().layer;
    Ok(match (method.reads, options.layers.as_slice()) {
        (Reads::Layer, named) if method.fusion.is_some() && named.len() < 2 => {
            model.stages(named.first().unwrap_or(own), refine_cam::STAGES)?
        }
        (Reads::Layer, [_, ..]) => options.layers.clone(),
        _ => vec![own.clone()],
    })
}

/// The map of a score.
pub(super) fn map(
    model: &Model,
    input: &Input,
    passes: &mut Passes,
    layers: &[String],
    score: Score,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Found, ExplainError> {
    if !options.aug_smooth {
        return over_layers(model, input, passes, layers, score, options, watch);
    }
    let mut sum: Option<Grid> = None;
    let total = 2 * CONTRASTS.len();
    for part in 0..total {
        let mirrored = part < CONTRASTS.len();
        let changed = changed(input, mirrored, CONTRASTS[part % CONTRASTS.len()])?;
        let watch = &mut Part { watch, part, total };
        watch.step(0, 1)?;
        let mut passes = Passes::default();
        let found = over_layers(model, &changed, &mut passes, layers, score, options, watch)?;
        let map = at_input(&found.raw, input);
        let map = if mirrored { map.mirrored() } else { map };
        sum = Some(match sum {
            None => map,
            Some(sum) => sum.with(&map, |a, b| a + b),
        });
    }
    let sum = sum.unwrap_or_else(|| Grid::new(0, 0, Vec::new()));
    Ok(Found {
        raw: sum.map(|value| value / total as f32),
        weights: Vec::new(),
    })
}

/// The input as it looks mirrored, at another contrast.
fn changed(input: &Input, mirrored: bool, contrast: f64) -> Result<Input, ExplainError> {
    let mut tensor = input.tensor.f_mul_scalar(contrast)?;
    if mirrored {
        tensor = tensor.f_flip([3])?;
    }
    Ok(Input {
        tensor,
        seen: input.seen.clone(),
        geometry: input.geometry,
    })
}

fn over_layers(
    model: &Model,
    input: &Input,
    passes: &mut Passes,
    layers: &[String],
    score: Score,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Found, ExplainError> {
    let mut fused: Option<Grid> = None;
    for (part, layer) in layers.iter().enumerate() {
        let pass = passes.at(model, input, layer)?;
        let case = Case {
            model,
            input,
            pass,
            score,
        };
        let total = layers.len();
        let found = one(&case, options, &mut Part { watch, part, total })?;
        if total == 1 {
            return Ok(found);
        }
        let map = match options.joined_by() {
            Fusion::Mean | Fusion::Max => scaled(&found.raw, input),
            Fusion::Product => at_input(&found.raw, input),
        };
        fused = Some(match fused {
            None => map,
            Some(fused) => fused.with(&map, |a, b| match options.joined_by() {
                Fusion::Mean => a + b,
                Fusion::Max => a.max(b),
                Fusion::Product => a * b,
            }),
        });
    }
    let fused = fused.unwrap_or_else(|| Grid::new(0, 0, Vec::new()));
    let raw = match options.joined_by() {
        Fusion::Mean => fused.map(|value| value / layers.len() as f32),
        Fusion::Max | Fusion::Product => fused,
    };
    Ok(Found {
        raw,
        weights: Vec::new(),
    })
}

fn one(case: &Case<'_>, options: &Options, watch: &mut dyn Watch) -> Result<Found, ExplainError> {
    match (options.method.method().evidence)(case, watch)? {
        Evidence::Map(raw) => Ok(Found {
            raw,
            weights: Vec::new(),
        }),
        Evidence::Channels { shares, weights } => Ok(Found {
            raw: if options.eigen_smooth {
                principal::component(&shares)?
            } else {
                over_channels(&shares)?
            },
            weights: weights.unwrap_or_default(),
        }),
    }
}

/// The sum over channels of `[channels, height, width]`.
fn over_channels(shares: &Tensor) -> Result<Grid, ExplainError> {
    pixels::grid(&shares.f_sum_dim_intlist(0_i64, false, Kind::Float)?)
}

/// A layer's map, scaled on its grid and then brought to the input's size: its largest value may be
/// below 1 there.
fn scaled(raw: &Grid, input: &Input) -> Grid {
    let size = input.geometry.input;
    let heatmap = Heatmap::from_raw(raw);
    heatmap
        .grid
        .upsample(size.width as usize, size.height as usize)
}

/// The final map at the input's size.
fn at_input(raw: &Grid, input: &Input) -> Grid {
    let size = input.geometry.input;
    Heatmap::from_raw(raw).upsample(size.width as usize, size.height as usize)
}

/// A part of the work, as its whole sees it.
#[expect(
    clippy::struct_field_names,
    reason = "the number of a part has no better name"
)]
struct Part<'a> {
    watch: &'a mut dyn Watch,
    part: usize,
    total: usize,
}

impl Watch for Part<'_> {
    fn step(&mut self, done: usize, total: usize) -> Result<(), ExplainError> {
        self.watch
            .step(self.part * total + done, self.total * total)
    }
}
