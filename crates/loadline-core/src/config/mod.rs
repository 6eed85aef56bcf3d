//! `loadline.toml`.
