//! gradcam: see what an image classifier looks at, in the terminal.
//!
//! Modules in the order that the data takes, from a key press to bytes on the terminal. The
//! binary in `main.rs` is thin; everything is here, so that tests can reach it.

pub mod app;
pub mod cli;
pub mod dataset;
pub mod explain;
pub mod geometry;
pub mod graphics;
pub mod heatmap;
pub mod job;
pub mod keymap;
pub mod model;
pub mod picture;
pub mod terminal;
pub mod text;
pub mod view;
pub mod worker;
