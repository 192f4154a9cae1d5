//! What can happen.

use std::fmt;

/// A fault, from when it is injected until it is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A worker is killed by -9; another one takes its place.
    Kill,
    /// A worker stands still for longer than its lease, then goes on.
    Freeze,
    /// Half of the workers are told to stop, as by a scale-down; others take their places.
    ScaleDown,
    /// A worker may have no more memory than it has.
    MemoryLimit,
    /// The broker is killed by -9, and started again.
    BrokerKill,
    /// The broker stands still for a while.
    BrokerFreeze,
    /// The broker has no room for more, for a while: no memory, or a full disk.
    NoRoom,
    /// Nothing passes between a worker and the broker, for longer than its lease.
    CutOff,
    /// Every connection between workers and broker breaks.
    Reset,
    /// What passes between a worker and the broker is late.
    Delay,
    /// The wall clock of the broker's machine is stepped forward.
    ClockForward,
    /// It is stepped back.
    ClockBack,
}

impl Fault {
    pub(crate) const ALL: [Self; 12] = [
        Self::Kill,
        Self::Freeze,
        Self::ScaleDown,
        Self::MemoryLimit,
        Self::BrokerKill,
        Self::BrokerFreeze,
        Self::NoRoom,
        Self::CutOff,
        Self::Reset,
        Self::Delay,
        Self::ClockForward,
        Self::ClockBack,
    ];

    pub(crate) fn is_of_the_broker(self) -> bool {
        matches!(self, Self::BrokerKill | Self::BrokerFreeze | Self::NoRoom)
    }

    /// Whether a store in a file can suffer it: nobody serves it, nothing is between, and no clock that
    /// can be stepped decides anything.
    pub(crate) fn befalls_a_file(self) -> bool {
        matches!(
            self,
            Self::Kill | Self::Freeze | Self::ScaleDown | Self::MemoryLimit | Self::NoRoom
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kill => "worker killed by -9",
            Self::Freeze => "worker frozen beyond its lease",
            Self::ScaleDown => "half of the workers stopped by SIGTERM",
            Self::MemoryLimit => "worker out of memory",
            Self::BrokerKill => "broker killed by -9, started again",
            Self::BrokerFreeze => "broker frozen",
            Self::NoRoom => "broker without room",
            Self::CutOff => "worker cut off beyond its lease",
            Self::Reset => "all connections reset",
            Self::Delay => "network slow",
            Self::ClockForward => "clock of the broker stepped forward",
            Self::ClockBack => "clock of the broker stepped back",
        })
    }
}
