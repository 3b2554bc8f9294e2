//! Colour tables.

/// A colour table of 256 entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colormap {
    Jet,
    Turbo,
    Viridis,
    Inferno,
    Grey,
}
