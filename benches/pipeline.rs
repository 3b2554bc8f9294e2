//! The pipeline of `gradcam score` beside the bare forward pass: images a second from files on the
//! disk to scores, to images a second that the frozen TorchScript program of the same network runs in
//! libtorch called directly, on tensors that are prepared, in turns.
//!
//! `python benches/networks.py` makes the networks. Then
//!
//! ```text
//! cargo bench --bench pipeline -- --images FOLDER [--only NAME] [--rounds N] [--batch N] [--lanes N]
//! ```
//!
//! Medians, and the median over the rounds of the ratio. The bare pass has all cores for each
//! operation and runs images one by one and in batches; the faster of the two counts. `read` is what
//! reading alone takes: decoding and preparing, on all cores.
#![expect(clippy::print_stdout, reason = "a bench prints what it has measured")]

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use gradcam::dataset::ImageEntry;
use gradcam::dataset::scan::{ScanOptions, scan};
use gradcam::dataset::score::Score;
use gradcam::explain::score::{Subject, score};
use gradcam::model::device::DeviceChoice;
use gradcam::model::{LoadOptions, Model, ModelSource};
use gradcam::pipeline::{Crew, Engine, Ready, Wishes, Work, run};
use tch::{CModule, Kind, Tensor};

const NETWORKS: [&str; 2] = ["resnet50", "mobilenet_v2"];

#[derive(Parser)]
struct Arguments {
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// A folder of images.
    #[arg(long)]
    images: PathBuf,
    /// Only networks whose name has this.
    #[arg(long, default_value = "")]
    only: String,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[arg(long)]
    batch: Option<usize>,
    /// Threads with a model each; as many as there are cores without it.
    #[arg(long)]
    lanes: Option<usize>,
}

struct Scorer {
    /// Whether the network runs at all.
    runs: bool,
}

impl Work for Scorer {
    type Found = Option<Score>;
    type Done = ();

    fn keeps_photo(&self) -> bool {
        false
    }

    fn run(
        &self,
        model: &Model,
        images: &[Ready],
        full: usize,
    ) -> Vec<Result<Option<Score>, String>> {
        if !self.runs {
            return images.iter().map(|_| Ok(None)).collect();
        }
        let subjects: Vec<Subject<'_>> = images
            .iter()
            .map(|image| Subject {
                seen: &image.seen,
                geometry: &image.geometry,
                truth: &[],
            })
            .collect();
        match score(model, &subjects, full, &|| false) {
            Ok(scores) => scores.into_iter().map(|score| score.map(Some)).collect(),
            Err(error) => vec![Err(error.to_string()); images.len()],
        }
    }

    fn finish(&self, _: &Ready, _: Option<Score>) -> Result<(), String> {
        Ok(())
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options = ScanOptions {
        recursive: true,
        hidden: false,
    };
    let images = scan(std::slice::from_ref(&arguments.images), options)?.images;
    println!("images: {}, rounds: {}", images.len(), arguments.rounds);
    for name in NETWORKS {
        if name.contains(&arguments.only) {
            compare(name, &arguments, &images)?;
        }
    }
    Ok(())
}

fn compare(name: &str, arguments: &Arguments, images: &[ImageEntry]) -> Result<()> {
    let path = |ending: &str| PathBuf::from(format!("target/bench/{name}.{ending}"));
    let wishes = Wishes {
        devices: vec![DeviceChoice::Cpu],
        jobs: None,
        batch: arguments.batch,
    };
    let mut crew = Crew::new(&wishes, None, |_| false);
    if let Some(lanes) = arguments.lanes {
        crew.threads = (crew.threads * crew.devices.len() / lanes).max(1);
        crew.devices = vec![DeviceChoice::Cpu; lanes];
    }
    let source = ModelSource::File(path("safetensors"));
    let program = CModule::load(path("torchscript"))
        .context("`python benches/networks.py` makes the networks")?;
    let mut ratios = Vec::new();
    let (mut bare, mut whole, mut read) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        bare.push(forward(&program, 1)?.max(forward(&program, crew.batch as i64)?));
        whole.push(scored(&source, &crew, images, true)?);
        read.push(scored(&source, &crew, images, false)?);
        ratios.push(whole[whole.len() - 1] / bare[bare.len() - 1]);
    }
    println!(
        "{name}: {} lanes of {} threads, batch {}: score {:.1}, bare {:.1}, read {:.1} images/s; score to bare {:.2}",
        crew.devices.len(),
        crew.threads,
        crew.batch,
        median(whole),
        median(bare),
        median(read),
        median(ratios)
    );
    Ok(())
}

/// Images a second of the bare forward pass.
fn forward(program: &CModule, batch: i64) -> Result<f64> {
    const IMAGES: i64 = 64;
    let cores = std::thread::available_parallelism()?.get();
    tch::set_num_threads(i32::try_from(cores)?);
    let input = Tensor::f_rand([batch, 3, 224, 224], (Kind::Float, tch::Device::Cpu))?;
    tch::no_grad(|| {
        drop(program.forward_ts(&[&input])?);
        let start = Instant::now();
        for _ in 0..IMAGES / batch {
            drop(program.forward_ts(&[&input])?);
        }
        let images = (IMAGES / batch * batch) as f64;
        Ok(images / start.elapsed().as_secs_f64())
    })
}

/// Images a second from files to scores, once the model is loaded.
fn scored(source: &ModelSource, crew: &Crew, images: &[ImageEntry], runs: bool) -> Result<f64> {
    let (load, stopped) = (LoadOptions::default(), AtomicBool::new(false));
    let engine = Engine {
        source,
        load: &load,
        crew,
        stopped: &stopped,
    };
    let mut start = Instant::now();
    let mut failures = 0;
    run(
        engine,
        |_| {
            start = Instant::now();
            Ok((Scorer { runs }, images.to_vec()))
        },
        |_, _, _, result| {
            failures += usize::from(result.is_err());
            Ok(())
        },
        |_| {},
    )?;
    anyhow::ensure!(failures == 0, "{failures} images failed");
    Ok(images.len() as f64 / start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
