//! The laws of all adapters, then what only this one promises.

crate::broker_conformance!(super::RabbitHarness);
