//! From raw to valid: what is wrong is said all at once.

use std::collections::BTreeMap;
use std::num::{IntErrorKind, NonZeroU32, NonZeroU64, ParseIntError};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use ttg_runtime::{JobName, JobPolicy, KernelName, ParameterRange, Shard, ShardOf};

use crate::cli::{JobArguments, WorkerArguments};
use crate::error::CommandError;

/// The lease of a consumer that takes no chunk.
pub(crate) const LEASE_UNUSED: Duration = Duration::from_secs(10);

/// The longest lease, retry delay or timeout: a week.
const SECONDS_MAX: u64 = 7 * 24 * 3_600;

/// The most parameters of a chunk whose values are kept: they are in memory together.
const VALUES_CHUNK_MAX: u64 = 1 << 20;

/// A time as written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Duration);

/// A chunk size as written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkSize {
    /// Chosen by what a parameter costs.
    Auto,
    /// Parameters per chunk.
    Fixed(NonZeroU64),
}

/// A job that may be submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobSettings {
    pub(crate) name: Option<JobName>,
    pub(crate) parameters: ParameterRange,
    pub(crate) kernel: KernelName,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) chunk_size: ChunkSize,
    pub(crate) policy: JobPolicy,
    /// Whether every value is kept.
    pub(crate) values: bool,
    /// What it is a shard of; `parameters` are then its slice.
    pub(crate) shard: Option<ShardOf>,
}

/// A worker that may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkerSettings {
    pub(crate) concurrency: NonZeroU32,
    pub(crate) lease: Duration,
}

