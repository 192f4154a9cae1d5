//! What runs TTG on Kubernetes: manifests that a cluster accepts, whose parts fit together and speak
//! of what `ttg` knows; the script for people; the triggers that bring workers back.
//!
//! `kubectl` renders the manifests and `kubernetes-validate` holds them to Kubernetes' schemas;
//! `tests/run` installs both. What schemas cannot say is checked here.

#![expect(clippy::unwrap_used, reason = "what cannot be looked at fails the test")]

mod manifests;
mod network;
mod references;
mod restricted;
mod scaling;
mod schemas;
mod script;
mod stack;
mod stand_ins;
mod vocabulary;
