//! What a call of a kernel says besides its operands: plain types that operations fill in and devices read. They know neither.

mod activation;
mod attention;
mod cache;
mod dropout;
mod loss;
mod mask;
mod optimizer;
mod recurrent;
mod relative;
mod rotary;
mod route;
mod runs;

pub use activation::Activation;
pub use attention::HeadLayout;
pub(crate) use attention::{AttentionCall, BiasCall, CachedCall};
pub(crate) use cache::CacheMemory;
pub use cache::{CachedRows, KeptRows, KeyValueCache};
pub(crate) use dropout::Dropout;
pub use loss::Loss;
pub use mask::AttentionMask;
pub(crate) use mask::Visible;
pub(crate) use optimizer::{Formula, Step, Update};
pub use recurrent::RecurrentCell;
pub(crate) use relative::RelativeCall;
pub use relative::RelativePlaces;
pub(crate) use rotary::RotaryCall;
pub use rotary::RotaryTable;
pub(crate) use route::Assignment;
pub use route::Routing;
pub use runs::Runs;
pub(crate) use runs::Steps;
