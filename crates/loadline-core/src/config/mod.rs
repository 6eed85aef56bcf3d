//! `loadline.toml`: what is released together, and what must hold before it gets a tag.

pub mod model;

pub use model::{
    Builder, Config, Gate, GateMode, Image, MovingTag, OneOrMany, Release, SharedRegion, ThresholdSeverity,
    TimeLimit, Verify, VersionSource,
};
