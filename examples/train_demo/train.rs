//! Training: scenes drawn on the fly, soft targets for scenes with two objects.

use std::time::Instant;

use anyhow::Result;
use image::RgbImage;
use image::imageops::{FilterType, resize};
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};

use crate::export;
use crate::network::{INPUT, Network};
use crate::objects::CLASSES;
use crate::scene::Scene;

const BATCH: u64 = 64;
const PEAK_RATE: f64 = 3e-3;
/// Mean and standard deviation of the scenes' channels, rounded; part of the recipe.
pub(crate) const MEAN: [f32; 3] = [0.66, 0.64, 0.62];
pub(crate) const STD: [f32; 3] = [0.24, 0.24, 0.25];

pub(crate) fn train(seed: u64, steps: usize) -> Result<()> {
    let started = Instant::now();
    tch::manual_seed(seed.cast_signed());
    let variables = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&variables.root(), CLASSES.len() as i64);
    let config = nn::AdamW {
        wd: 0.02,
        ..nn::AdamW::default()
    };
    let mut optimizer = config.build(&variables, PEAK_RATE)?;
    println!(
        "training {steps} steps of {BATCH} scenes, {} parameters",
        parameters(&variables)
    );
    for step in 0..steps {
        optimizer.set_lr(PEAK_RATE * one_cycle(step as f64 / steps as f64));
        let (images, targets) = batch(seed, step as u64);
        let logits = network.forward(&images, /* train= */ true);
        let loss =
            -(logits.log_softmax(-1, Kind::Float) * &targets).sum(Kind::Float) / BATCH as f64;
        optimizer.backward_step(&loss);
        if step % 50 == 0 || step + 1 == steps {
            let right = logits
                .argmax(-1, false)
                .eq_tensor(&targets.argmax(-1, false));
            println!(
                "step {step:5}  loss {:.3}  top-1 in batch {:.2}  {:.0} s",
                loss.double_value(&[]),
                right
                    .to_kind(Kind::Float)
                    .mean(Kind::Float)
                    .double_value(&[]),
                started.elapsed().as_secs_f64(),
            );
        }
    }
    export::model(&variables)?;
    println!(
        "trained in {:.1} minutes",
        started.elapsed().as_secs_f64() / 60.0
    );
    Ok(())
}

/// Rises for a tenth of the way, then falls along a cosine (Smith and Topin 2017, arXiv 1708.07120).
fn one_cycle(progress: f64) -> f64 {
    if progress < 0.1 {
        0.05 + 0.95 * progress / 0.1
    } else {
        0.5 * (1.0 + (std::f64::consts::PI * (progress - 0.1) / 0.9).cos()) + 1e-3
    }
}

/// A batch of new scenes, two thirds of them with two objects, drawn on two threads.
fn batch(seed: u64, step: u64) -> (Tensor, Tensor) {
    let scenes: Vec<(Vec<f32>, Vec<f32>)> = std::thread::scope(|scope| {
        let halves = [0..BATCH / 2, BATCH / 2..BATCH].map(|range| {
            scope.spawn(move || {
                range
                    .map(|i| example(seed, step * BATCH + i))
                    .collect::<Vec<_>>()
            })
        });
        halves
            .into_iter()
            .flat_map(|half| half.join().unwrap_or_default())
            .collect()
    });
    let pixels: Vec<f32> = scenes
        .iter()
        .flat_map(|(pixels, _)| pixels.iter().copied())
        .collect();
    let targets: Vec<f32> = scenes
        .iter()
        .flat_map(|(_, target)| target.iter().copied())
        .collect();
    let (count, side) = (scenes.len() as i64, i64::from(INPUT));
    let images = Tensor::from_slice(&pixels).view([count, 3, side, side]);
    (
        images,
        Tensor::from_slice(&targets).view([count, CLASSES.len() as i64]),
    )
}

/// One scene as normalized pixels `[3, INPUT, INPUT]` and its target distribution.
fn example(seed: u64, index: u64) -> (Vec<f32>, Vec<f32>) {
    let scene = Scene::random(seed, index, 1 + usize::from(!index.is_multiple_of(3)));
    // Half of the scenes are drawn larger and reduced, as photographs and the samples are.
    let side = if index % 4 < 2 { INPUT } else { INPUT * 2 };
    let (picture, _) = scene.draw(side);
    let picture = if side == INPUT {
        picture
    } else {
        resize(&picture, INPUT, INPUT, FilterType::Triangle)
    };
    let mut target = vec![0.0; CLASSES.len()];
    for object in &scene.objects {
        target[object.class] = 1.0 / scene.objects.len() as f32;
    }
    (normalized(&picture), target)
}

fn normalized(picture: &RgbImage) -> Vec<f32> {
    (0..3)
        .flat_map(|channel| {
            picture.pixels().map(move |pixel| {
                (f32::from(pixel[channel]) / 255.0 - MEAN[channel]) / STD[channel]
            })
        })
        .collect()
}

fn parameters(variables: &nn::VarStore) -> usize {
    variables
        .trainable_variables()
        .iter()
        .map(Tensor::numel)
        .sum()
}
