//! Static mode: a shard's own store, and the shards of a job put together again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ttg_runtime::broker::{EmbeddedBroker, EmbeddedConfig};
use ttg_runtime::{Broker, BrokerError, JobRecord, Shard, ShardOf, SystemClock, WorkerId};

use crate::broker::BrokerUrl;
use crate::cli::CommonArguments;
use crate::error::CommandError;

/// The folder of a shard's store.
pub(crate) struct ShardStore(PathBuf);

impl ShardStore {
    /// The one that is named, or one of `shard`'s own below the usual folder.
    pub(crate) fn of(arguments: &CommonArguments, shard: Shard) -> Result<Self, CommandError> {
        match BrokerUrl::of(arguments)? {
            BrokerUrl::Embedded(folder) if arguments.names_no_place() => {
                let own = format!("shard-{}-of-{}", shard.index(), shard.count());
                Ok(Self(folder.join(own)))
            }
            BrokerUrl::Embedded(folder) => Ok(Self(folder)),
            url => {
                let why = format!("--shard works in a store of its own, and `{url}` is shared");
                Err(CommandError::Settings(vec![why]))
            }
        }
    }

    pub(crate) fn url(&self) -> BrokerUrl {
        BrokerUrl::Embedded(self.0.clone())
    }

    /// Opens it for this process alone.
    pub(crate) async fn connect(
        self,
        worker: WorkerId,
        lease: Duration,
    ) -> Result<Arc<dyn Broker>, CommandError> {
        let config = EmbeddedConfig { dir: self.0, worker, lease, clock: Arc::new(SystemClock) };
        match EmbeddedBroker::connect_alone(config).await {
            Ok(broker) => Ok(Arc::new(broker)),
            Err(cause @ BrokerError::Unavailable { .. }) => Err(CommandError::NotAlone(cause)),
            Err(cause) => Err(CommandError::broker("the shard's store could not be opened")(cause)),
        }
    }
}

/// A job in one of several stores.
pub(crate) struct Part {
    pub(crate) store: String,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) job: JobRecord,
}

/// `parts` in the order of their parameters, if they are one job: alone, or all its shards, each once.
pub(crate) fn in_order(parts: Vec<Part>) -> Result<Vec<Part>, CommandError> {
    if parts.len() == 1 {
        return Ok(parts);
    }
    let mut found = Vec::with_capacity(parts.len());
    for part in parts {
        match part.job.shard {
            Some(of) if of.shard.slice(of.whole) == Some(part.job.spec.parameters) => {
                found.push((of, part));
            }
            _ => {
                let (store, name) = (&part.store, &part.job.name);
                return Err(refused(format!("job `{name}` in {store} is no shard of a job")));
            }
        }
    }
    found.sort_by_key(|(of, _)| of.shard);
    let Some((first, rest)) = found.split_first() else {
        return Err(refused("no store is named".to_owned()));
    };
    for other in rest {
        check_kinship(first, other)?;
    }
    for ((a, one), (b, other)) in found.iter().zip(&found[1..]) {
        if a.shard == b.shard {
            let (one, other) = (&one.store, &other.store);
            return Err(refused(format!("{one} and {other} both hold shard {}", a.shard)));
        }
    }
    let of = first.0;
    for index in 0..of.shard.count() {
        let is_there = found.binary_search_by_key(&index, |(of, _)| of.shard.index()).is_ok();
        let shard = Shard::new(index, of.shard.count());
        // One that has no parameters has no store.
        if let Some(shard) = shard.filter(|shard| !is_there && shard.slice(of.whole).is_some()) {
            return Err(refused(format!("shard {shard} of {} is missing", of.whole)));
        }
    }
    Ok(found.into_iter().map(|(_, part)| part).collect())
}

/// Whether both are of one cut of one job. Each may have cut its own slice differently.
fn check_kinship(
    (a, one): &(ShardOf, Part),
    (b, other): &(ShardOf, Part),
) -> Result<(), CommandError> {
    let differ = |what: String| {
        let (one, other) = (&one.store, &other.store);
        Err(refused(format!("{one} and {other} do not belong together: {what}")))
    };
    let (cut, other_cut) = (a.shard.count(), b.shard.count());
    if (cut, a.whole) != (other_cut, b.whole) {
        return differ(format!("{} in {cut} shards, {} in {other_cut}", a.whole, b.whole));
    }
    let mut requested = other.job.spec.clone();
    requested.parameters = one.job.spec.parameters;
    match one.job.check_resumed_by(&requested, true) {
        Ok(()) => Ok(()),
        Err(other) => differ(format!("{} {}, and {}", other.field, other.stored, other.requested)),
    }
}

fn refused(why: String) -> CommandError {
    CommandError::Shards(why)
}
