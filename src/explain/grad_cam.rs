//! Grad-CAM
