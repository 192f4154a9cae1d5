crate::broker_conformance!(super::EmbeddedHarness);
