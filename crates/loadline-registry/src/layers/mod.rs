//! Layers: reading.
