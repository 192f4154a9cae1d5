//! From a job as it was asked for to a job that is registered.

use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ttg_runtime::broker::{JobState, Registered};
use ttg_runtime::kernel::{RegisteredKernel, Scratch};
use ttg_runtime::{
    Broker, Clock, JobName, JobRecord, JobSpec, JobUid, Kernels, OtherSpec, Randomness, ShardOf,
    SystemClock, SystemRandomness,
};

use crate::build;
use crate::chunking::{self, Sample};
use crate::error::CommandError;
use crate::report;
use crate::settings::{ChunkSize, JobSettings};

/// A job as it was asked for.
pub(crate) struct Submission {
    name: Option<JobName>,
    spec: JobSpec,
    shard: Option<ShardOf>,
    auto: bool,
    /// That chooses the chunk size.
    kernel: Option<Arc<dyn RegisteredKernel>>,
    /// Of it, once begun.
    sample: Option<Sample>,
}

impl Submission {
    /// For a process that computes: it must have the kernel.
    pub(crate) fn to_compute(
        settings: JobSettings,
        kernels: &Kernels,
    ) -> Result<Self, CommandError> {
        if kernels.get(&settings.kernel).is_none() {
            return Err(CommandError::unknown_kernel(settings.kernel, kernels));
        }
        Self::begin(settings, kernels)
    }

    /// For others to compute. A kernel that is not here is neither checked nor sampled.
    pub(crate) fn begin(settings: JobSettings, kernels: &Kernels) -> Result<Self, CommandError> {
        let kernel = kernels.get(&settings.kernel);
        if let Some(kernel) = kernel {
            check_start(&**kernel, &settings)?;
        }
        let fixed = match settings.chunk_size {
            ChunkSize::Auto => None,
            ChunkSize::Fixed(size) => Some(size),
        };
        let spec = JobSpec {
            parameters: settings.parameters,
            kernel: settings.kernel,
            options: settings.options,
            chunk_size: fixed.unwrap_or(NonZeroU64::MIN),
            policy: settings.policy,
            values: settings.values,
        };
        let auto = fixed.is_none();
        let kernel = kernel.filter(|_| auto).cloned();
        Ok(Self { name: settings.name, spec, shard: settings.shard, auto, kernel, sample: None })
    }

    /// Waits for `broker` to be connected, and has the kernel sampled meanwhile. What connects is
    /// started first: the sample can wait for it, and nothing waits for the sample alone.
    pub(crate) async fn while_sampled<B>(&mut self, broker: impl Future<Output = B>) -> B {
        let sample = async {
            self.sample = self.kernel.as_ref().map(|kernel| Sample::begin(&self.spec, kernel));
        };
        tokio::join!(biased; broker, sample).0
    }

    /// Registers the job, or finds the one that this submission resumes. Returns with it how many of its
    /// chunks are published, if that is known.
    pub(crate) async fn register(
        self,
        broker: &dyn Broker,
        slots: u32,
    ) -> Result<(JobRecord, Option<u64>), CommandError> {
        let Self { name, mut spec, shard, auto, sample, .. } = self;
        if spec.values && !broker.capabilities().values {
            return Err(CommandError::NoValuesHere(broker.capabilities().name));
        }
        let timeout = spec.policy.timeout;
        if let Some(longest) = broker.capabilities().longest_attempt
            && timeout > longest
        {
            let broker = broker.capabilities().name;
            return Err(CommandError::TimeoutTooLong { timeout, broker, longest });
        }
        let name = match name {
            Some(name) => {
                let found = broker.job(&name).await;
                let doing = CommandError::broker("the job could not be looked up");
                if let Some(job) = found.map_err(doing)? {
                    let job = check_resumed(broker, job, &spec, shard, auto).await?;
                    return Ok((job, None));
                }
                name
            }
            None => fresh_name(&spec)?,
        };
        if auto {
            spec.chunk_size = match sample {
                Some(sample) => sample.chunk_size(slots),
                None => chunking::unsampled(&spec),
            };
        }
        let uid = JobUid::fresh(&SystemRandomness);
        let submitted_at = SystemClock.wall();
        let job = JobRecord { name, uid, spec, submitted_at, build: build::id(), shard };
        let registered = broker.register(&job).await;
        match registered.map_err(CommandError::broker("the job could not be registered"))? {
            Registered::New => Ok((job, Some(0))),
            // Another submitter was faster.
            Registered::Existing(other) => {
                Ok((check_resumed(broker, *other, &job.spec, shard, auto).await?, None))
            }
        }
    }
}

/// Whether the kernel starts with these options.
pub(crate) fn check_start(
    kernel: &dyn RegisteredKernel,
    settings: &JobSettings,
) -> Result<(), CommandError> {
    let name = || settings.kernel.clone();
    match catch_unwind(AssertUnwindSafe(|| kernel.open(&settings.options).map(drop))) {
        Ok(opened) => opened.map_err(|cause| CommandError::KernelOptions { kernel: name(), cause }),
        Err(panic) => {
            let message = Scratch::new().panicked(&*panic).message;
            Err(CommandError::KernelPanicked { kernel: name(), message })
        }
    }
}

fn fresh_name(spec: &JobSpec) -> Result<JobName, CommandError> {
    let kernel: String = spec.kernel.as_str().chars().take(48).collect();
    Ok(format!("{kernel}-{:08x}", SystemRandomness.next_u64() >> 32).parse()?)
}

async fn check_resumed(
    broker: &dyn Broker,
    job: JobRecord,
    requested: &JobSpec,
    shard: Option<ShardOf>,
    auto: bool,
) -> Result<JobRecord, CommandError> {
    job.check_resumed_by(requested, auto).map_err(CommandError::OtherSpec)?;
    if job.shard != shard {
        let of = |shard: Option<ShardOf>| match shard {
            Some(of) => format!("{} of {}", of.shard, of.whole),
            None => "none".to_owned(),
        };
        let (stored, requested) = (of(job.shard), of(shard));
        let other = OtherSpec { name: job.name, field: "shard", stored, requested };
        return Err(CommandError::OtherSpec(other));
    }
    if report::progress(broker, &job).await?.state == JobState::Cancelled {
        return Err(CommandError::Cancelled(job.name));
    }
    Ok(job)
}
