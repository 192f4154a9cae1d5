//! The words, ports and adapters of TTG.

pub mod aggregate;
pub mod broker;
pub mod chunk;
pub mod clock;
pub mod dead;
pub mod delivery;
pub mod error;
#[cfg(any(test, feature = "conformance"))]
pub mod foreign;
pub mod ids;
pub mod invariants;
pub mod job;
pub mod kernel;
pub mod outcome;
pub mod randomness;
pub mod retry;
pub mod shard;
pub mod values;
pub mod wire;

pub use aggregate::{Accumulator, Aggregate, Extreme};
pub use broker::Broker;
pub use chunk::{Chunk, Counters, EmptyRange, IdempotencyKey, ParameterRange, TraceContext};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp, WallTime};
pub use dead::{DeadParameters, DeadReason};
pub use delivery::{Credit, Delivery, Failure, FailureKind, Receipt};
pub use error::BrokerError;
pub use ids::{
    ChunkIndex, DeliveryId, Generation, IdError, JobName, JobUid, KernelName, SlotId, WorkerId,
};
pub use job::{JobPolicy, JobRecord, JobSpec, OtherSpec};
pub use kernel::{Kernel, KernelError, Kernels, Rows, Slice};
pub use outcome::{Column, Outcome};
pub use randomness::{Randomness, SeededRandomness, SystemRandomness};
pub use shard::{Shard, ShardError, ShardOf};
pub use values::{KeptValues, Values, ValuesAt, ValuesId, ValuesRecord};
