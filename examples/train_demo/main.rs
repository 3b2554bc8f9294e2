//! Makes the bundled demo model from nothing: draws scenes, trains a small residual network on
//! them, and writes `assets/demo/`. `--evaluate` measures the bundled model on fresh scenes.
//!
//! ```text
//! cargo run --release --example train_demo                  train and write everything
//! cargo run --release --example train_demo -- --samples     redraw the sample images only
//! cargo run --release --example train_demo -- --evaluate    measure the bundled model
//! ```
//!
//! The same seed gives the same scenes and starting weights; sums in another order (threads,
//! processor) can move the trained weights in their last digits.
#![expect(
    clippy::print_stdout,
    reason = "a program of its own whose output is its result"
)]

mod brush;
mod evaluate;
mod export;
mod network;
mod objects;
mod random;
mod scene;
mod train;

use anyhow::{Result, bail};

const USAGE: &str =
    "usage: train_demo [--samples | --evaluate] [--seed N] [--steps N] [--scenes N]";

fn main() -> Result<()> {
    let (mut mode, mut seed, mut steps, mut scenes) = ("train", 7_u64, 2800_usize, 2000_u64);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse::<u32>().ok());
        match argument.as_str() {
            "--samples" => mode = "samples",
            "--evaluate" => mode = "evaluate",
            "--seed" => seed = u64::from(number().ok_or_else(|| anyhow::anyhow!(USAGE))?),
            "--steps" => steps = number().ok_or_else(|| anyhow::anyhow!(USAGE))? as usize,
            "--scenes" => scenes = u64::from(number().ok_or_else(|| anyhow::anyhow!(USAGE))?),
            _ => bail!(USAGE),
        }
    }
    match mode {
        "evaluate" => evaluate::evaluate(seed + 1_000_000, scenes),
        "samples" => export::samples(),
        _ => {
            train::train(seed, steps)?;
            export::samples()?;
            println!("now measure it: cargo run --release --example train_demo -- --evaluate");
            Ok(())
        }
    }
}
