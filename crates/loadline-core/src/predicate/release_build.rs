//! Our own build type of SLSA provenance: what `externalParameters`, `internalParameters` and
//! `resolvedDependencies` of a release mean when no other build type fits, and the names that set the
//! built commit apart from the workflow's.
//!
//! ```json
//! { "buildType": "https://loadline.dev/buildtypes/release/v1",
//!   "externalParameters": {
//!     "workflow": { "repository": "https://github.com/acme/widget", "ref": "refs/heads/main",
//!                   "path": ".github/workflows/release.yml" },
//!     "image": "orchestrator", "version": "1.2.3" },
//!   "resolvedDependencies": [
//!     { "name": "source", "uri": "git+https://github.com/acme/widget@refs/tags/v1.2.3",
//!       "digest": { "gitCommit": "…" } },
//!     { "name": "workflow", "uri": "git+https://github.com/acme/widget@refs/heads/main",
//!       "digest": { "gitCommit": "…" } } ] }
//! ```
//!
//! `workflow` is absent outside a workflow. The commit that was built is the dependency named
//! [`SOURCE`]; the one the workflow ran from is named [`WORKFLOW`], and may be another. A provenance of
//! GitHub's build type uses the same two names; there an unnamed git dependency is the workflow's.

/// The build type.
pub const BUILD_TYPE: &str = "https://loadline.dev/buildtypes/release/v1";
/// The build type that `actions/attest-build-provenance` writes
/// (<https://actions.github.io/buildtypes/workflow/v1>).
pub const GITHUB_BUILD_TYPE: &str = "https://actions.github.io/buildtypes/workflow/v1";
/// The name of the dependency that was built.
pub const SOURCE: &str = "source";
/// The name of the dependency that the workflow ran from.
pub const WORKFLOW: &str = "workflow";
/// The digest algorithm of git commits in dependencies.
pub const GIT_COMMIT: &str = "gitCommit";
