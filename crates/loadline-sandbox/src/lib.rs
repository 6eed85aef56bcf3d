//! An embedded OCI registry and a private Sigstore, for `--sandbox` and for tests.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use loadline_sandbox::{GitHubRun, Options, Sandbox};
//!
//! let sandbox = Sandbox::start(Options::new("target/sandbox")).await?;
//! let run = GitHubRun::new("acme/widget", "refs/heads/main", &"0".repeat(40), ".github/workflows/build.yml");
//! let token = sandbox.github_token(&run)?;
//! # drop(token);
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```

pub mod codes;
mod data;
mod metrics;
pub mod registry;
pub mod request_log;
pub mod sandbox;
pub mod sigstore;

pub use codes::CODES;
pub use request_log::RequestLog;
pub use sandbox::{Options, Ready, Sandbox, SandboxError, collect};
pub use sigstore::{GitHubRun, GitLabJob, Shape, TokenRequest};
