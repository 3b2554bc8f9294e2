//! gradcam: see what an image classifier looks at, in the terminal.
//!
//! Modules in the order that the data takes, from a key press to bytes on the terminal. The
//! binary in `main.rs` is thin; everything is here, so that tests can reach it.

pub mod cli;
pub mod terminal;
pub mod keymap;
pub mod app;
pub mod view;
pub mod job;
pub mod worker;
pub mod model;
pub mod explain;
pub mod heatmap;
pub mod picture;
pub mod graphics;
pub mod dataset;
pub mod geometry;
pub mod text;