/// Both, or all that is wrong with either.
pub(crate) fn job_and_worker(
    job: &JobArguments,
    worker: &WorkerArguments,
) -> Result<(JobSettings, WorkerSettings), CommandError> {
    match (JobSettings::try_from(job), WorkerSettings::try_from(worker)) {
        (Ok(job), Ok(worker)) => Ok((job, worker)),
        (Err(CommandError::Settings(mut wrong)), Err(CommandError::Settings(more))) => {
            wrong.extend(more);
            Err(CommandError::Settings(wrong))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

impl JobSettings {
    /// What `shard` computes of this job. Without a name it gets one that is the same for every start
    /// and every shard, so that a restart resumes it and all can be merged.
    pub(crate) fn cut_to(self, shard: Shard) -> Result<Self, CommandError> {
        let whole = self.parameters;
        let Some(parameters) = shard.slice(whole) else {
            let (slices, most) = (shard.count(), whole.len());
            let why =
                format!("--shard {shard} is empty: {most} parameters make no {slices} slices");
            return Err(CommandError::Settings(vec![why]));
        };
        let name = if let Some(name) = self.name {
            name
        } else {
            // With two numbers of 20 digits it is as long as a name may be.
            let kernel: String = self.kernel.as_str().chars().take(22).collect();
            format!("{kernel}-{}-{}", whole.start(), whole.end()).parse()?
        };
        Ok(Self { name: Some(name), parameters, shard: Some(ShardOf { shard, whole }), ..self })
    }
}

impl TryFrom<&JobArguments> for JobSettings {
    type Error = CommandError;

    fn try_from(raw: &JobArguments) -> Result<Self, CommandError> {
        let mut wrong = Vec::new();
        let options = kernel_options(raw, &mut wrong);
        let whole = raw.parameters.map(|n| ParameterRange::new(0, n.get()));
        let parameters = match (raw.range, whole) {
            (Some(range), _) | (None, Some(Ok(range))) => Some(range),
            _ => {
                wrong.push("--parameters or --range is missing".to_owned());
                None
            }
        };
        let kernel = raw.kernel.parse().map_err(|why| wrong.push(format!("--kernel: {why}"))).ok();
        let name = raw.job.as_ref().map(|name| name.parse::<JobName>()).transpose();
        let name = name.map_err(|why| wrong.push(format!("--job: {why}"))).ok();
        let policy = JobPolicy {
            max_attempts: raw.max_attempts.get(),
            max_deliveries: raw.max_deliveries.get(),
            retry_delay: raw.retry_delay.0,
            timeout: raw.timeout.0,
        };
        if policy.timeout.is_zero() {
            wrong.push("--timeout is zero: no attempt could end in it".to_owned());
        }
        if let ChunkSize::Fixed(size) = raw.chunk_size
            && raw.values
            && size.get() > VALUES_CHUNK_MAX
        {
            wrong.push(format!("--chunk-size is {size}: with --values at most {VALUES_CHUNK_MAX}"));
        }
        match (parameters, kernel, name) {
            (Some(parameters), Some(kernel), Some(name)) if wrong.is_empty() => {
                let (chunk_size, values, shard) = (raw.chunk_size, raw.values, None);
                Ok(Self { name, parameters, kernel, options, chunk_size, policy, values, shard })
            }
            _ => Err(CommandError::Settings(wrong)),
        }
    }
}

/// Those of `TTG_SET`, but for the keys that `--set` has, too; and those of variables of the earlier
/// system, but for the keys that either has.
fn kernel_options(raw: &JobArguments, wrong: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    for pair in raw.set_defaults.iter().flat_map(|pairs| pairs.split_whitespace()) {
        match parse_pair(pair) {
            Ok((key, value)) => {
                if options.insert(key, value).is_some() {
                    wrong.push(format!("TTG_SET has the key of `{pair}` twice"));
                }
            }
            Err(why) => wrong.push(format!("TTG_SET has `{pair}`: {why}")),
        }
    }
    let mut given = BTreeMap::new();
    for (key, value) in &raw.set {
        if given.insert(key.clone(), value.clone()).is_some() {
            wrong.push(format!("--set {key} is given twice"));
        }
    }
    options.extend(given);
    if raw.kernel == "reference" {
        for (key, value) in &raw.set_reference {
            options.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    options
}

impl TryFrom<&WorkerArguments> for WorkerSettings {
    type Error = CommandError;

    fn try_from(raw: &WorkerArguments) -> Result<Self, CommandError> {
        let lease = raw.lease.0;
        let mut wrong = Vec::new();
        if lease < Duration::from_millis(500) {
            wrong.push(format!("--lease is {lease:?}: renewals need at least 500ms"));
        }
        let concurrency = raw.concurrency.unwrap_or_else(granted_cpus);
        if concurrency.get() > 4_096 {
            wrong.push(format!("--concurrency is {concurrency}: at most 4096 threads compute"));
        }
        if wrong.is_empty() {
            Ok(Self { concurrency, lease })
        } else {
            Err(CommandError::Settings(wrong))
        }
    }
}

/// The CPUs that the cgroup's quota and the affinity mask grant; 1 if nobody says.
pub(crate) fn granted_cpus() -> NonZeroU32 {
    let granted = thread::available_parallelism().ok();
    granted.and_then(|cpus| NonZeroU32::try_from(cpus).ok()).unwrap_or(NonZeroU32::MIN)
}

/// A number from 1, with `_` between its digits if one likes.
pub(crate) fn parse_count<N>(text: &str) -> Result<N, String>
where
    N: FromStr<Err = ParseIntError>,
{
    let parsed = text.replace('_', "").parse();
    parsed.map_err(|why: ParseIntError| match why.kind() {
        IntErrorKind::PosOverflow => "that is too large".to_owned(),
        _ => "write a whole number from 1".to_owned(),
    })
}

/// `A..B`, half open.
pub(crate) fn parse_range(text: &str) -> Result<ParameterRange, String> {
    let (start, end) = text.split_once("..").ok_or("write it as A..B, for example 1..1000")?;
    let number = |text: &str| {
        let digits = text.replace('_', "");
        digits.parse::<u64>().map_err(|why| format!("`{text}`: {why}"))
    };
    ParameterRange::new(number(start)?, number(end)?).map_err(|why| why.to_string())
}

/// `key=value`.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as key=value".to_owned()),
    }
}

/// `auto`, or a number from 1.
pub(crate) fn parse_chunk_size(text: &str) -> Result<ChunkSize, String> {
    if text == "auto" {
        return Ok(ChunkSize::Auto);
    }
    parse_count(text).map(ChunkSize::Fixed).map_err(|why| format!("{why}, or `auto`"))
}

/// A number with its unit: `250ms`, `10s`, `5m`, `2h`; a bare number is in seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Seconds, String> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(format!("`{unit}` is no unit of time: write ms, s, m or h")),
    };
    let number: f64 =
        number.parse().map_err(|_| "write a number and a unit, such as 10s".to_owned())?;
    let time = Duration::try_from_secs_f64(number * scale).map_err(|why| why.to_string())?;
    if time > Duration::from_secs(SECONDS_MAX) {
        return Err("that is more than a week".to_owned());
    }
    // As the job's record keeps it, or the same command would not resume its own job.
    let millis = u64::try_from(time.as_millis()).map_err(|why| why.to_string())?;
    Ok(Seconds(Duration::from_millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let millis = |text| parse_duration(text).map(|time| time.0.as_millis());
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("10s"), Ok(10_000));
        assert_eq!(millis("1.5m"), Ok(90_000));
        assert_eq!(millis("2h"), Ok(7_200_000));
        assert_eq!(millis("3"), Ok(3_000));
        let whole = parse_duration("1.7ms").map(|time| time.0);
        assert_eq!(whole, Ok(Duration::from_millis(1)), "a record keeps milliseconds");
        for bad in ["", "s", "10 s", "-1s", "1d", "1e9h", "9999h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_are_half_open_and_hold_something() {
        assert_eq!(parse_range("1..1_000").unwrap(), ParameterRange::new(1, 1_000).unwrap());
        for bad in ["", "5", "5..5", "9..3", "-1..3", "a..b", "1..2..3"] {
            assert!(parse_range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pairs_and_chunk_sizes() {
        assert_eq!(parse_pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(parse_pair("=b").is_err());
        assert!(parse_pair("a").is_err());
        assert_eq!(parse_chunk_size("auto"), Ok(ChunkSize::Auto));
        assert!(parse_chunk_size("0").is_err());
        assert!(parse_chunk_size("-3").is_err());
    }
}
