//! Writes `assets/demo/`: the model with its recipe and class names, sample images and their truth.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use safetensors::tensor::{Dtype, TensorView};
use tch::{Kind, Tensor, nn};

use crate::network::{self, INPUT};
use crate::objects::CLASSES;
use crate::scene::Scene;
use crate::train::{MEAN, STD};

/// Side of the sample images, in pixels.
const SAMPLE: u32 = 448;

/// What the samples show: class indices, and the seed that makes a scene we like.
const SAMPLES: [(&[usize], u64); 16] = [
    (&[2], 11),
    (&[8], 12),
    (&[0, 11], 13),
    (&[6], 14),
    (&[4], 15),
    (&[3, 10], 16),
    (&[7], 17),
    (&[1], 18),
    (&[5, 2], 19),
    (&[10], 20),
    (&[3], 21),
    (&[8, 1], 22),
    (&[11], 23),
    (&[9], 24),
    (&[4, 0], 25),
    (&[7, 6], 26),
];

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo")
}

/// Writes `model.safetensors` and `classes.txt`.
pub(crate) fn model(variables: &nn::VarStore) -> Result<()> {
    fs::create_dir_all(folder())?;
    let tensors = network::stored(variables);
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, tensor)| bytes(tensor))
        .collect::<Result<_>>()?;
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, tensor), bytes)| {
            let kind = if tensor.kind() == Kind::Half {
                Dtype::F16
            } else {
                Dtype::F32
            };
            let shape = tensor
                .size()
                .iter()
                .map(|&length| usize::try_from(length).unwrap_or(0))
                .collect();
            Ok((name.clone(), TensorView::new(kind, shape, bytes)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let recipe = serde_json::json!({
        "resize": { "shorter_side": INPUT }, "crop": [INPUT, INPUT], "interpolation": "bilinear",
        "mean": MEAN, "std": STD, "bgr": false,
    });
    // One key only: a map with more would be written in another order each time.
    let card =
        serde_json::json!({ "name": "bundled demo model", "recipe": recipe, "classes": CLASSES });
    let metadata = HashMap::from([("gradcam".to_owned(), card.to_string())]);
    let path = folder().join("model.safetensors");
    let bytes = safetensors::serialize(views, Some(metadata))?;
    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    fs::write(folder().join("classes.txt"), CLASSES.join("\n") + "\n")?;
    println!(
        "wrote {} ({} bytes)",
        path.display(),
        fs::metadata(&path)?.len()
    );
    Ok(())
}

/// Draws the sample images and writes `truth.csv`.
pub(crate) fn samples() -> Result<()> {
    let images = folder().join("images");
    fs::create_dir_all(&images)?;
    let mut truth = csv::Writer::from_path(folder().join("truth.csv"))?;
    truth.write_record(["file", "class", "x", "y", "width", "height"])?;
    for (number, (classes, seed)) in SAMPLES.iter().enumerate() {
        let scene = Scene::sample(*seed, classes);
        let (picture, boxes) = scene.draw(SAMPLE);
        let names: Vec<_> = classes.iter().map(|&class| CLASSES[class]).collect();
        let file = format!("{:02}-{}.png", number + 1, names.join("-"));
        picture.save(images.join(&file))?;
        for (name, [left, top, right, bottom]) in names.iter().zip(boxes) {
            let numbers = [left, top, right - left, bottom - top].map(|n| n.to_string());
            let record = [vec![file.clone(), (*name).to_owned()], numbers.to_vec()].concat();
            truth.write_record(record)?;
        }
    }
    truth.flush()?;
    println!("drew {} samples into {}", SAMPLES.len(), images.display());
    Ok(())
}

/// The tensor's numbers as little-endian bytes.
fn bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    let size = tensor.kind().elt_size_in_bytes();
    let mut bytes = vec![0; tensor.numel() * size];
    tensor
        .contiguous()
        .f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}
