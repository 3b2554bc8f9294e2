//! cli
pub mod explain;
