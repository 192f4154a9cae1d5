use super::*;

crate::broker_conformance!(MemoryHarness);
