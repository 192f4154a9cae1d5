//! Faults, injected on purpose into real workers, real brokers and the network between them, while
//! jobs are computed: afterwards every parameter is there once, and the sum is exact.
//!
//! Reading order: `fault` (what can happen), `broker` (to which broker), `way` (the network),
//! `pool` (the workers), `trial` (one run, from start to proof). `TTG_TEST_FAULTS=200 tests/run
//! faults` is a long one.

mod broker;
mod fault;
mod pool;
mod trial;
mod way;

use broker::Backend;

#[test]
fn embedded() {
    trial::run(Backend::embedded());
}

#[test]
fn redis() {
    trial::run(Backend::redis());
}

#[test]
fn rabbitmq() {
    trial::run(Backend::rabbitmq());
}
