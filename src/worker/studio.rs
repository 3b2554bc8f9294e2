//! Studio
