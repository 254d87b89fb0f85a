//! cli
pub mod filter;
pub mod render;
pub mod template;
