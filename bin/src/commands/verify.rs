//! `ttg verify`: prove a job.

use serde::Serialize;
use ttg_runtime::Kernels;
use ttg_runtime::broker::JobState;

use crate::cli::VerifyArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::kept_values::{self, Kept, Next, ValuesProof};
use crate::proof::Proof;
use crate::recompute::Recomputation;
use crate::report::{self, bar, counted};
use crate::settings::granted_cpus;
use crate::{logging, lookup, outcomes};

pub(crate) async fn verify(
    arguments: VerifyArguments,
    kernels: Kernels,
) -> Result<Exit, CommandError> {
    logging::start(&arguments.common, None, &bar(true))?;
    let (broker, job) = lookup::job(&arguments.common, arguments.job.parse()?).await?;
    let progress = report::progress(&*broker, &job).await?;
    if progress.state == JobState::Running {
        return Err(CommandError::NotFinished(job.name));
    }
    let recomputation = match arguments.recompute {
        Some(share) => {
            let kernel = kernels
                .get(&job.spec.kernel)
                .ok_or_else(|| CommandError::unknown_kernel(job.spec.kernel.clone(), &kernels))?;
            Some(Recomputation::begin(&job, kernel, share, granted_cpus())?)
        }
        None => None,
    };
    let mut proof = Proof::begin(&job);
    let read = outcomes::for_each(&*broker, &job, |outcome| {
        proof.add(&outcome);
        if let Some(recomputation) = &recomputation {
            recomputation.take(outcome);
        }
    });
    read.await?;
    let mut values = ValuesProof::default();
    if job.spec.values {
        let compare = |kept: Kept<'_>| {
            values.take(kept, &mut proof.findings);
            Next::Go
        };
        kept_values::for_each(&*broker, &job, compare).await?;
    }
    let recomputed = recomputation.map(|recomputation| recomputation.end(&mut proof.findings));
    let (completed, dead) = proof.conclude(&progress);
    if proof.builds.len() > 1 {
        tracing::warn!(builds = ?proof.builds, "outcomes of several builds are in this job");
    }
    let Proof { replays, builds, findings, .. } = proof;
    let verdict = Verdict {
        job: job.name.as_str(),
        uid: job.uid.to_string(),
        proven: findings.is_empty(),
        parameters: job.spec.parameters.len(),
        completed,
        dead,
        chunks: job.spec.chunks_total(),
        replays,
        recomputed,
        values: job.spec.values.then_some(values.parameters),
        builds: builds.into_iter().collect(),
        findings: findings.told,
        more_findings: findings.untold,
    };
    report::print_either(&verdict, arguments.common.json, || verdict.for_people())?;
    Ok(if verdict.proven { Exit::Success } else { Exit::Disproved })
}

#[derive(Serialize)]
struct Verdict<'a> {
    job: &'a str,
    uid: String,
    proven: bool,
    parameters: u64,
    completed: u64,
    dead: u64,
    /// Of the original cut.
    chunks: u64,
    /// Outcomes of dead parameters that were tried again, or dropped.
    replays: u64,
    /// Outcomes that were evaluated again; null if none were to be.
    recomputed: Option<u64>,
    /// Values that agree with the outcomes; null if none are kept.
    values: Option<u64>,
    builds: Vec<String>,
    findings: Vec<String>,
    more_findings: u64,
}

impl Verdict<'_> {
    fn for_people(&self) -> String {
        let mut text =
            format!("job {} is {}\n", self.job, if self.proven { "proven" } else { "DISPROVED" });
        text += &format!(
            "  {}: {} completed, {} dead\n  {}",
            counted(self.parameters, "parameter"),
            report::grouped(self.completed),
            report::grouped(self.dead),
            counted(self.chunks, "chunk"),
        );
        if self.replays > 0 {
            text += &format!(", {}", counted(self.replays, "replay"));
        }
        text += if self.proven { ", each parameter in one outcome\n" } else { "\n" };
        if let Some(recomputed) = self.recomputed {
            text += &format!("  {} recomputed", counted(recomputed, "outcome"));
            text += if self.proven { ", equal to the last bit\n" } else { "\n" };
        }
        if let Some(values) = self.values {
            text += &format!("  {}", counted(values, "value"));
            text += if self.proven { ", equal to the summaries\n" } else { "\n" };
        }
        text += &format!("  build {}\n", self.builds.join(", "));
        for finding in &self.findings {
            text += &format!("  - {finding}\n");
        }
        if self.more_findings > 0 {
            text += &format!("  - and {}\n", counted(self.more_findings, "finding"));
        }
        text
    }
}
