//! From the start of the program to the first logits of a checkpoint of 100 MB on a warm disk, and
//! the most memory that it takes.
//!
//! `python benches/networks.py` makes the networks; its head says what it needs. Then
//!
//! ```text
//! cargo bench --bench start -- [--rounds N]
//! ```
//!
//! `gradcam` is the wall time of `gradcam explain IMAGE --json --model FILE` less what it says it
//! took to explain and to write pictures. Beside it, in turns:
//!
//! - `libtorch`: `gradcam --version`, which loads libtorch and does nothing with it. Every program
//!   that uses libtorch pays that.
//! - `direct`: a program that loads the same network as frozen TorchScript, decodes nothing and runs
//!   it once: libtorch called directly.
//! - `read`: the file from the disk's cache, in this process. `forward`: one warm forward pass of
//!   `direct`, in this process.
#![expect(clippy::print_stdout, reason = "a bench prints what it has measured")]

#[path = "shared/inputs.rs"]
mod inputs;
#[path = "shared/turns.rs"]
mod turns;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use inputs::input;
use tch::{CModule, Device, Kind, Tensor};
use turns::{Work, in_turns};

const NETWORK: &str = "resnet50";
const GRADCAM: &str = env!("CARGO_BIN_EXE_gradcam");

#[derive(Parser)]
struct Arguments {
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// To be the program `direct`.
    #[arg(long, hide = true)]
    direct: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.direct {
        return direct();
    }
    let script = CModule::load(input(&format!("{NETWORK}.torchscript"))?)?;
    let image = some_image();
    let forward = || -> Result<()> {
        drop(tch::no_grad(|| script.forward_ts(&[&image]))?);
        Ok(())
    };
    for format in ["safetensors", "pth"] {
        let file = input(&format!("{NETWORK}.{format}"))?;
        let pictures = tempfile::tempdir()?;
        let explain = || explain(&file, pictures.path());
        let works = [
            Work::told("gradcam", || to_logits(explain()?)),
            Work::new("libtorch", || {
                finished(Command::new(GRADCAM).arg("--version")).map(|_| ())
            }),
            Work::new("direct", || {
                finished(Command::new(std::env::current_exe()?).arg("--direct")).map(|_| ())
            }),
            Work::new("read", || {
                drop(std::fs::read(&file)?);
                Ok(())
            }),
            Work::new("forward", forward),
        ];
        let times = in_turns(&works, 2, arguments.rounds)?;
        println!("\n{NETWORK}.{format}");
        for one in &times {
            println!("{:>10} {:8.1} ms", one.name, one.median());
        }
        let [gradcam, libtorch, direct, read, forward] = times.as_slice() else {
            bail!("some work was not timed");
        };
        let beyond = gradcam.median_with(&[libtorch, read, forward], |own, others| {
            (own - others[0]) / (others[1] + others[2])
        });
        let all = gradcam.median_with(&[libtorch, read, forward], |own, others| {
            own / others.iter().sum::<f64>()
        });
        println!("   gradcam / (libtorch + read + forward): {all:.2}");
        println!("   (gradcam - libtorch) / (read + forward): {beyond:.2}");
        println!("   gradcam / direct: {:.2}", gradcam.ratio_to(direct));

        let weights = std::fs::metadata(&file)?.len() as f64 / 1e6;
        let peak = peak_mb(explain()?)?;
        println!(
            "   peak memory: {peak:.0} MB; 1.3 times the file and 150 MB: {:.0} MB",
            1.3 * weights + 150.0
        );
    }
    Ok(())
}

/// The program `direct`.
fn direct() -> Result<()> {
    let script = CModule::load(input(&format!("{NETWORK}.torchscript"))?)?;
    let logits = tch::no_grad(|| script.forward_ts(&[&some_image()]))?;
    println!("{}", logits.double_value(&[0, 0]));
    Ok(())
}

fn some_image() -> Tensor {
    Tensor::ones([1, 3, 224, 224], (Kind::Float, Device::Cpu))
}

fn explain(model: &Path, pictures: &Path) -> Result<Command> {
    let mut command = Command::new(GRADCAM);
    command
        .arg("explain")
        .arg(input("image.png")?)
        .args(["--json", "--device", "cpu", "--model"])
        .arg(model)
        .arg("--out")
        .arg(pictures);
    Ok(command)
}

/// Waits for a program and gives what it printed.
fn finished(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{command:?} failed");
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Milliseconds from the start of `gradcam explain` to its logits.
fn to_logits(mut explain: Command) -> Result<f64> {
    let start = Instant::now();
    let printed = finished(&mut explain)?;
    let all = start.elapsed().as_secs_f64() * 1000.0;
    let record: serde_json::Value = serde_json::from_str(&printed)?;
    let stage = |name: &str| {
        let stage = record["milliseconds"][name].as_f64();
        stage.with_context(|| format!("--json has no time for {name}"))
    };
    Ok(all - stage("explain")? - stage("write")?)
}

/// The most resident memory of a program, in MB. It is looked at until the program ends.
fn peak_mb(mut command: Command) -> Result<f64> {
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0.0;
    while child.try_wait()?.is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
        peak_kib = kib.unwrap_or(peak_kib);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(peak_kib * 1024.0 / 1e6)
}
