//! The forward pass of the graph beside the same network in libtorch called directly: its frozen
//! TorchScript program, with the same weights, the same image of 224x224 and the same threads, in
//! turns.
//!
//! `python benches/networks.py` makes the networks; its head says what it needs. Then
//!
//! ```text
//! cargo bench --bench forward -- [--only NAME] [--rounds N] [--threads N]
//! ```
//!
//! Medians in milliseconds after a warm-up, and the median over the rounds of the ratio to
//! TorchScript. `gradcam` is the program's own way: split at the default layer, with autograd behind
//! it. `logits` is the same without autograd, `one by one` without fused operations too. `bf16` is
//! `gradcam` with `--precision bf16`, where the processor has it.
#![expect(clippy::print_stdout, reason = "a bench prints what it has measured")]

#[path = "shared/inputs.rs"]
mod inputs;
#[path = "shared/turns.rs"]
mod turns;

use anyhow::Result;
use clap::Parser;
use gradcam::model::checkpoint::Checkpoint;
use gradcam::model::precision::{PrecisionChoice, processor_has_bfloat16};
use gradcam::model::{Input, LoadOptions, Model, ModelSource, run, zoo};
use gradcam::picture::decode::decode;
use inputs::input;
use tch::CModule;
use turns::{Work, in_turns};

/// In the order of `benches/networks.py`.
const NETWORKS: [&str; 4] = ["resnet50", "mobilenet_v2", "convnext_tiny", "vit_b_16"];

#[derive(Parser)]
struct Arguments {
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Only networks whose name has this.
    #[arg(long, default_value = "")]
    only: String,
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    #[arg(long, default_value_t = 2)]
    threads: i32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tch::set_num_threads(arguments.threads);
    println!(
        "threads: {}, rounds: {}",
        arguments.threads, arguments.rounds
    );
    for name in NETWORKS {
        if name.contains(&arguments.only) {
            compare(name, arguments.rounds)?;
        }
    }
    Ok(())
}

fn compare(name: &str, rounds: usize) -> Result<()> {
    let script = CModule::load(input(&format!("{name}.torchscript"))?)?;
    let source = ModelSource::File(input(&format!("{name}.safetensors"))?);
    let load = |precision| {
        let options = LoadOptions {
            precision,
            ..LoadOptions::default()
        };
        Model::load(&source, &options)
    };
    let model = load(PrecisionChoice::F32)?;
    let checkpoint = Checkpoint::open(&source)?;
    let plain = zoo::build(&checkpoint, None)?.into_graph(&checkpoint)?;
    let rounded = if processor_has_bfloat16() {
        Some(load(PrecisionChoice::Bf16)?)
    } else {
        None
    };
    let image = model.prepare(&decode(&input("image.png")?)?)?;

    let mut works = vec![
        Work::new("TorchScript", || {
            drop(tch::no_grad(|| script.forward_ts(&[&image.tensor]))?);
            Ok(())
        }),
        Work::new("gradcam", || forward(&model, &image)),
        Work::new("logits", || {
            drop(model.logits(&image.tensor)?);
            Ok(())
        }),
        Work::new("one by one", || {
            drop(run::logits(&plain, &image.tensor)?);
            Ok(())
        }),
    ];
    if let Some(rounded) = &rounded {
        works.push(Work::new("bf16", || forward(rounded, &image)));
    }
    let times = in_turns(&works, 3, rounds)?;
    println!("\n{name} ({})", model.summary().layer);
    for one in &times {
        println!(
            "{:>14} {:8.2} ms {:6.3}",
            one.name,
            one.median(),
            one.ratio_to(&times[0])
        );
    }
    Ok(())
}

fn forward(model: &Model, image: &Input) -> Result<()> {
    drop(model.run(image)?);
    Ok(())
}
