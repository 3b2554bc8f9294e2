//! Times of explanations, as the interface makes them: the class switch, the first map of an image,
//! the layer switch, all gradient methods, the slow methods, and whether memory stays flat.
//!
//! `cargo bench --bench explain` measures the bundled model. `benches/peers/compare.py` calls it
//! for networks that it makes, and sets the figures beside those of the Python libraries:
//!
//! ```text
//! cargo bench --bench explain -- --model FILE --image FILE [--layer NAME] [--earlier NAME]
//!                                [--threads N] [--slow METHOD,…] [--json]
//! ```
//!
//! Times are medians in milliseconds after a warm-up. `bare` is the forward pass without autograd.
#![expect(clippy::print_stdout, reason = "a bench prints what it has measured")]

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use gradcam::explain::methods::{MethodId, Unwatched};
use gradcam::explain::options::Options;
use gradcam::explain::{Explanation, explain};
use gradcam::model::passes::Passes;
use gradcam::model::recipe::{RecipeOverrides, Resize};
use gradcam::model::{ClassIndex, Input, LoadOptions, Model, ModelSource};
use serde_json::{Map, Value};

/// The gradient methods that share one gradient.
const GRADIENT_METHODS: [&str; 6] = [
    "grad-cam",
    "grad-cam++",
    "xgrad-cam",
    "hires-cam",
    "layer-cam",
    "element-wise-grad-cam",
];

#[derive(Parser)]
struct Arguments {
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long)]
    model: Option<PathBuf>,
    /// Taken as it is: no resizing, no crop.
    #[arg(long)]
    image: Option<PathBuf>,
    #[arg(long)]
    layer: Option<String>,
    /// A layer before the target layer, for the layer switch.
    #[arg(long)]
    earlier: Option<String>,
    #[arg(long, default_value_t = 2)]
    threads: i32,
    /// Also these methods, separated by commas: ablation-cam,score-cam.
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    slow: Vec<String>,
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tch::set_num_threads(arguments.threads);
    let image = arguments.image.clone().unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/demo/images/03-apple-umbrella.png")
    });
    let picture = gradcam::picture::decode::decode(&image)?;
    let (source, recipe) = match &arguments.model {
        Some(path) => {
            let as_it_is = RecipeOverrides {
                resize: Some(Resize::None),
                crop: Some(Some(picture.dimensions())),
                ..RecipeOverrides::default()
            };
            (ModelSource::File(path.clone()), as_it_is)
        }
        None => (ModelSource::Demo, RecipeOverrides::default()),
    };
    let model = Model::load(
        &source,
        &LoadOptions {
            layer: arguments.layer.clone(),
            recipe,
            ..LoadOptions::default()
        },
    )?;
    let bench = Bench {
        input: model.prepare(&picture)?,
        model,
    };
    let mut figures = bench.figures(arguments.earlier.as_deref())?;
    for key in &arguments.slow {
        figures.insert(key.clone(), bench.slow(key)?.into());
    }
    if arguments.json {
        println!("{}", Value::Object(figures));
    } else {
        for (name, value) in figures {
            println!("{name:>24}  {value:.3}");
        }
    }
    Ok(())
}

struct Bench {
    model: Model,
    input: Input,
}

impl Bench {
    fn figures(&self, earlier: Option<&str>) -> Result<Map<String, Value>> {
        let mut figures = Map::new();
        let mut say = |name: &str, value: f64| {
            figures.insert(name.to_owned(), value.into());
        };
        let bare = || -> Result<()> {
            drop(std::hint::black_box(self.model.logits(&self.input.tensor)?));
            Ok(())
        };
        let first = || -> Result<()> {
            drop(std::hint::black_box(self.explain(
                &mut Passes::default(),
                0,
                &Options::default(),
            )?));
            Ok(())
        };
        // In turns, so that both see the same machine.
        let [bare, first] = interleaved(25, [&bare, &first])?;
        say("bare", bare);
        say("first_map", first);
        say("first_map_by_bare", first / bare);

        let mut passes = Passes::default();
        self.explain(&mut passes, 0, &Options::default())?;
        let mut class = 0;
        let switch = median(101, || {
            class = (class + 1) % self.model.summary().classes;
            self.explain(&mut passes, class, &Options::default())
        })?;
        say("class_switch", switch);

        if let Some(earlier) = earlier {
            let layers = [earlier.to_owned(), self.model.summary().layer.clone()];
            let options = layers.map(|layer| Options {
                layers: vec![layer],
                ..Options::default()
            });
            for options in &options {
                self.explain(&mut passes, 0, options)?;
            }
            say(
                "layer_switch_later_kept",
                median(51, || self.explain(&mut passes, 0, &options[1]))?,
            );
            say(
                "layer_switch_earlier_kept",
                median(21, || self.explain(&mut passes, 0, &options[0]))?,
            );
        }

        // Another class each time: nothing of the class before can be used again.
        let known: Vec<Options> = GRADIENT_METHODS
            .iter()
            .filter_map(|key| key.parse::<MethodId>().ok())
            .map(|method| Options {
                method,
                ..Options::default()
            })
            .collect();
        let mut class = 0;
        let all = median(51, || {
            class = (class + 1) % self.model.summary().classes;
            for options in &known {
                self.explain(&mut passes, class, options)?;
            }
            Ok(())
        })?;
        say("gradient_methods", known.len() as f64);
        say("all_gradient_methods", all);
        say(
            "first_and_all_methods_by_first",
            (first - switch + all) / first,
        );
        Ok(figures)
    }

    fn slow(&self, key: &str) -> Result<f64> {
        let method = key.parse().map_err(anyhow::Error::msg)?;
        let options = Options {
            method,
            ..Options::default()
        };
        let mut passes = Passes::default();
        let mut work = || self.explain(&mut passes, 0, &options);
        let once = median(1, &mut work)?;
        // Minutes need no repetition.
        if once < 5000.0 {
            median(5, work)
        } else {
            Ok(once)
        }
    }

    fn explain(&self, passes: &mut Passes, class: usize, options: &Options) -> Result<Explanation> {
        let class = ClassIndex(class);
        let input = &self.input;
        explain(&self.model, input, passes, class, options, &mut Unwatched)
            .with_context(|| format!("{options:?}"))
    }
}

/// Milliseconds of one call, the median over this many after one that does not count.
fn median<T>(runs: usize, mut work: impl FnMut() -> Result<T>) -> Result<f64> {
    if runs > 1 {
        work()?;
    }
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        times.push(timed(&mut work)?);
    }
    Ok(middle(times))
}

/// The same for several that take turns.
fn interleaved<const N: usize>(
    runs: usize,
    works: [&dyn Fn() -> Result<()>; N],
) -> Result<[f64; N]> {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..=runs {
        for (work, times) in works.iter().zip(&mut times) {
            let time = timed(work)?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    Ok(times.map(middle))
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
