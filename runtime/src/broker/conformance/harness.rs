//! What an adapter brings to be tested, and the list of the laws.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::broker::Broker;
use crate::clock::Timestamp;
use crate::ids::WorkerId;

/// One running broker of an adapter's, and the time it lives in.
#[async_trait]
pub trait Harness: Send + Sync + Sized + 'static {
    /// Starts a broker that holds nothing.
    async fn start() -> Self;

    /// Connects a consumer. All consumers of one law have the same lease.
    async fn connect(&self, worker: WorkerId, lease: Duration) -> Arc<dyn Broker>;

    /// The lease of laws that wait for its end: as short as the backend keeps it reliably.
    fn lease() -> Duration;

    /// What is not there after such a wait is taken not to be due.
    fn moment() -> Duration {
        Self::lease() / 10
    }

    /// The time that [`Self::elapse`] moves.
    fn now(&self) -> Timestamp;

    /// Lets `by` pass: a manual clock is advanced, a real server waited for.
    async fn elapse(&self, by: Duration);

    /// Lets all that `worker` holds under [`Self::lease`] end without a word. Its handle lives on,
    /// as that of a paused process does. A backend whose leases are connections cuts this one.
    async fn expire(&self, worker: &WorkerId) {
        let _ = worker;
        self.elapse(Self::lease()).await;
    }
}

/// Expands to one `#[tokio::test]` for each law, run against the given
/// [`Harness`](crate::broker::conformance::Harness).
#[macro_export]
macro_rules! broker_conformance {
    ($harness:ty) => {
        $crate::broker_conformance! { $harness:
            published_is_delivered_once
            waiting_chunks_are_delivered_in_the_order_of_their_cut
            the_longest_due_is_delivered_first
            publishing_again_adds_exactly_what_is_missing
            credit_is_never_exceeded
            no_two_consumers_hold_one_lease
            an_empty_receive_ends_in_time
            a_waiting_receive_is_woken_by_a_publish
            a_waiting_receive_takes_a_chunk_when_it_comes_due
            counters_and_trace_context_and_spec_survive_the_round_trip

            an_expired_lease_is_redelivered_with_one_silent_delivery_more
            a_suspect_stays_one_until_somebody_has_evaluated_it
            a_renewed_lease_is_not_taken_over
            an_ended_lease_is_its_holders_until_it_is_taken_over
            a_stale_receipt_changes_nothing
            a_receipt_is_stale_once_its_chunk_is_delivered_again
            a_receipt_serves_only_the_consumer_that_holds_it
            strays_are_given_back_uncharged_and_held_ones_are_kept

            a_committed_chunk_never_returns
            a_nacked_chunk_returns_not_early_with_one_failure_more_and_its_reason
            a_given_back_chunk_returns_at_once_and_is_charged_nothing
            a_chunk_given_back_for_later_does_not_return_early
            the_first_outcome_of_a_key_wins_and_later_ones_are_counted
            the_outcome_of_a_lost_lease_settles_the_chunk_for_its_new_holder

            outcomes_are_read_from_the_start_as_often_as_wanted
            a_cursor_goes_on_where_its_page_ended
            outcomes_survive_byte_for_byte
            a_page_of_outcomes_is_bounded_by_bytes_and_holds_one_at_least

            values_are_read_as_they_were_stored
            the_values_that_an_outcome_names_stay
            values_go_with_their_job

            progress_counts_every_chunk_and_parameter
            only_failed_and_silent_deliveries_are_counted_as_redelivered
            a_job_is_complete_by_count_of_distinct_outcomes
            published_is_the_unbroken_start_of_the_cut
            a_replay_moves_dead_parameters_to_completed
            a_replay_that_dies_again_moves_nothing

            a_name_is_taken_once
            jobs_are_listed_oldest_first
            an_unknown_job_is_told_so
            a_cancelled_job_delivers_nothing_and_drops_outcomes
            a_purge_of_all_leaves_no_job
            a_purged_job_is_gone_and_its_zombie_touches_nothing_new
            two_jobs_share_a_broker_and_do_not_mix
            beats_show_each_worker_once_and_age_out
        }
    };
    ($harness:ty: $($law:ident)+) => {
        $(
            #[tokio::test]
            async fn $law() {
                $crate::broker::conformance::$law::<$harness>().await;
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_law_is_run() {
        let files = [
            include_str!("delivering.rs"),
            include_str!("jobs.rs"),
            include_str!("leases.rs"),
            include_str!("outcomes.rs"),
            include_str!("progress.rs"),
            include_str!("settling.rs"),
            include_str!("values.rs"),
        ];
        let laws: BTreeSet<&str> = files
            .iter()
            .flat_map(|file| file.lines())
            .filter_map(|line| line.strip_prefix("pub async fn ")?.split('<').next())
            .collect();
        let listed: BTreeSet<&str> = include_str!("harness.rs")
            .lines()
            .map(str::trim)
            .filter(|line| laws.contains(line))
            .collect();
        assert_eq!(laws, listed);
    }
}
