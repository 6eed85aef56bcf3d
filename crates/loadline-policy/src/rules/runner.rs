//! Where the build ran: a self-hosted runner's owner can reach into it.

use loadline_core::Finding;
use loadline_core::proof::{Claim, Proof};

use crate::codes::SELF_HOSTED_RUNNER;
use crate::judge::{JudgeContext, Rule};
use crate::rules::says;

/// No self-hosted runners. A certificate that does not say is not believed to be hosted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSelfHosted;

impl Rule for NoSelfHosted {
    fn describe(&self) -> String {
        "no self-hosted runner".to_owned()
    }

    fn judge(&self, proof: &Proof, _: &JudgeContext) -> Vec<Finding> {
        let claim = Claim::RunnerEnvironment;
        match proof.identity().and_then(|identity| identity.claim(claim)) {
            Some("github-hosted" | "gitlab-hosted") => Vec::new(),
            _ => vec![Finding::error(
                &SELF_HOSTED_RUNNER,
                format!(
                    "expected a runner that the forge hosts, the certificate says {}",
                    says(proof, claim)
                ),
            )],
        }
    }
}
