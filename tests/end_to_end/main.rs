//! The `ttg` command as its users have it: real processes, a real store, signals and `kill -9`.

mod attrition;
mod brokers;
mod children;
mod collector;
mod collector_by_http;
mod crashes;
mod damage;
mod dead_letters;
mod demo;
mod demo_watched;
mod disks;
mod endpoint;
mod exactness;
mod faults;
mod fencing;
mod logs;
mod memory;
mod places;
mod poison;
mod programs;
mod proofs;
mod rabbitmq;
mod redis;
mod redis_outages;
mod resuming;
mod rows;
mod shards;
mod signals;
mod submitting;
mod terminals;
mod traces;
mod traces_by_http;
mod traces_by_tls;
mod values;
mod watching;
mod wedged;
mod workers;

use ttg_tests::Sandbox;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_ttg-under-test"))
}
