//! File → oriented RGB image.
