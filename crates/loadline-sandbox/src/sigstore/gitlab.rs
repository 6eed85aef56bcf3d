//! Identity tokens in the shape of GitLab CI.

use super::issuer::{Shape, TokenRequest};

/// A pipeline's job, as a GitLab ID token describes it.
///
/// The fields that [`GitLabJob::new`] fills in are public: a test that needs another value sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitLabJob {
    /// `GROUP/NAME` of the project, of any depth.
    pub project_path: String,
    /// The branch or tag, without `refs/`.
    pub git_ref: String,
    /// `branch` or `tag`.
    pub ref_type: String,
    /// The commit.
    pub sha: String,
    /// Who holds the key: `HOST/PROJECT//PATH@REF` of the pipeline's definition, without a scheme.
    pub ci_config_ref_uri: String,
    /// What started the pipeline.
    pub pipeline_source: String,
    /// Numeric id of the project.
    pub project_id: String,
    /// Numeric id of its namespace.
    pub namespace_id: String,
    /// Numeric id of the job.
    pub job_id: String,
    /// `gitlab-hosted` or `self-hosted`.
    pub runner_environment: String,
    /// `public`, `internal` or `private`.
    pub project_visibility: String,
}

impl GitLabJob {
    /// A job of `.gitlab-ci.yml` in `project_path` at gitlab.com, started by a push to `branch` at `sha`.
    pub fn new(project_path: &str, branch: &str, sha: &str) -> Self {
        Self {
            project_path: project_path.to_owned(),
            git_ref: branch.to_owned(),
            ref_type: "branch".to_owned(),
            sha: sha.to_owned(),
            ci_config_ref_uri: format!("gitlab.com/{project_path}//.gitlab-ci.yml@refs/heads/{branch}"),
            pipeline_source: "push".to_owned(),
            project_id: "1".to_owned(),
            namespace_id: "1".to_owned(),
            job_id: "1".to_owned(),
            runner_environment: "gitlab-hosted".to_owned(),
            project_visibility: "public".to_owned(),
        }
    }

    /// The identity that the certificate will carry: the pipeline's definition as a URL.
    pub fn identity(&self) -> String {
        format!("https://{}", self.ci_config_ref_uri)
    }

    /// The token that GitLab would hand to this job, for Fulcio, from the sandbox's GitLab issuer.
    pub fn token_request(&self) -> TokenRequest {
        let namespace = self.project_path.rsplit_once('/').map_or("", |(namespace, _)| namespace);
        let subject =
            format!("project_path:{}:ref_type:{}:ref:{}", self.project_path, self.ref_type, self.git_ref);
        [
            ("ci_config_ref_uri", self.ci_config_ref_uri.as_str()),
            ("ci_config_sha", &self.sha),
            ("job_id", &self.job_id),
            ("namespace_id", &self.namespace_id),
            ("namespace_path", namespace),
            ("pipeline_id", "1"),
            ("pipeline_source", &self.pipeline_source),
            ("project_id", &self.project_id),
            ("project_path", &self.project_path),
            ("project_visibility", &self.project_visibility),
            ("ref", &self.git_ref),
            ("ref_type", &self.ref_type),
            ("runner_environment", &self.runner_environment),
            ("sha", &self.sha),
            ("user_login", "someone"),
        ]
        .into_iter()
        .fold(TokenRequest::new(subject).of(Shape::GitLab), |request, (name, value)| {
            request.claim(name, value)
        })
        .claim("runner_id", 1)
    }
}
