//! The words, ports and adapters of TTG.

pub mod aggregate;
pub mod clock;
pub mod ids;
pub mod randomness;
pub mod wire;

pub use aggregate::{Accumulator, Aggregate, Extreme};
pub use clock::{Clock, SystemClock, Timestamp, WallTime};
pub use ids::{
    ChunkIndex, DeliveryId, Generation, IdError, JobName, JobUid, KernelName, SlotId, WorkerId,
};
pub use randomness::{Randomness, SeededRandomness, SystemRandomness};
