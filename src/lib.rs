//! gradcam: see what an image classifier looks at, in the terminal.
//!
//! ```text
//! key ─► terminal ─► app/update ─► worker ─► model ─► explain ─► picture ─► graphics ─► terminal
//!                      (pure)      (owns torch)                 (pixels)   (pure bytes)  (one writer)
//! ```
//!
//! `main.rs` is thin; everything is here, so that tests can reach it. Each module is a file with
//! its parts in a folder of the same name. Modules in the order in which they may import each other;
//! nothing imports a module below its own line, and a test holds the last column:
//!
//! | module | owns | may import |
//! |---|---|---|
//! | `text` | text from outside made harmless and measured, JSON, counted nouns | |
//! | `file` | files that are there whole or not at all; pipes and devices, which are never replaced | text |
//! | `geometry` | sizes with units, grid → input → image → picture, resampling | |
//! | `heatmap` | a grid of numbers and its state: ok, empty, not a number | |
//! | `keymap` | the table of keys: lookup, help, footer and the README's table come from it | |
//! | `dataset` | folders and patterns → a list of images in natural order; ground truth, scores, the store of reviews; queries, orders, confusion matrix, summary; exports | file geometry text |
//! | `picture` | decoding, colormaps, image + heatmap + style → pixels or layers, files | file geometry heatmap text |
//! | `graphics` | what a terminal can do; pixels → escape sequences; what a terminal keeps, and what to send it next | geometry text |
//! | `model` | checkpoint → graph + weights + recipe + labels; running it, split at the target layer | geometry text |
//! | `explain` | a pass and a class → a heatmap; predictions; how faithful heatmaps are | dataset geometry heatmap model |
//! | `job` | the contract between interface and worker: requests and replies, plain data | dataset explain geometry model picture |
//! | `worker` | the thread that owns torch; what it keeps of the images it has seen; scoring the folder between wishes | dataset explain geometry job model picture text |
//! | `pipeline` | many images through the network: reading, lanes, drawing and writing on threads of their own | dataset geometry model text worker |
//! | `terminal` | raw mode and giving it back, asking what it can do, keys told from replies, the one writer | geometry graphics text |
//! | `view` | state → cells, one file a pane | app dataset explain geometry graphics heatmap job keymap picture text |
//! | `app` | state, the pure reducer `update`, layout, and the loop that performs effects | cli dataset explain file geometry graphics job keymap model picture terminal text view worker |
//! | `cli` | arguments and environment → settings; the commands without the interface | dataset explain file geometry graphics heatmap job keymap model picture pipeline terminal text worker |
//!
//! `view` reads [`app::state`] and [`app::layout`] alone; the loop in `app` reads [`cli`]'s settings
//! alone.
//!
//! What never happens:
//! 1. `update` does no I/O, reads no clock and starts no thread.
//! 2. Drawing changes nothing: `view` takes `&State`.
//! 3. No tensor leaves `model`, `explain` and `worker`.
//! 4. Only `graphics` makes escape sequences; only `terminal` writes to the terminal, by one writer.
//! 5. Only `terminal` reads standard input, and probing ends before its input thread starts.
//! 6. Nothing prints while the interface is open, and no text from outside (file names, labels,
//!    messages of libraries) reaches the terminal before control characters are made visible.
//! 7. No data is executed: pickles are parsed by an allow-list, never evaluated.

pub mod app;
pub mod cli;
pub mod dataset;
pub mod explain;
pub mod file;
pub mod geometry;
pub mod graphics;
pub mod heatmap;
pub mod job;
pub mod keymap;
pub mod model;
pub mod picture;
pub mod pipeline;
pub mod terminal;
pub mod text;
pub mod view;
pub mod worker;

#[cfg(test)]
mod tests;
