//! Model: a graph, its weights, and what is needed to use them: recipe, labels, device.

pub mod checkpoint;
pub mod device;
pub mod dispatch;
pub mod graph;
pub mod labels;
pub mod recipe;
pub mod run;
pub mod zoo;

/// Index of a class, as the model's output numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct ClassIndex(pub usize);

/// What the interface and `--json` say of a model. Plain data.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ModelSummary {
    /// File name of the checkpoint, or "bundled demo model".
    pub name: String,
    /// For people: "ResNet-18", "ResNet (BasicBlock 2-2-2)".
    pub family: String,
    pub classes: usize,
    /// First 16 hexadecimal digits of the checkpoint's BLAKE3 hash.
    pub fingerprint: String,
    /// The target layer, a dotted name as PyTorch users know it.
    pub layer: String,
    /// The preprocessing in words, one line.
    pub recipe: String,
    /// "cpu", "cuda:0".
    pub device: String,
    /// What was not read from the checkpoint but assumed, a sentence each. Empty: nothing.
    pub guesses: Vec<String>,
}
