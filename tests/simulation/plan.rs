//! What a seed decides before anything runs: jobs, their poison, workers and weather.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use ttg_runtime::randomness::mix;
use ttg_runtime::retry::backoff;
use ttg_runtime::{
    Chunk, ChunkIndex, FailureKind, JobName, JobPolicy, JobSpec, JobUid, ParameterRange,
    TraceContext,
};

use crate::chance::{Chance, Whom};
use crate::scale::Question;
use crate::weather::Weather;

/// Kernels that end or hang their process. One line to leave them out.
const FATAL_KERNELS: bool = true;

/// All that a simulation is made of.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) jobs: Vec<JobPlan>,
    pub(crate) weather: Weather,
    /// When the faults end.
    pub(crate) calm_at: Duration,
    /// How many workers there are at first, and at most.
    pub(crate) workers: (u32, u32),
    pub(crate) slots_max: u32,
    pub(crate) lease: Duration,
    /// Of the workers, how many lack the kernel `rare`.
    pub(crate) lacking: f64,
    /// One worker stays frozen until the jobs are complete.
    pub(crate) revenant: bool,
    /// An evaluation takes its time as a whole, not slice by slice: it cannot be cut short.
    pub(crate) coarse: bool,
    /// Workers of all speeds between the given one and half of it.
    pub(crate) uneven: bool,
}

/// One job, and what its kernel does.
#[derive(Debug, Clone)]
pub(crate) struct JobPlan {
    pub(crate) name: JobName,
    pub(crate) spec: JobSpec,
    pub(crate) submitted_at: Duration,
    /// The parameters that are not evaluated at once.
    pub(crate) bad: BTreeMap<u64, Bad>,
    /// The kernel does not start.
    pub(crate) broken: bool,
    cost: (Duration, Duration),
    salt: u64,
}

/// What is the matter with a parameter, and until which attempt at its chunk; `None` for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bad {
    pub(crate) how: Behaviour,
    pub(crate) until: Option<u32>,
}

/// What the kernel does instead of giving a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Error,
    NotFinite,
    Panic,
    Slow(Duration),
    Hang,
    Kill,
}

