//! The codes of this room. Each stands in the file of its rule; here is the whole list.

use loadline_core::Code;

use crate::{discover, fix, ignores, levels, rules};

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &rules::shared_region_drift::DRIFT,
    &rules::region_markers::MISSING,
    &rules::region_markers::DUPLICATED,
    &rules::region_markers::ORDER,
    &rules::region_markers::CROSSED,
    &rules::region_file::ABSENT,
    &rules::region_file::ENCODING,
    &rules::region_file::UNREADABLE,
    &rules::region_file::TOO_FEW,
    &rules::shared_region_context::CONTEXT,
    &rules::dockerfile_invalid::INVALID,
    &rules::dockerfile_invalid::TARGET,
    &rules::dockerfile_invalid::UNREADABLE,
    &rules::dockerfile_unlisted::UNLISTED,
    &rules::base_unpinned::UNPINNED,
    &rules::build_args::UNDECLARED,
    &rules::build_args::NOT_GIVEN,
    &rules::secret_in_dockerfile::SECRET,
    &rules::tool_version_drift::DRIFT,
    &rules::image_contract::CONTRACT,
    &rules::dockerignore_open::OPEN,
    &rules::dockerignore_open::INVALID,
    &rules::dockerignore_open::KEYS,
    &rules::pin_drift::DRIFT,
    &rules::pin_drift::NOT_FOUND,
    &rules::pin_drift::UNREADABLE,
    &rules::action_unpinned::UNPINNED,
    &rules::runner_unpinned::UNPINNED,
    &rules::runner_unpinned::UNKNOWN,
    &rules::workflow_permissions::PERMISSIONS,
    &rules::called_permissions::MISSING,
    &rules::workflow_invalid::INVALID,
    &rules::workflow_invalid::CALL,
    &rules::workflow_invalid::ABSENT,
    &rules::workflow_invalid::UNREADABLE,
    &ignores::MALFORMED,
    &ignores::UNUSED,
    &levels::UNKNOWN_RULE,
    &discover::ALONE,
    &fix::BOTH_CHANGED,
    &fix::DISCARDED,
    &fix::NO_SOURCE,
    &fix::FAILED,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case_and_unique() {
        let mut names: Vec<_> = CODES.iter().map(|code| code.name).collect();
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        assert!(CODES.iter().all(|c| !c.summary.is_empty() && c.explanation.len() > 80));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CODES.len());
    }
}
