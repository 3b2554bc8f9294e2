//! Whether memory stays flat over a long review: many images, five classes and three layers each.
//!
//! ```text
//! cargo bench --bench memory -- [--images N] [--model FILE] [--cache-mb N]
//! ```
//!
//! Goes the way of the interface (`worker::studio`), with its cache. The resident memory is read
//! after every hundredth image; the last hundred are to be within 2 % of the second hundred.
#![expect(clippy::print_stdout, reason = "a bench prints what it has measured")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use gradcam::dataset::ImageId;
use gradcam::explain::methods::Unwatched;
use gradcam::explain::options::Options;
use gradcam::geometry::PixelSize;
use gradcam::job::{Form, Generation, ImageRef, Request, Target};
use gradcam::model::{LoadOptions, Model, ModelSource};
use gradcam::picture::Style;
use gradcam::worker::studio::Studio;
use gradcam::worker::{Decoded, Explain};

#[derive(Parser)]
struct Arguments {
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, default_value_t = 1000)]
    images: usize,
    #[arg(long)]
    model: Option<PathBuf>,
    #[arg(long, default_value_t = 256)]
    cache_mb: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let source = arguments.model.map_or(ModelSource::Demo, ModelSource::File);
    let model = Model::load(&source, &LoadOptions::default())?;
    let layers = some_layers(&model)?;
    println!("layers: {}", layers.join(", "));
    let mut studio = Studio::new(model, arguments.cache_mb << 20);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/images"))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
    files.sort();
    let mut after = Vec::new();
    for number in 0..arguments.images {
        let image = ImageRef {
            id: ImageId(number),
            path: Arc::from(files[number % files.len()].as_path()),
        };
        let read = studio.reader()(&image.path).map_err(anyhow::Error::msg)?;
        let read = Decoded {
            path: Arc::clone(&image.path),
            image: read,
            taken: Duration::ZERO,
        };
        let predicted = studio.predict(image.id, Some(read));
        predicted.map_err(anyhow::Error::msg)?;
        for layer in &layers {
            for rank in 1..=5 {
                let shown = studio.show(&request(&image, layer, rank), &mut Unwatched);
                shown.map_err(anyhow::Error::msg)?;
            }
        }
        if (number + 1) % 100 == 0 {
            after.push(resident_mib()?);
            println!("{:5} images  {:8.1} MiB", number + 1, resident_mib()?);
        }
    }
    if let [_, second, .., last] = after.as_slice() {
        println!("last by second hundred: {:.4}", last / second);
    }
    Ok(())
}

fn request(image: &ImageRef, layer: &str, rank: usize) -> Request {
    Request {
        generation: Generation(0),
        image: image.clone(),
        target: Target::Rank(rank),
        options: Options {
            layers: vec![layer.to_owned()],
            ..Options::default()
        },
        beside: None,
        style: Style::default(),
        picture_size: PixelSize::new(640, 480),
        part: None,
        form: Form::Pixels,
        prepare: Vec::new(),
    }
}

/// The default layer and two before it.
fn some_layers(model: &Model) -> Result<Vec<String>> {
    let layers = model.layers()?;
    let usable: Vec<&str> = layers
        .iter()
        .filter(|layer| layer.why_not.is_none())
        .map(|layer| layer.name.as_str())
        .collect();
    let last = usable
        .iter()
        .position(|name| *name == model.summary().layer)
        .context("the default layer is not in the table")?;
    let mut places = vec![last, last * 3 / 4, last / 2];
    places.dedup();
    Ok(places
        .into_iter()
        .map(|place| usable[place].to_owned())
        .collect())
}

fn resident_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .context("/proc/self/status has no VmRSS")?;
    Ok(kib / 1024.0)
}
