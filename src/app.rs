//! The loop: wait, update, perform effects, draw.

pub mod event;
pub mod layout;
pub mod state;
pub mod update;
