//! The nouns: plain data that every other room speaks in.
//!
//! Knows nothing of text formats, hosts, clocks or terminals. Everything here is a value that can be
//! compared, ordered, serialised and built in a test.

pub mod action;
pub mod address;
pub mod circles;
pub mod constraint;
pub mod duration;
pub mod format;
pub mod hidden;
pub mod ids;
pub mod image;
pub mod in_place;
pub mod json;
pub mod known;
pub mod marks;
pub mod members;
pub mod node;
pub mod observed;
pub mod overlay;
mod plaintext;
pub mod reason;
pub mod restart;
pub mod secret_env;
pub mod shell;
pub mod spec;
pub mod swap;
pub mod task;
pub mod template;
#[doc(hidden)]
pub mod testing;
pub mod time;
pub mod volume;

pub use duration::GoDuration;
pub use format::Format;
pub use ids::{ClusterName, NodeName, ServiceName, SpecHash, StackName, TaskId};
pub use image::ImageRef;
pub use in_place::Tuning;
pub use known::{KnownMember, KnownMembers, MemberNews, ReleaseKey};
pub use marks::{MarkKey, Marks};
pub use node::{Availability, Member, NodeFacts, NodeView, Role, Unreachable};
pub use observed::Observed;
pub use plaintext::Plaintext;
pub use spec::{ServiceMode, ServiceSpec, StackSpec, TaskSpec};
pub use task::{Health, Slot, Task, TaskStatus};
pub use time::Timestamp;
