//! What becomes of one call.

use std::time::Duration;

use crate::call::Call;
use crate::node::Node;

/// A part of a call that does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    Request,
    Answer,
}

/// What the network and the adapter do with a call.
#[derive(Debug, Clone)]
pub(crate) struct Fate {
    /// How long the request travels, and the answer.
    pub(crate) there: Duration,
    pub(crate) back: Duration,
    pub(crate) late: bool,
    pub(crate) lost: Option<Lost>,
    /// A copy of the request arrives so much later.
    pub(crate) again: Option<Duration>,
    pub(crate) full: bool,
    pub(crate) panics: bool,
}

impl Fate {
    pub(crate) fn choose(node: &Node, call: &Call) -> Self {
        let (chance, weather) = (&node.chance, node.world.weather());
        let (min, max) = (weather.latency_min, weather.latency_max);
        let mut fate = Self {
            there: chance.duration(min, max),
            back: chance.duration(Duration::ZERO, max.saturating_sub(min)),
            late: chance.happens(weather.late),
            lost: None,
            again: None,
            full: false,
            panics: false,
        };
        let long = node.world.plan.lease * 2;
        if fate.late {
            let late = chance.duration(Duration::ZERO, long);
            if chance.happens(0.5) {
                fate.there = late;
            } else {
                fate.back = late;
            }
        }
        if chance.happens(weather.lost_request) {
            fate.lost = Some(Lost::Request);
        } else if chance.happens(weather.lost_answer) {
            fate.lost = Some(Lost::Answer);
        }
        // A second receive would be one that nobody asked for.
        if !matches!(call, Call::Receive(..)) && chance.happens(weather.twice) {
            fate.again = Some(chance.duration(Duration::ZERO, long));
            node.trouble("request arrives twice");
        }
        let stores = matches!(call, Call::Commit(_) | Call::Publish(_) | Call::Nack(_));
        if stores && chance.happens(weather.full) {
            fate.full = true;
            node.trouble("broker is full");
        }
        // Where the supervisor's policy has a word for it; elsewhere the worker would not start.
        let restarts = matches!(
            call,
            Call::Receive(..)
                | Call::Renew(_)
                | Call::Commit(_)
                | Call::Nack(_)
                | Call::GiveBack(_)
        );
        if restarts && chance.happens(weather.panics) && node.takes_a_panic() {
            fate.panics = true;
            node.world.witness().count("adapter panics");
        }
        fate
    }
}