impl Behaviour {
    /// What the parameter is dead of in the end.
    pub(crate) fn kind(self) -> Option<FailureKind> {
        match self {
            Self::Error => Some(FailureKind::Error),
            Self::NotFinite => Some(FailureKind::NotFinite),
            Self::Panic => Some(FailureKind::Panic),
            Self::Slow(_) => None,
            Self::Hang => Some(FailureKind::Timeout),
            Self::Kill => Some(FailureKind::Killed),
        }
    }
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let chance = Chance::of(seed, Whom::Plan, 0);
        let calm_at = Duration::from_secs(chance.between(10, 60));
        let first = u32::try_from(chance.between(1, 5)).unwrap_or(1);
        let most = first + u32::try_from(chance.between(0, 4)).unwrap_or(0);
        let jobs = (0..chance.between(1, 3)).map(|n| JobPlan::choose(&chance, n, calm_at));
        Self {
            seed,
            jobs: jobs.collect(),
            weather: Weather::choose(&chance),
            calm_at,
            workers: (first, most),
            slots_max: u32::try_from(chance.between(1, 4)).unwrap_or(1),
            lease: Duration::from_secs(chance.between(3, 10)),
            lacking: if chance.happens(0.3) { 0.5 } else { 0.0 },
            revenant: chance.happens(0.3),
            coarse: false,
            uneven: false,
        }
    }

    /// One job without poison for a fleet of single slots, in good weather.
    pub(crate) fn of_scale(question: &Question) -> Self {
        let mut plan = Self::of(0);
        let chance = Chance::of(0, Whom::Plan, 1);
        plan.jobs = vec![JobPlan::plain(&chance, question)];
        plan.weather = Weather::default();
        plan.workers = (question.workers, question.workers);
        plan.uneven = question.uneven;
        (plan.slots_max, plan.lacking, plan.revenant) = (1, 0.0, false);
        (plan.lease, plan.coarse) = (Duration::from_secs(10), true);
        plan
    }

    pub(crate) fn job(&self, number: usize) -> &JobPlan {
        &self.jobs[number]
    }

    /// The longest that one parameter takes: no slice is shorter, and what ends at the end of its
    /// slice ends after that.
    pub(crate) fn longest_slice(&self) -> Duration {
        let slow = |bad: &Bad| match bad.how {
            Behaviour::Slow(cost) => cost,
            _ => Duration::ZERO,
        };
        let slowest = |job: &JobPlan| {
            let slow = job.bad.values().map(slow).max().unwrap_or_default();
            slow.max(job.cost.1)
        };
        // A slice of parameters below its target may hold one that is far above.
        self.jobs.iter().map(slowest).max().unwrap_or_default() * 8
    }

    /// How long all jobs take at most when nothing goes wrong but their own parameters: one slot
    /// evaluates everything as often as allowed, and every wait follows the one before.
    pub(crate) fn time_without_faults(&self) -> Duration {
        let of_job = |job: &JobPlan| {
            let policy = &job.spec.policy;
            let work: Duration = (1..=policy.max_attempts)
                .map(|attempt| {
                    let range = job.spec.parameters;
                    range.into_iter().map(|p| job.cost(p, attempt)).sum::<Duration>()
                })
                .sum();
            let waits: Duration = (1..policy.max_attempts).map(|n| backoff(policy, n, 1.0)).sum();
            let fatal = |bad: &&Bad| matches!(bad.how, Behaviour::Hang | Behaviour::Kill);
            let fatal = u32::try_from(job.bad.values().filter(fatal).count()).unwrap_or(u32::MAX);
            // A worker dies and is replaced, its leases run out; or a hang is waited for.
            let each = self.lease + policy.timeout + Duration::from_secs(10);
            work * 2 + waits + job.submitted_at + each * fatal * policy.max_attempts
        };
        let sum = self.jobs.iter().map(of_job).sum::<Duration>();
        // A chunk goes from one worker that lacks its kernel to the next, until one has it: as
        // chance will have it, so that there is no bound, but a time that is hardly ever exceeded.
        let odyssey = Duration::from_secs(if self.lacking > 0.0 { 2_000 } else { 0 });
        sum + self.lease * 3 + odyssey + Duration::from_secs(30)
    }
}

impl JobPlan {
    fn choose(chance: &Chance, number: u64, calm_at: Duration) -> Self {
        let start = *chance.pick(&[0, 1, 1_000, u64::MAX - 5_000]).unwrap_or(&0);
        let len = chance.between(1, 1_500);
        let parameters =
            ParameterRange::new(start, start + len).expect("there is at least one parameter");
        let chunk_size = chance.between(1 + len / 150, 1 + len / 5);
        let kernel = if number > 0 && chance.happens(0.4) { "rare" } else { "steady" };
        let slowest = *chance.pick(&[0, 1, 5, 20, 100]).unwrap_or(&1);
        let low = Duration::from_micros(chance.between(0, slowest * 1_000));
        let policy = JobPolicy {
            max_attempts: u32::try_from(chance.between(1, 4)).unwrap_or(3),
            max_deliveries: *chance.pick(&[20, 20, 20, 2, 4]).unwrap_or(&20),
            retry_delay: Duration::from_millis(chance.between(10, 2_000)),
            timeout: Duration::from_secs(chance.between(8, 40)),
        };
        let mut job = Self {
            name: format!("job-{number}").parse().expect("the name is valid"),
            spec: JobSpec {
                parameters,
                kernel: kernel.parse().expect("the name is valid"),
                options: BTreeMap::from([("number".into(), number.to_string())]),
                chunk_size: NonZeroU64::new(chunk_size).unwrap_or(NonZeroU64::MIN),
                policy,
                values: false,
            },
            submitted_at: chance.duration(Duration::ZERO, calm_at / 2),
            bad: BTreeMap::new(),
            broken: chance.happens(0.03),
            cost: (low, Duration::from_millis(slowest).max(low)),
            salt: chance.next_u64(),
        };
        job.poison(chance);
        job
    }

    fn plain(chance: &Chance, question: &Question) -> Self {
        let Question { parameters, chunk_size, cost, .. } = *question;
        let mut job = Self::choose(chance, 0, Duration::ZERO);
        job.spec.parameters = ParameterRange::new(0, parameters).expect("there is a parameter");
        job.spec.chunk_size = NonZeroU64::new(chunk_size).unwrap_or(NonZeroU64::MIN);
        job.spec.policy = JobPolicy::default();
        job.bad = BTreeMap::new();
        (job.broken, job.cost, job.submitted_at) = (false, (cost, cost), Duration::ZERO);
        job
    }

