//! Measures the bundled model on fresh scenes, through gradcam's own engine.

use anyhow::{Result, bail};
use gradcam::explain::methods::Unwatched;
use gradcam::explain::options::Options;
use gradcam::explain::{explain, predictions};
use gradcam::model::passes::Passes;
use gradcam::model::{ClassIndex, Input, LoadOptions, Model, ModelSource};

use crate::export::folder;
use crate::network::INPUT;
use crate::scene::{PixelBox, Scene};

/// Scenes are drawn this large and go through the model's own recipe.
const SIDE: u32 = 2 * INPUT;
/// What the figures must reach.
const GOALS: [(&str, f64); 3] = [
    ("top-1 on scenes with one object", 97.0),
    (
        "pointing game: the map's maximum lies in the object's box",
        95.0,
    ),
    (
        "two objects: both maxima lie in their boxes when the target is switched",
        85.0,
    ),
];

/// Prints how often the model and its maps are right; fails where a goal is missed.
pub(crate) fn evaluate(seed: u64, scenes: u64) -> Result<()> {
    let model = Model::load(
        &ModelSource::File(folder().join("model.safetensors")),
        &LoadOptions::default(),
    )?;
    let (mut right, mut pointed, mut both) = (0_u64, 0_u64, 0_u64);
    for index in 0..scenes {
        let scene = Scene::random(seed, index, 1);
        let (picture, boxes) = scene.draw(SIDE);
        let (input, mut passes) = (model.prepare(&picture)?, Passes::default());
        let class = scene.objects[0].class;
        let logits = passes
            .at(&model, &input, &model.summary().layer)?
            .logits()
            .to_vec();
        right += u64::from(predictions(&model, &input, &logits, 1)?[0].class.0 == class);
        pointed += u64::from(points_into(&model, &input, &mut passes, class, boxes[0])?);

        let scene = Scene::random(seed, scenes + index, 2);
        let (picture, boxes) = scene.draw(SIDE);
        let (input, mut passes) = (model.prepare(&picture)?, Passes::default());
        let mut hits = true;
        for (object, bounds) in scene.objects.iter().zip(boxes) {
            hits &= points_into(&model, &input, &mut passes, object.class, bounds)?;
        }
        both += u64::from(hits);
    }
    println!("{scenes} scenes with one object and {scenes} with two, seed {seed}");
    let mut missed = false;
    for ((name, goal), count) in GOALS.into_iter().zip([right, pointed, both]) {
        let reached = 100.0 * count as f64 / scenes as f64;
        missed |= reached < goal;
        println!("{reached:5.1} %  {name} (goal {goal} %)");
    }
    if missed {
        bail!("a goal is missed");
    }
    Ok(())
}

/// Whether the maximum of the class's map, upsampled to the input, lies in a box of the scene.
fn points_into(
    model: &Model,
    input: &Input,
    passes: &mut Passes,
    class: usize,
    bounds: PixelBox,
) -> Result<bool> {
    let options = Options::default();
    let class = ClassIndex(class);
    let explanation = explain(model, input, passes, class, &options, &mut Unwatched)?;
    let side = INPUT as usize;
    let map = explanation.heatmap.upsample(side, side);
    let Some((at, peak)) = map
        .values
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
    else {
        return Ok(false);
    };
    let scale = SIDE / INPUT;
    let [x, y] = [at % side, at / side].map(|p| u32::try_from(p).unwrap_or(u32::MAX) * scale);
    let [left, top, right, bottom] = bounds;
    Ok(*peak > 0.0 && (left..right).contains(&x) && (top..bottom).contains(&y))
}
