//! Reinforcement learning from feedback: answers are sampled, rewarded and learnt from.
//!
//! - [`reward`]: a reward model, from answers that people prefer to others.
//! - [`ppo`]: the policy with a value function, towards a reward model's scores.
//! - [`grpo`]: the policy alone, towards any reward, by groups of answers to one prompt.
//! - [`rollout`]: how answers are sampled; [`rewards`]: what they are worth; [`advantages`] and [`losses`]: the formulas.

pub mod advantages;
mod collect;
pub mod grpo;
pub mod losses;
pub mod policy;
pub mod ppo;
pub mod reward;
pub mod rewards;
pub mod rollout;
mod settings;
pub mod values;

pub use collect::Source;
pub use grpo::Grpo;
pub use policy::Reference;
pub use ppo::Ppo;
pub use reward::RewardModel;
pub use rewards::{Reward, Rewards, Scorer};
pub use rollout::{Actor, Prompts, Rollout};
pub use settings::{GrpoSettings, PpoSettings, RewardSettings, RolloutSettings, ScorePlace};
