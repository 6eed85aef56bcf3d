//! The tables of codes, one for each room that has findings or failures of its own.

use loadline_core::Code;

/// Room and table. `tidy` refuses a room that has a table and does not stand here.
pub(crate) fn tables() -> Vec<(&'static str, &'static [&'static Code])> {
    vec![
        ("loadline", loadline::codes::CODES),
        ("loadline-build", loadline_build::CODES),
        ("loadline-check", loadline_check::CODES),
        ("loadline-core", loadline_core::config::CODES),
        ("loadline-evidence", loadline_evidence::CODES),
        ("loadline-gate", loadline_gate::CODES),
        ("loadline-github", loadline_github::CODES),
        ("loadline-manifests", loadline_manifests::CODES),
        ("loadline-policy", loadline_policy::CODES),
        ("loadline-registry", loadline_registry::CODES),
        ("loadline-release", loadline_release::CODES),
        ("loadline-sandbox", loadline_sandbox::CODES),
        ("loadline-sigstore", loadline_sigstore::CODES),
    ]
}
