//! Does harm at times that the seed chooses, until it is calm.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::chance::{Chance, Whom};
use crate::event::Event;
use crate::fleet::{Fleet, Life};
use crate::submission::Submissions;
use crate::world::World;

#[derive(Debug, Clone, Copy)]
enum Harm {
    Crash,
    Freeze,
    Partition,
    RestartBroker,
    JumpClock,
    Scale,
    KillSubmitter,
}

/// The one that does harm.
pub(crate) struct Nemesis {
    world: Arc<World>,
    fleet: Arc<Fleet>,
    submissions: Arc<Submissions>,
    chance: Chance,
}

impl Nemesis {
    pub(crate) fn new(
        world: &Arc<World>,
        fleet: &Arc<Fleet>,
        submissions: &Arc<Submissions>,
    ) -> Self {
        Self {
            world: Arc::clone(world),
            fleet: Arc::clone(fleet),
            submissions: Arc::clone(submissions),
            chance: Chance::of(world.plan.seed, Whom::Nemesis, 0),
        }
    }

    /// Returns when it is calm, with a worker that stays frozen, if the plan has one.
    pub(crate) async fn rage(&self) -> Option<Life> {
        let weather = &self.world.plan.weather;
        let gaps = [
            (Harm::Crash, weather.crashes),
            (Harm::Freeze, weather.freezes),
            (Harm::Partition, weather.partitions),
            (Harm::RestartBroker, weather.restarts_of_broker),
            (Harm::JumpClock, weather.jumps_of_clocks),
            (Harm::Scale, weather.scalings),
            (Harm::KillSubmitter, weather.deaths_of_submitters),
        ];
        let calm_at = Instant::now() + self.world.plan.calm_at;
        let mut agenda: Vec<(Instant, Harm, Duration)> = gaps
            .into_iter()
            .filter_map(|(harm, gap)| Some((Instant::now() + self.chance.around(gap?), harm, gap?)))
            .collect();
        while let Some(next) = agenda.iter_mut().min_by_key(|(at, ..)| *at) {
            if next.0 >= calm_at {
                break;
            }
            tokio::time::sleep_until(next.0).await;
            let (_, harm, gap) = *next;
            self.harm(harm).await;
            next.0 = Instant::now() + self.chance.around(gap);
        }
        tokio::time::sleep_until(calm_at).await;
        self.calm_down()
    }

    fn victim(&self) -> Option<Life> {
        let working = self.fleet.working();
        let going: Vec<_> = working.into_iter().filter(|life| !life.node.is_frozen()).collect();
        self.chance.pick(&going).cloned()
    }

    async fn harm(&self, harm: Harm) {
        match harm {
            Harm::RestartBroker => {
                let outage = self.chance.duration(Duration::ZERO, Duration::from_secs(4));
                self.world.restart_broker(outage).await;
            }
            Harm::Scale => self.scale(),
            Harm::KillSubmitter => self.submissions.kill_one(&self.chance),
            Harm::JumpClock if self.chance.happens(0.3) => {
                let by = self.chance.duration(Duration::ZERO, Duration::from_secs(30));
                self.world.broker_clock.suspend(by);
                self.world.see(&Event::BrokerJumped { by });
            }
            Harm::Crash | Harm::Freeze | Harm::Partition | Harm::JumpClock => {
                if let Some(victim) = self.victim() {
                    self.strike(harm, victim);
                }
            }
        }
    }

    fn strike(&self, harm: Harm, victim: Life) {
        let node = victim.node;
        let lasts = self.chance.duration(Duration::from_millis(100), self.world.plan.lease * 3);
        match harm {
            Harm::Crash => node.crash(self.chance.happens(0.5)),
            Harm::Freeze => {
                node.freeze();
                tokio::spawn(async move {
                    tokio::time::sleep(lasts).await;
                    node.thaw();
                });
            }
            Harm::Partition => {
                node.cut_off();
                tokio::spawn(async move {
                    tokio::time::sleep(lasts).await;
                    node.connect();
                });
            }
            _ if self.chance.happens(0.5) => {
                node.trouble("boot clock jumps");
                node.clock.suspend(lasts);
            }
            _ => {
                node.trouble("wall clock jumps");
                let millis = i64::try_from(self.chance.between(0, 20_000_000)).unwrap_or(0);
                node.clock.step_wall(millis - 10_000_000);
            }
        }
    }

    fn scale(&self) {
        let working = self.fleet.working();
        let most = self.world.plan.workers.1 as usize;
        if working.len() < most && self.chance.happens(0.5) {
            self.fleet.start(false);
        } else if let Some(life) = self.chance.pick(&working) {
            self.fleet.stop(life);
        }
    }

    fn calm_down(&self) -> Option<Life> {
        self.world.calm_down();
        let mut revenant = self.victim().filter(|_| self.world.plan.revenant);
        for life in self.fleet.living() {
            life.node.connect();
            life.node.thaw();
        }
        if let Some(life) = &revenant {
            life.node.freeze();
            self.fleet.start(true);
        } else if !self.fleet.has_capable() {
            self.fleet.start(true);
        }
        revenant.take()
    }
}
