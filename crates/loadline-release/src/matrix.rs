//! The legs of a plan as the matrix of a workflow: `strategy.matrix: ${{ fromJSON(…) }}`.

use indexmap::IndexMap;
use loadline_core::Platform;
use loadline_core::config::Runner;
use serde::Serialize;
use thiserror::Error;

use crate::plan::Plan;

/// GitHub's own machines, for platforms that `[runners]` does not name.
const HOSTED: &[(&str, &str)] = &[("linux/amd64", "ubuntu-24.04"), ("linux/arm64", "ubuntu-24.04-arm")];

/// A platform has no machine.
#[derive(Debug, Error)]
#[error(
    "`{leg}` has no machine to be built on: name one under `[runners]`, such as \"{platform}\" = \"ubuntu-24.04\" with emulation"
)]
pub struct NoRunner {
    /// The leg.
    pub leg: String,
    /// The platform.
    pub platform: Platform,
}

/// A matrix in GitHub's form: every entry is a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// The jobs.
    pub include: Vec<Job>,
}

/// One job: one leg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// The image.
    pub image: String,
    /// The platform.
    pub platform: String,
    /// What `runs-on` takes.
    pub runner: Runner,
    /// A name for files and artifacts: `api-linux-arm64`.
    pub slug: String,
}

/// The matrix of a plan.
///
/// # Errors
/// A platform has no machine.
pub fn github(plan: &Plan, runners: &IndexMap<Platform, Runner>) -> Result<Matrix, NoRunner> {
    let legs = plan.images.iter().flat_map(|image| image.platforms.iter().map(move |of| (image, of)));
    let job = |image: &str, platform: &Platform| {
        let name = platform.to_string();
        let hosted =
            || HOSTED.iter().find(|(of, _)| *of == name).map(|(_, label)| Runner::Label((*label).into()));
        let runner = runners.get(platform).cloned().or_else(hosted);
        let slug = format!("{image}-{}", platform.slug());
        match runner {
            Some(runner) => Ok(Job { image: image.to_owned(), platform: name, runner, slug }),
            None => Err(NoRunner { leg: format!("{image} {platform}"), platform: platform.clone() }),
        }
    };
    Ok(Matrix { include: legs.map(|(image, of)| job(&image.name, of)).collect::<Result<_, _>>()? })
}