    fn poison(&mut self, chance: &Chance) {
        let range = self.spec.parameters;
        let JobPolicy { max_attempts, timeout, .. } = self.spec.policy;
        // Longer would be a hang.
        let slow_max = u64::try_from(timeout.as_millis() / 2).unwrap_or(u64::MAX).min(15_000);
        for _ in 0..*chance.pick(&[0, 1, 3, 10, 40]).unwrap_or(&0) {
            let parameter = chance.between(range.start(), range.end() - 1);
            let how = match chance.between(0, if FATAL_KERNELS { 6 } else { 4 }) {
                0 | 1 => Behaviour::Error,
                2 => Behaviour::NotFinite,
                3 => Behaviour::Panic,
                4 => Behaviour::Slow(Duration::from_millis(chance.between(100, slow_max))),
                5 => Behaviour::Hang,
                _ => Behaviour::Kill,
            };
            // What heals does so at the last attempt at the latest.
            let heals = max_attempts > 1 && chance.happens(0.5);
            let last = u64::from(max_attempts.saturating_sub(1).max(1));
            let until = heals.then(|| u32::try_from(chance.between(1, last)).unwrap_or(1));
            self.bad.insert(parameter, Bad { how, until });
        }
    }

    /// What the kernel does to `parameter` at `attempt`, other than giving its value.
    pub(crate) fn behaviour(&self, parameter: u64, attempt: u32) -> Option<Behaviour> {
        let bad = self.bad.get(&parameter)?;
        bad.until.is_none_or(|until| attempt <= until).then_some(bad.how)
    }

    /// What `parameter` is to be dead of in the end, if it is.
    pub(crate) fn doomed(&self, parameter: u64) -> Option<FailureKind> {
        if self.broken {
            return Some(FailureKind::Kernel);
        }
        let bad = self.bad.get(&parameter)?;
        bad.how.kind().filter(|_| bad.until.is_none())
    }

    /// A number of any sign and magnitude, so that no sum but an exact one comes out right.
    pub(crate) fn value(&self, parameter: u64) -> f64 {
        const EXPONENT: u64 = 0x7ff << 52;
        let bits = mix(self.salt ^ mix(parameter));
        // An exponent of ones would be infinite or not a number.
        let bits = if bits & EXPONENT == EXPONENT { bits & !(1 << 62) } else { bits };
        f64::from_bits(bits)
    }

    /// How long the kernel takes for `parameter` at `attempt`.
    pub(crate) fn cost(&self, parameter: u64, attempt: u32) -> Duration {
        if let Some(Behaviour::Slow(cost)) = self.behaviour(parameter, attempt) {
            return cost;
        }
        let (low, high) = self.cost;
        let spread = u64::try_from(high.saturating_sub(low).as_micros()).unwrap_or(0);
        low + Duration::from_micros(mix(!self.salt ^ mix(parameter)) % (spread + 1))
    }

    /// How long each chunk takes at least, whatever the attempt.
    pub(crate) fn chunk_costs(&self) -> impl Iterator<Item = Duration> {
        (0..self.spec.chunks_total()).filter_map(|index| {
            if self.broken {
                return Some(Duration::ZERO);
            }
            let range = self.spec.chunk_range(ChunkIndex(index))?;
            // What is lost with a child process is not counted.
            let counts = |p: &u64| {
                !matches!(self.behaviour(*p, u32::MAX), Some(Behaviour::Hang | Behaviour::Kill))
            };
            Some(range.into_iter().filter(counts).map(|p| self.cost(p, u32::MAX)).sum())
        })
    }

    /// The chunks from index `from` on.
    pub(crate) fn chunks(&self, uid: JobUid, from: u64) -> Vec<Chunk> {
        let spec = std::sync::Arc::new(self.spec.clone());
        let cut = |index| Chunk::cut(uid, &spec, ChunkIndex(index), &TraceContext::default());
        (from..spec.chunks_total()).filter_map(cut).collect()
    }
}
