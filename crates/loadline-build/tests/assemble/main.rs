//! Dockerfiles built into layouts and read back with nothing of the builder's own.

mod bases;
mod copying;
mod instructions;
mod kitchen;
mod refusals;
mod registries;
mod reproducible;
