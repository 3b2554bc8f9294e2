//! gradcam explain
