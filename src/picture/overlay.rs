//! Alpha blending.
