//! What a consumer does with what it holds: renew, nack, give back. A claim counts only while its
//! row has this owner and this fence.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::fault::Fault;
use super::store::{Store, begin};
use super::wire::{Claim, Return, nanos};
use crate::broker::port::{Renewed, Settled};
use crate::chunk::IdempotencyKey;
use crate::ids::{ChunkIndex, Generation};

impl Store {
    pub(super) fn renew(&mut self, claims: &[Claim]) -> Result<Vec<Renewed>, Fault> {
        let transaction = begin(&self.connection)?;
        let until = nanos(self.clock.now().after(self.lease));
        let mut renewed = Vec::with_capacity(claims.len());
        for claim in claims {
            let mut renew = transaction.prepare_cached(
                "UPDATE tasks SET due = ?6
                 WHERE job = (SELECT id FROM jobs WHERE uid = ?1 AND state = 0)
                     AND chunk = ?2 AND generation = ?3 AND owner = ?4 AND fence = ?5",
            )?;
            let held = self.leasing_owner() == Some(claim.owner)
                && renew.execute(params![
                    claim.key.job.as_bytes(),
                    claim.key.chunk.0.cast_signed(),
                    claim.key.generation.0,
                    claim.owner,
                    claim.fence,
                    until,
                ])? == 1;
            renewed.push(if held { Renewed::Held } else { Renewed::Lost });
        }
        transaction.commit()?;
        Ok(renewed)
    }

    /// Nacks and give-backs.
    pub(super) fn put_back(&mut self, returns: &[Return]) -> Result<Vec<Settled>, Fault> {
        let transaction = begin(&self.connection)?;
        let mut settled = Vec::with_capacity(returns.len());
        for back in returns {
            let due = nanos(self.clock.now().after(back.retry_in));
            let ours = self.leasing_owner() == Some(back.claim.owner);
            settled.push(if ours && put_back(&transaction, back, due)? {
                Settled::Applied
            } else {
                Settled::Stale
            });
        }
        transaction.commit()?;
        Ok(settled)
    }

    /// Gives back what this consumer leased, but for `held`.
    pub(super) fn give_back_strays(&mut self, held: &HashSet<Claim>) -> Result<u64, Fault> {
        let Some(owner) = self.leasing_owner() else {
            return Ok(0);
        };
        let transaction = begin(&self.connection)?;
        let now = nanos(self.clock.now());
        let mut strays = leased_to(&transaction, owner)?;
        strays.retain(|claim| !held.contains(claim));
        for claim in &strays {
            let back = Return { claim: *claim, retry_in: std::time::Duration::ZERO, failure: None };
            put_back(&transaction, &back, now)?;
        }
        transaction.commit()?;
        Ok(strays.len() as u64)
    }
}

/// Whether the claim still counted.
fn put_back(connection: &Connection, back: &Return, due: i64) -> Result<bool, Fault> {
    let mut update = connection.prepare_cached(
        "UPDATE tasks SET due = ?6, owner = NULL, nacked = ?7, failures = failures + ?7,
             give_backs = give_backs + 1 - ?7, suspect = suspect AND NOT ?7, failure = ifnull(?8, failure)
         WHERE job = (SELECT id FROM jobs WHERE uid = ?1 AND state = 0)
             AND chunk = ?2 AND generation = ?3 AND owner = ?4 AND fence = ?5",
    )?;
    let changed = update.execute(params![
        back.claim.key.job.as_bytes(),
        back.claim.key.chunk.0.cast_signed(),
        back.claim.key.generation.0,
        back.claim.owner,
        back.claim.fence,
        due,
        back.failure.is_some(),
        back.failure,
    ])?;
    Ok(changed == 1)
}

fn leased_to(connection: &Connection, owner: i64) -> Result<Vec<Claim>, Fault> {
    let mut find = connection.prepare_cached(
        "SELECT uid, chunk, generation, fence
         FROM tasks INDEXED BY leased JOIN jobs ON jobs.id = job
         WHERE owner = ?1 AND jobs.state = 0",
    )?;
    let claims = find.query_map([owner], |row| {
        let uid: [u8; 16] = row.get(0)?;
        Ok(Claim {
            key: IdempotencyKey {
                job: uid.into(),
                chunk: ChunkIndex(row.get::<_, i64>(1)?.cast_unsigned()),
                generation: Generation(row.get(2)?),
            },
            owner,
            fence: row.get(3)?,
        })
    })?;
    Ok(claims.collect::<Result<_, _>>()?)
}
