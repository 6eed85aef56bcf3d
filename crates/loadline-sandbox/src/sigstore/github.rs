//! Identity tokens in the shape of GitHub Actions.

use super::issuer::TokenRequest;

/// A workflow run, as a GitHub token describes it.
///
/// The fields that [`GitHubRun::new`] fills in are public: a test that needs another value sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubRun {
    /// `OWNER/NAME` of the repository the run belongs to.
    pub repository: String,
    /// The ref the run was started for: `refs/heads/main`.
    pub git_ref: String,
    /// The commit of that ref.
    pub sha: String,
    /// Path of the top workflow in the repository: `.github/workflows/release.yml`.
    pub workflow: String,
    /// Who holds the key: `OWNER/NAME/PATH@REF` of the job's own workflow, the same as the top one unless
    /// it is called from elsewhere.
    pub job_workflow_ref: String,
    /// The commit of the job's own workflow.
    pub job_workflow_sha: String,
    /// What started the run.
    pub event_name: String,
    /// Numeric id of the repository.
    pub repository_id: String,
    /// Numeric id of its owner.
    pub repository_owner_id: String,
    /// `public`, `private` or `internal`.
    pub repository_visibility: String,
    /// `github-hosted` or `self-hosted`.
    pub runner_environment: String,
    /// Numeric id of the run.
    pub run_id: String,
    /// Which attempt it is, from 1.
    pub run_attempt: String,
}

impl GitHubRun {
    /// A run of `workflow` (a path) in `repository`, started by a push to `git_ref` at commit `sha`.
    pub fn new(repository: &str, git_ref: &str, sha: &str, workflow: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            git_ref: git_ref.to_owned(),
            sha: sha.to_owned(),
            workflow: workflow.to_owned(),
            job_workflow_ref: format!("{repository}/{workflow}@{git_ref}"),
            job_workflow_sha: sha.to_owned(),
            event_name: "push".to_owned(),
            repository_id: "1".to_owned(),
            repository_owner_id: "1".to_owned(),
            repository_visibility: "public".to_owned(),
            runner_environment: "github-hosted".to_owned(),
            run_id: "1".to_owned(),
            run_attempt: "1".to_owned(),
        }
    }

    /// The identity that the certificate will carry: the job's own workflow as a URL.
    pub fn identity(&self) -> String {
        format!("https://github.com/{}", self.job_workflow_ref)
    }

    /// The token that GitHub would hand to this run, for Fulcio.
    pub fn token_request(&self) -> TokenRequest {
        let (owner, _) = self.repository.split_once('/').unwrap_or((&self.repository, ""));
        let ref_type = if self.git_ref.starts_with("refs/tags/") { "tag" } else { "branch" };
        let name = self.workflow.rsplit('/').next().unwrap_or(&self.workflow);
        let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let workflow_ref = format!("{}/{}@{}", self.repository, self.workflow, self.git_ref);
        [
            ("actor", owner),
            ("event_name", &self.event_name),
            ("job_workflow_ref", &self.job_workflow_ref),
            ("job_workflow_sha", &self.job_workflow_sha),
            ("ref", &self.git_ref),
            ("ref_type", ref_type),
            ("repository", &self.repository),
            ("repository_id", &self.repository_id),
            ("repository_owner", owner),
            ("repository_owner_id", &self.repository_owner_id),
            ("repository_visibility", &self.repository_visibility),
            ("run_attempt", &self.run_attempt),
            ("run_id", &self.run_id),
            ("runner_environment", &self.runner_environment),
            ("sha", &self.sha),
            ("workflow", name),
            ("workflow_ref", &workflow_ref),
            ("workflow_sha", &self.sha),
        ]
        .into_iter()
        .fold(
            TokenRequest::new(format!("repo:{}:ref:{}", self.repository, self.git_ref)),
            |request, (name, value)| request.claim(name, value),
        )
    }
}
