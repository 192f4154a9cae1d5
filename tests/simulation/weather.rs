//! How bad it is: which faults there are, and how often.

use std::time::Duration;

use crate::chance::Chance;

/// The faults of one simulation. Each kind is left out of about half of them, so that what one
/// fault hides another simulation shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather {
    /// Per call, by probability.
    pub(crate) calls: CallWeather,
    /// The mean time between two, of the whole fleet; `None` for never.
    pub(crate) crashes: Option<Duration>,
    pub(crate) freezes: Option<Duration>,
    pub(crate) partitions: Option<Duration>,
    pub(crate) restarts_of_broker: Option<Duration>,
    pub(crate) jumps_of_clocks: Option<Duration>,
    pub(crate) scalings: Option<Duration>,
    pub(crate) deaths_of_submitters: Option<Duration>,
    /// How probably the broker writes to disk after a change.
    pub(crate) synced: f64,
}

/// What can happen to a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallWeather {
    /// How long a request takes in good order.
    pub(crate) latency_min: Duration,
    pub(crate) latency_max: Duration,
    /// The request does not arrive.
    pub(crate) lost_request: f64,
    /// It is carried out, and its caller hears nothing.
    pub(crate) lost_answer: f64,
    /// Request or answer takes far too long.
    pub(crate) late: f64,
    /// The request arrives a second time, later.
    pub(crate) twice: f64,
    /// The broker says that it has no room.
    pub(crate) full: f64,
    /// A receive hands over what was handed to somebody before.
    pub(crate) copied: f64,
    /// The adapter has a bug, and panics.
    pub(crate) panics: f64,
}

impl CallWeather {
    /// Nothing goes wrong, and nothing takes long.
    pub(crate) fn calm() -> Self {
        Self { latency_max: Duration::from_millis(3), ..Self::default() }
    }

    /// Nothing goes wrong, and every request takes this long, its answer nothing.
    pub(crate) fn even(latency: Duration) -> Self {
        Self { latency_min: latency, latency_max: latency, ..Self::default() }
    }
}

impl Weather {
    pub(crate) fn choose(chance: &Chance) -> Self {
        let per_call = |most: f64| if chance.happens(0.5) { chance.fraction(most) } else { 0.0 };
        let every = |low: u64, high: u64| {
            let gap = Duration::from_millis(chance.between(low * 1_000, high * 1_000));
            chance.happens(0.5).then_some(gap)
        };
        Self {
            calls: CallWeather {
                latency_min: Duration::ZERO,
                latency_max: Duration::from_millis(*chance.pick(&[0, 3, 20, 200]).unwrap_or(&3)),
                lost_request: per_call(0.1),
                lost_answer: per_call(0.1),
                late: per_call(0.05),
                twice: per_call(0.05),
                full: per_call(0.05),
                copied: per_call(0.1),
                panics: per_call(0.01),
            },
            crashes: every(1, 20),
            freezes: every(2, 20),
            partitions: every(2, 20),
            restarts_of_broker: every(4, 20),
            jumps_of_clocks: every(2, 20),
            scalings: every(2, 15),
            deaths_of_submitters: every(2, 20),
            synced: chance.fraction(0.5),
        }
    }
}
